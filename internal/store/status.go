package store

import "time"

// A Status says how a store is doing, at one moment.
type Status struct {
	Now time.Time // by the clock that due times are compared with

	Feeds   int // that are subscribed
	Paused  int
	Gone    int       // that their servers said are gone
	Killers int       // whose last refresh ended a worker
	Due     int       // that may be asked now
	Unasked int       // of these, never yet
	Oldest  time.Time // when the first of the others came due; zero without any
	Held    int       // domains that asked to be left alone

	Runs []RunTotal // for each of StatusSpans

	// Shared says that several coordinators may use the store at a time. Only then
	// there is what follows.
	Shared bool
	Owners []Owner      // who has leases, by name
	Lost   []LostDomain // whose last leases were not given back, the worst first; at most 100
}

// StatusSpans are those of Status.Runs.
var StatusSpans = []time.Duration{time.Hour, 24 * time.Hour}

// Lag returns for how long the feed that has waited longest has been due.
func (s *Status) Lag() time.Duration {
	if s.Oldest.IsZero() {
		return 0
	}
	return max(s.Now.Sub(s.Oldest), 0)
}

// A RunTotal adds up the runs that began within a span of time up to now.
type RunTotal struct {
	Span      time.Duration
	Runs      int
	Unended   int // of these: under way, or killed
	RunResult     // of those that ended
}

// An Owner is a coordinator with leases that are not over.
type Owner struct {
	Name    string
	Domains int
	Until   time.Time // when the first of them is over, unless it is renewed
}

// A LostDomain is one whose holders went away before they gave it back: something
// about it may end coordinators, or machines.
type LostDomain struct {
	Domain string
	Lost   int       // holders in a row
	Until  time.Time // when it can be leased again; zero: now
}
