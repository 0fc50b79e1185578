package refresh

import (
	"fmt"
	"time"

	"feedmill/internal/feeds"
)

const (
	// outageHosts is how many distinct domains in a row must be out of reach before
	// that is our network's fault. A round over fewer decides when one was reached, or
	// at its end.
	outageHosts = 20

	// outageHeld bounds the failures that wait to hear of others. They carry no items.
	outageHeld = 4096

	// outageAfter is how much later than a failure an answer must come to show that
	// the network worked when it failed: what had been read before may be parsed for
	// that long.
	outageAfter = 2 * time.Second
)

// An OutageError says that a round was stopped because nearly no host could be
// reached or trusted, or none any more, which is our fault and not theirs.
type OutageError struct {
	Failed   int  // distinct registrable domains in a row that could not be found, reached or trusted
	Hosts    int  // of so many that were tried
	Before   int  // domains for which it worked before; 0 where it never did
	Distrust bool // what fails is our trust in certificates, and not our network
}

// Error returns the numbers.
func (e *OutageError) Error() string {
	did := "could not be reached"
	if e.Distrust {
		did = "have certificates that are not trusted here"
	}
	if e.Before > 0 {
		return fmt.Sprintf("%s any more: the last %d hosts %s", e.why(), e.Failed, did)
	}
	return fmt.Sprintf("%s: %d of the first %d hosts %s", e.why(), e.Failed, e.Hosts, did)
}

// why is what feeds are told that an outage left unasked.
func (e *OutageError) why() string {
	if e.Distrust {
		return "no trust"
	}
	return "no network"
}

// A vote is what a domain says: the best that was heard of it.
type vote uint8

const (
	notHeard   vote = iota
	noVote          // a time limit, or it had failed before this round
	noName          // a name server says that there is no such name
	outOfReach      // it was not found, no connection came about, or it was not trusted
	wasReached
	kinds = iota
)

// An outage finds out whether the hosts fail or our own network does, or our trust in
// certificates: a clock that is wrong, or no authorities to trust. Until others
// answer, failures that an outage would explain must not be stored: the next rounds
// would ask those feeds less often for a fault that was ours.
//
// Domains vote in the order in which each worker was given them, and none is counted
// before those that its worker was given earlier: where a name server is quick, all
// names that do not exist are heard of before the first answer comes, and hosts that
// are silent for long are heard of last.
//
// Once three of the first twenty were reached the network works; where there are
// fewer, once one was. From then on it fails when so many in a row, twenty at
// least, are out of reach that twenty of them would have been reached as the round
// went before. Where none was reached in the whole round, it is our network that
// fails, with one host as with a thousand, unless all that is wrong is that one name
// or two do not exist. Who had failed before has no vote against the network: where
// a cron asks often, a round may be of dead hosts only.
//
// Rejected: to count domains as they are heard of, and to decide once. One name in
// seven that does not exist ended each round of a list, and a network that
// broke within a round was a failure of every feed that was left.
type outage struct {
	judge   func(*answer) (v vote, explained bool) // what an answer says, and whether an outage explains it
	trust   bool                                   // it is of our trust in certificates
	needed  int                                    // domains that must have been reached for it to work
	works   bool                                   // it worked once in this round
	err     *OutageError                           // it does not any more; nil while it may
	workers []ballot
	count   [kinds]int // votes of a kind
	heard   time.Time  // when a domain was last heard of that was reached
	held    []answer   // what waits to hear of others, in order
}

// A ballot is the votes of the domains of a worker.
type ballot struct {
	votes []vote // by ordinal
	last  int    // the last domain that was reached, or is at fault itself
}

// newOutage returns one of the network for a round over so many domains. online says
// that it is known to work.
func newOutage(domains, workers int, online bool) *outage {
	o := &outage{judge: ofNetwork, needed: outageHosts/10 + 1, works: online, workers: make([]ballot, workers)}
	if domains < outageHosts {
		o.needed = 1
	}
	return o
}

// newDistrust returns an outage of our trust in certificates, on which https hosts vote.
func newDistrust(workers int) *outage {
	return &outage{judge: ofTrust, trust: true, needed: outageHosts/10 + 1, workers: make([]ballot, workers)}
}

// ofNetwork judges an answer by whether its host was reached.
func ofNetwork(a *answer) (v vote, explained bool) {
	r := &a.result
	switch {
	case reachable(r):
		return wasReached, r.Class == feeds.Timeout || r.Class == feeds.Slow // it answered once, and then no more
	case r.Class != feeds.DNS && r.Class != feeds.Connect:
		return noVote, r.Class == feeds.Timeout || r.Class == feeds.HostBackoff
	case a.failing:
		return noVote, true
	case r.Refused:
		return noName, true
	}
	return outOfReach, true
}

// ofTrust judges an answer by whether its host's certificate was trusted.
func ofTrust(a *answer) (v vote, explained bool) {
	r := &a.result
	distrusted := r.Class == feeds.TLS && r.Refused
	switch {
	case distrusted && !a.failing:
		return outOfReach, true
	case a.https && r.Class != feeds.TLS && (r.Status != 0 || r.Class.OK()):
		return wasReached, false
	}
	return noVote, distrusted
}

// explains reports whether an outage has come about and explains an answer.
func (o *outage) explains(a *answer) bool {
	if o.err == nil {
		return false
	}
	_, explained := o.judge(a)
	return explained
}

// hear notes an answer and reports whether it is held until more is known.
func (o *outage) hear(a answer) (held bool) {
	if o.err != nil {
		return false
	}
	v, held := o.judge(&a)
	if v == wasReached && !held {
		o.heard = a.at
	}
	if held {
		o.held = append(o.held, a)
	}
	o.vote(a.ordinal, v)
	return held
}

// vote notes what is heard of a domain, and decides.
func (o *outage) vote(of ordinal, v vote) {
	w := &o.workers[of.worker]
	for of.n >= len(w.votes) {
		w.votes = append(w.votes, notHeard)
	}
	if was := w.votes[of.n]; v > was {
		o.count[was]--
		o.count[v]++
		w.votes[of.n] = v
	}
	switch v {
	case wasReached:
		w.last = max(w.last, of.n)
		o.works = o.works || o.count[wasReached] >= o.needed
	case noName, outOfReach:
		o.decide(len(o.held) >= outageHeld)
	}
}

// decide finds out whether the network fails. With all, domains count that were begun
// after one that was not heard of.
func (o *outage) decide(all bool) {
	failed, reached := o.streak(all)
	ever := o.count[wasReached]
	before := ever + o.count[noName] + o.count[outOfReach] - failed // of whom was heard
	switch {
	case failed+reached < outageHosts:
	case !o.works:
		o.fail(failed, failed+reached, 0)
	case ever > 0 && failed*ever >= outageHosts*before:
		o.fail(failed, failed, ever)
	}
}

func (o *outage) fail(failed, hosts, before int) {
	o.err = &OutageError{Failed: failed, Hosts: hosts, Before: before, Distrust: o.trust}
}

// streak counts the domains that workers were given since the last one that was
// reached, and the first twenty while it is not known that the network works.
func (o *outage) streak(all bool) (failed, reached int) {
	for i := range o.workers {
		w, from := &o.workers[i], 1
		if o.works {
			from = w.last + 1
		}
		for _, v := range w.votes[min(from, len(w.votes)):] {
			if v == notHeard && !all || !o.works && failed+reached == outageHosts {
				break
			}
			switch v {
			case noName, outOfReach:
				failed++
			case wasReached:
				reached++
			}
		}
	}
	return failed, reached
}

// free returns what need not wait any more, in order.
func (o *outage) free() []answer {
	n := 0
	switch {
	case o.err != nil, len(o.held) >= outageHeld:
		n = len(o.held)
	case o.works:
		for ; n < len(o.held) && o.heard.Sub(o.held[n].at) >= outageAfter; n++ {
			of := o.held[n].ordinal
			o.workers[of.worker].last = max(o.workers[of.worker].last, of.n)
		}
	}
	freed := o.held[:n:n]
	o.held = o.held[n:]
	return freed
}

// end decides about what still waits when no more is to come, and returns it.
func (o *outage) end() []answer {
	failed := o.count[noName] + o.count[outOfReach]
	switch {
	case o.err != nil:
	case o.works:
		o.decide(true)
	case !o.trust && o.count[wasReached] == 0 && (o.count[outOfReach] > 0 || failed > 2):
		o.fail(failed, failed, 0)
	}
	freed := o.held
	o.held = nil
	return freed
}

// reachable reports whether a result shows that something was reached. A host
// that refuses to connect, or hangs up, has answered, and so has one that speaks
// no HTTP. A time limit says neither this nor the opposite, and nor does a job
// that was not asked.
func reachable(r *feeds.Result) bool {
	return r.Status != 0 || r.Refused && r.Class == feeds.Connect || r.Class.OK() || r.Class == feeds.TLS || r.Class == feeds.HTTPError
}
