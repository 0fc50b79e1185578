package refresh

import (
	"fmt"

	"feedmill/internal/feeds"
)

const (
	// outageHosts is how many distinct domains must have been heard of before
	// it is decided whose fault it is that most cannot be reached.
	outageHosts = 20

	// outageHeld bounds the failures that wait for that decision. They carry
	// no items. Every batch has many hosts, so the decision falls long before.
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

// verdict is what is known of our own network.
type verdict uint8

const (
	undecided verdict = iota
	networkWorks
	networkFails
)

// An outage finds out whether the hosts fail or our own network does. Until it
// has decided, failures that an outage would explain must not be stored: the
// next rounds would ask those feeds less often for a fault that was ours.
//
// Each domain has one vote, the best that was heard of it. Once three of the
// first twenty were reached the network works, for the rest of the round.
type outage struct {
	verdict verdict
	reached map[int32]bool // by group
	failed  int            // groups in reached that are false
	held    []answer       // what waits for the verdict, in order
}

// newOutage returns an outage for a round over so many domains. With fewer
// than outageHosts there is nothing to decide.
func newOutage(domains int) *outage {
	if domains < outageHosts {
		return &outage{verdict: networkWorks}
	}
	return &outage{reached: make(map[int32]bool)}
}

// hear takes note of a result from a group's host and reports whether it must
// be held until there is a verdict, which then it has been.
func (o *outage) hear(group int32, a answer) (held bool) {
	if o.verdict != undecided {
		return false
	}
	switch before, known := o.reached[group]; {
	case reachable(&a.result):
		if known && !before {
			o.failed--
		}
		o.reached[group] = true
	case unreachable(&a.result):
		if !known {
			o.failed++
			o.reached[group] = false
		}
	}
	o.decide()
	if !unreachable(&a.result) && a.result.Class != feeds.HostBackoff {
		return false
	}
	if o.verdict == networkWorks && len(o.held) == 0 {
		return false
	}
	o.held = append(o.held, a)
	return true
}

// decide comes to a verdict when it can: the network works once more than a
// tenth of outageHosts were reached, and fails when so many have been heard of
// and no more than that were.
func (o *outage) decide() {
	hosts := len(o.reached)
	switch ok := hosts - o.failed; {
	case ok*10 > outageHosts, len(o.held) >= outageHeld:
		o.verdict = networkWorks
	case hosts >= outageHosts:
		o.verdict = networkFails
	}
}

// err describes the outage.
func (o *outage) err() *OutageError {
	return &OutageError{Failed: o.failed, Hosts: len(o.reached)}
}

// reachable reports whether a result shows that something was reached. A host
// that refuses to connect has answered. A time limit says neither this nor
// the opposite, and nor does a job that was not asked.
func reachable(r *feeds.Result) bool {
	return r.Status != 0 || r.Refused || r.Class.OK() || r.Class == feeds.TLS
}

// unreachable reports whether an outage of our network would explain r.
func unreachable(r *feeds.Result) bool {
	return !reachable(r) && (r.Class == feeds.DNS || r.Class == feeds.Connect)
}
