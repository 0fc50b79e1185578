// Package sqlite keeps a store in one SQLite file that people can query with the
// sqlite3 shell.
//
// What a refresh changes about a feed (its items, validators, body hash and
// next due time) changes in one transaction or not at all, and once [DB.Save]
// returned it is there after any crash, after a power failure too unless
// [store.Normal] durability was chosen. It refuses a second writer, a file that is
// not its own, and to write another byte to one that is damaged.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"feedmill/internal/store"
)

// A DB is an open store. Its methods may be called from several goroutines:
// reads go on side by side, writes one after the other.
type DB struct {
	path string
	now  func() time.Time
	lock *fileLock // nil when read-only or beside a run

	durability store.Durability // of what is reported

	readMode string // how the readers' connections are opened
	readers  *sqlitex.Pool
	copier   *copier // nil when there is no lock
	files    presence

	mu     sync.Mutex // held for the length of a transaction; guards the fields below
	w      *writer    // nil when read-only or closed
	run    int64      // the run under way; 0 when none was begun
	broken error      // why nothing is written any more
	closed bool
}

// Path returns the file's path, absolute and without symbolic links.
func (db *DB) Path() string { return db.path }

// Close writes everything into the one file, as far as no reader elsewhere is
// in the way, and gives the lock up. That the disk did not take it is an error;
// what Save reported is then still in the log beside the file. So is a file that is
// gone, unless that was said before. It waits for a transaction under way.
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
	errs := []error{db.readers.Close()}
	if db.w != nil {
		if db.broken == nil {
			errs = append(errs, db.files.check(db.w.conn))
		}
		if db.lock != nil {
			errs = append(errs, db.copier.close())
			if db.broken == nil {
				// Closing copies the log, too, but nobody hears that it failed.
				errs = append(errs, script(db.w.conn, "PRAGMA wal_checkpoint(PASSIVE)"))
			}
		}
		errs = append(errs, db.w.conn.Close())
		if db.lock != nil {
			errs = append(errs, db.lock.release())
		}
		db.w = nil
	}
	return db.failed("close store", errors.Join(errs...))
}

// read calls f with a connection that only reads, and which ctx interrupts: the
// error is then its cause. what is in the error's words, if anything is.
func (db *DB) read(ctx context.Context, what string, f func(c *sqlite.Conn) error) error {
	c, err := db.readers.Take(ctx)
	if err == nil {
		err = f(c)
		db.readers.Put(c)
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return db.failed(what, err)
}

// failed gives an error the type that callers decide by, and says what failed.
func (db *DB) failed(what string, err error) error {
	if err == nil || what == "" {
		return explain(db.path, err)
	}
	return fmt.Errorf("%s: %w", what, explain(db.path, err))
}

// write calls f within a transaction of the one writing connection and commits
// it unless f fails. A transaction that has begun is not interrupted by the
// end of ctx: it is short, and its outcome would be unknown. what is in the error's
// words, if anything is.
func (db *DB) write(ctx context.Context, what string, f func(w *writer) error) error {
	return db.failed(what, db.transact(ctx, db.durability, f))
}

// note commits bookkeeping, of which no caller is told, without waiting for the disk: a
// power failure may take it until the next write has it there, or Close does,
// where no other program has the file open.
func (db *DB) note(ctx context.Context, what string, f func(w *writer) error) error {
	return db.failed(what, db.transact(ctx, store.Normal, f))
}

// transact is write with a durability.
func (db *DB) transact(ctx context.Context, d store.Durability, f func(w *writer) error) (err error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	switch {
	case db.closed:
		return store.ErrClosed
	case db.w == nil:
		return store.ErrReadOnly
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
		if corrupt, ok := errors.AsType[*store.CorruptError](err); ok {
			db.broken = corrupt
		}
		if gone, ok := errors.AsType[*store.GoneError](err); ok {
			db.broken = gone
		}
	}()
	if err := db.files.check(db.w.conn); err != nil {
		return err
	}
	if err := db.w.waitFor(d); err != nil {
		return err
	}
	if _, err := db.w.run("BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err = f(db.w); err == nil {
		if _, err = db.w.run("COMMIT"); err == nil {
			return db.files.committed()
		}
		err = fmt.Errorf("commit: %w", err)
	}
	// SQLite has already rolled back after some errors, and says so by
	// failing here.
	db.w.run("ROLLBACK")
	return err
}
