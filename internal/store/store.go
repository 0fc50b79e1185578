// Package store says what a store of feeds and items is, whichever engine keeps
// it: store/sqlite one file for one machine. It has the types, the questions and
// the errors that callers decide by, and refuses to know an engine.
//
// Text of feeds is stored as valid UTF-8 without NUL, each run of other bytes
// as one U+FFFD, so that every tool can read it. URLs and validators are kept
// byte for byte, as they must go back to the server.
package store

import (
	"io/fs"
	"time"
)

// Durability says what a commit waits for.
type Durability uint8

// The two durabilities. With either, a killed process loses nothing that Save
// reported, and no crash damages the file.
const (
	Full   Durability = iota // until the disk has it: a power failure loses nothing
	Normal                   // not for the disk: a power failure may undo the last commits
)

// Options configures Open. The zero value writes with full durability.
type Options struct {
	// ReadOnly opens a store that exists for reading. It takes no lock, so a
	// run may be writing meanwhile, and it creates and changes nothing.
	ReadOnly bool

	// Beside opens a store for a few short changes of the user's, also while a
	// run writes it: it takes no lock, and SQLite has the transactions wait for
	// each other. A store that is not there yet, or has older tables, is opened
	// as if it were not set.
	Beside bool

	Durability Durability

	// Now is the clock for the times of runs; nil means time.Now.
	Now func() time.Time
}

// Bounds of what every engine remembers, and asks for at a time.
const (
	RunsKept    = 1000   // runs
	RemovedKept = 10_000 // removed items of a feed, so that they do not come back: more than a document lists
	JobsAtOnce  = 512    // jobs that one query loads
)

// LatestVersion returns how many steps there are in an engine's migrations.
func LatestVersion(migrations fs.FS) int {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	return len(names)
}

// TimeAt returns the time of a column in which 0, or NULL, means none.
func TimeAt(unix int64) time.Time {
	if unix == 0 {
		return time.Time{}
	}
	return time.Unix(unix, 0)
}

// NotBefore is the whole second since 1970 from which a feed or domain may be asked
// that is to be left alone until t: rounded down, it would be asked up to a second
// too early. The zero time, at once, is 0.
func NotBefore(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Add(time.Second - 1).Unix()
}
