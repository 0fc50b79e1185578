package refresh

import (
	"fmt"

	"feedmill/internal/feeds"
)

const (
	// outageHosts is how many distinct domains are heard of before it is decided
	// whose fault it is that most cannot be reached. A round over fewer decides when
	// one was reached, or at its end.
	outageHosts = 20

	// outageHeld bounds the failures that wait for that decision. They carry
	// no items. A host has few jobs under way, so the decision falls long before.
	outageHeld = 4096
)

// noNetwork is what feeds are told that an outage left unasked.
const noNetwork = "no network"

// An OutageError says that a round was stopped because nearly no host could be
// reached, which is our network's fault and not theirs.
type OutageError struct {
	Failed int // distinct registrable domains that could not be found or reached
	Hosts  int // of so many that were tried
}

// Error returns both numbers.
func (e *OutageError) Error() string {
	return fmt.Sprintf("no network: %d of the first %d hosts could not be reached", e.Failed, e.Hosts)
}

// network is what is known of our own network.
type network uint8

const (
	undecided network = iota
	networkWorks
	networkFails
)

// An outage finds out whether the hosts fail or our own network does. Until it
// has decided, failures that an outage would explain must not be stored: the
// next rounds would ask those feeds less often for a fault that was ours.
//
// Each domain has one vote, the best that was heard of it. Once three of the
// first twenty were reached the network works, for the rest of the round; where
// there are fewer, once one was. Where none was reached in the whole round, it is
// our network that fails, with one host as with a thousand, unless all that is
// wrong is that one name or two do not exist. Who had failed before has no vote
// against the network: where a cron asks often, a round may be of dead hosts only.
type outage struct {
	network network
	needed  int            // hosts that must have been reached
	reached map[int32]bool // by group
	failed  int            // groups in reached that are false
	unnamed int            // of these, the ones whose name does not exist
	held    []answer       // what waits for the decision, in order
}

// newOutage returns an outage for a round over so many domains. online says that the
// network is known to work.
func newOutage(domains int, online bool) *outage {
	needed := 1
	if domains >= outageHosts {
		needed = outageHosts/10 + 1
	}
	o := &outage{needed: needed, reached: make(map[int32]bool)}
	if online {
		o.network = networkWorks
	}
	return o
}

// hear notes a result from a group's host and reports whether it is held until it is
// known whether our network works.
func (o *outage) hear(group int32, a answer) (held bool) {
	if o.network != undecided {
		return false
	}
	switch before, known := o.reached[group]; {
	case reachable(&a.result):
		if known && !before {
			o.failed--
		}
		o.reached[group] = true
	case unreachable(&a.result):
		if !known && !a.failing {
			o.failed++
			o.reached[group] = false
			if a.result.Refused {
				o.unnamed++
			}
		}
	}
	o.decide()
	if !unreachable(&a.result) && a.result.Class != feeds.HostBackoff {
		return false
	}
	if o.network == networkWorks && len(o.held) == 0 {
		return false
	}
	o.held = append(o.held, a)
	return true
}

// decide says whether our network works, once that can be said.
func (o *outage) decide() {
	hosts := len(o.reached)
	switch ok := hosts - o.failed; {
	case ok >= o.needed, len(o.held) >= outageHeld:
		o.network = networkWorks
	case hosts >= outageHosts:
		o.network = networkFails
	}
}

// end says so where the round was too small or too short.
func (o *outage) end() {
	if o.network != undecided {
		return
	}
	o.network = networkWorks
	if o.failed > 0 && o.failed == len(o.reached) && (o.unnamed < o.failed || o.failed > 2) {
		o.network = networkFails
	}
}

// err describes the outage.
func (o *outage) err() *OutageError {
	return &OutageError{Failed: o.failed, Hosts: len(o.reached)}
}

// reachable reports whether a result shows that something was reached. A host
// that refuses to connect, or hangs up, has answered, and so has one that speaks
// no HTTP. A time limit says neither this nor the opposite, and nor does a job
// that was not asked.
func reachable(r *feeds.Result) bool {
	return r.Status != 0 || r.Refused && r.Class == feeds.Connect || r.Class.OK() || r.Class == feeds.TLS || r.Class == feeds.HTTPError
}

// unreachable reports whether an outage of our network would explain r.
func unreachable(r *feeds.Result) bool {
	return !reachable(r) && (r.Class == feeds.DNS || r.Class == feeds.Connect)
}
