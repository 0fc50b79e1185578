package store

import (
	"strings"
	"time"

	"feedmill/internal/feeds"
)

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

// StatusSQL has the numbers of a Status from Feeds to Oldest at the time $1, in
// every engine. What may be asked is due.
var StatusSQL = strings.ReplaceAll(`SELECT count(*), count(*) FILTER (WHERE paused), count(*) FILTER (WHERE class = 'gone'),
	count(*) FILTER (WHERE class IN (`+SQLClasses(feeds.Class.Kills)+`)),
	count(*) FILTER (WHERE ASKABLE), count(*) FILTER (WHERE ASKABLE AND last_checked IS NULL),
	coalesce(min(next_due) FILTER (WHERE ASKABLE AND last_checked IS NOT NULL AND next_due > 0), 0)
	FROM feeds`, "ASKABLE", "next_due <= $1 AND NOT paused AND class <> 'gone'")

// TotalSQL has the numbers of a RunTotal for the runs that began after $1.
const TotalSQL = `SELECT count(*), count(*) FILTER (WHERE finished IS NULL), CAST(coalesce(sum(feeds), 0) AS bigint),
	CAST(coalesce(sum(succeeded), 0) AS bigint), CAST(coalesce(sum(failed), 0) AS bigint),
	CAST(coalesce(sum(new), 0) AS bigint), CAST(coalesce(sum(updated), 0) AS bigint) FROM runs WHERE started > $1`

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

// A Run says how a round is being done.
type Run struct {
	Mode    string
	Workers int
}

// A RunResult is how a round ended, counted in feeds and items.
type RunResult struct {
	Feeds     int `json:"feeds"`
	Succeeded int `json:"succeeded"`
	Failed    int `json:"failed"`
	New       int `json:"new"`
	Updated   int `json:"updated"`
}
