package store

import (
	"errors"
	"fmt"

	sqlitelib "modernc.org/sqlite/lib"
)

// These errors say that what was asked cannot be done to this DB or feed.
var (
	// ErrClosed is returned by methods that write, after Close.
	ErrClosed = errors.New("the store is closed")

	// ErrReadOnly is returned by methods that write, when the DB was opened
	// with Options.ReadOnly.
	ErrReadOnly = errors.New("the store is open for reading only")

	// ErrNoFeed is what became of an outcome whose feed was removed while it
	// was being refreshed.
	ErrNoFeed = errors.New("no longer subscribed")
)

// A LockedError says that another process holds the store.
type LockedError struct {
	Path string
	PID  int // of the run that holds it; 0 when unknown
}

// Error says who holds which file.
func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("%s is in use by another program", e.Path)
	}
	return fmt.Sprintf("%s is in use by process %d", e.Path, e.PID)
}

// A SchemaError says that a store's tables are not those that this program
// knows: they are newer, or older and opened for reading only.
type SchemaError struct {
	Path string
	Have int // the file's version
	Want int // this program's version
}

// Error says which of the two is older.
func (e *SchemaError) Error() string {
	if e.Have > e.Want {
		return fmt.Sprintf("%s has tables of version %d, and this program knows none above %d", e.Path, e.Have, e.Want)
	}
	return fmt.Sprintf("%s has tables of version %d and must be brought to %d by a refresh first", e.Path, e.Have, e.Want)
}

// A ForeignError says that a file is not a store. It is left as it is.
type ForeignError struct {
	Path   string
	Reason string
}

// Error says what the file is instead.
func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s is not a feedmill store: %s", e.Path, e.Reason)
}

// A CorruptError says that a store's file is damaged. Nothing more is written
// to it.
type CorruptError struct {
	Path string
	Err  error // all that is wrong, joined
}

// Error says what is wrong.
func (e *CorruptError) Error() string { return fmt.Sprintf("%s is damaged: %v", e.Path, e.Err) }

// Unwrap returns what is wrong.
func (e *CorruptError) Unwrap() error { return e.Err }

// explain gives SQLite's errors about path the type that callers decide by.
func explain(path string, err error) error {
	if _, done := errors.AsType[*CorruptError](err); done {
		return err
	}
	switch resultCode(err) {
	case sqlitelib.SQLITE_BUSY:
		return &LockedError{Path: path}
	case sqlitelib.SQLITE_CORRUPT:
		return &CorruptError{Path: path, Err: err}
	case sqlitelib.SQLITE_NOTADB:
		return &ForeignError{Path: path, Reason: "it is no SQLite file, or its header is damaged"}
	}
	return err
}
