// Package store says what a store of feeds and items is, whichever engine keeps
// it: store/sqlite one file for one machine. It has the types, the questions and
// the errors that callers decide by, and refuses to know an engine.
//
// Text of feeds is stored as valid UTF-8 without NUL, each run of other bytes
// as one U+FFFD, so that every tool can read it. URLs and validators are kept
// byte for byte, as they must go back to the server.
package store

import "time"

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
