// Package store keeps feeds and their items in one SQLite file that people can
// query with the sqlite3 shell.
//
// What a refresh changes about a feed (its items, validators, body hash and
// next due time) changes in one transaction or not at all, and once [DB.Save]
// returned it is there after any crash, after a power failure too unless
// [Normal] durability was chosen. It refuses a second writer, a file that is
// not its own, and to write another byte to one that is damaged.
//
// Text of feeds is stored as valid UTF-8 without NUL, each run of other bytes
// as one U+FFFD, so that every tool can read it. URLs and validators are kept
// byte for byte, as they must go back to the server.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
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

	Durability Durability

	// Now is the clock for the times of runs; nil means time.Now.
	Now func() time.Time
}

// A DB is an open store. Its methods may be called from several goroutines:
// reads go on side by side, writes one after the other.
type DB struct {
	path string
	now  func() time.Time
	lock *fileLock // nil when read-only

	durability Durability // of what is reported

	readMode string // how the readers' connections are opened
	readers  *sql.DB
	jobs     *sql.Stmt // jobsSQL, prepared
	copier   *copier   // nil when read-only

	mu     sync.Mutex // held for the length of a transaction; guards the fields below
	w      *writer    // nil when read-only or closed
	run    int64      // the run under way; 0 when none was begun
	broken error      // why nothing is written any more
	closed bool
}

// Path returns the file's path, absolute and without symbolic links.
func (db *DB) Path() string { return db.path }

// Close writes everything into the one file, as far as no reader elsewhere is
// in the way, and gives the lock up. It waits for a transaction under way.
// Iterators must be done before. A second Close does nothing.
func (db *DB) Close() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return nil
	}
	db.closed = true
	// The writing connection goes last: closing the last one of all is what
	// has SQLite copy the log into the file and delete it.
	errs := []error{db.readers.Close()} // which ends db.jobs, too
	if db.w != nil {
		errs = append(errs, db.copier.close(), db.w.close(), db.lock.release())
		db.w = nil
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close store: %w", explain(db.path, err))
	}
	return nil
}

// write calls f within a transaction of the one writing connection and commits
// it unless f fails. A transaction that has begun is not interrupted by the
// end of ctx: it is short, and its outcome would be unknown.
func (db *DB) write(ctx context.Context, f func(w *writer) error) error {
	return db.transact(ctx, db.durability, f)
}

// note is write for what nobody is told of. It does not wait for the disk: a
// power failure may take it until the next write has it there, or Close does,
// where no other program has the file open.
func (db *DB) note(ctx context.Context, f func(w *writer) error) error {
	return db.transact(ctx, Normal, f)
}

// transact is write with a durability.
func (db *DB) transact(ctx context.Context, d Durability, f func(w *writer) error) (err error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	switch {
	case db.closed:
		return ErrClosed
	case db.w == nil:
		return ErrReadOnly
	case db.broken != nil:
		return db.broken
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	defer func() {
		if err == nil {
			return
		}
		err = explain(db.path, err)
		if corrupt, ok := errors.AsType[*CorruptError](err); ok {
			db.broken = corrupt
		}
	}()
	if err := db.w.waitFor(d); err != nil {
		return err
	}
	if _, err := db.w.run(db.w.begin); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err = f(db.w); err == nil {
		if _, err = db.w.run(db.w.commit); err == nil {
			return nil
		}
		err = fmt.Errorf("commit: %w", err)
	}
	// SQLite has already rolled back after some errors, and says so by
	// failing here.
	db.w.run(db.w.rollback)
	return err
}
