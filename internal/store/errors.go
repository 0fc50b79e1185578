package store

import (
	"errors"
	"fmt"

	"feedmill/internal/feeds"
)

// These errors say that what was asked cannot be done to this store or feed.
var (
	// ErrClosed is returned by methods that write, after Close.
	ErrClosed = errors.New("the store is closed")

	// ErrReadOnly is returned by methods that write, when the store was opened
	// with Options.ReadOnly.
	ErrReadOnly = errors.New("the store is open for reading only")

	// ErrNoFeed is what became of an outcome whose feed was removed while it
	// was being refreshed, and of a change of a feed that is not there.
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

// A GoneError says that a store's file or its log is no longer what it was when it
// was opened. Nothing more is written: nobody could open it.
type GoneError struct {
	Path string // of the file, or of its log
	What string // became of it
}

// Error says what became of which file.
func (e *GoneError) Error() string {
	return fmt.Sprintf("%s was %s while it was in use", e.Path, e.What)
}

// A ServerError says that the server of a store could not be reached, or would not
// do what it was asked.
type ServerError struct {
	Fault Fault
	Err   error // what the driver said
	Text  string
}

// Error returns what is wrong, on one line and without a password.
func (e *ServerError) Error() string { return e.Text }

// Unwrap returns what the driver said.
func (e *ServerError) Unwrap() error { return e.Err }

// Is has a server that may do in a moment what it would not do now be feeds.ErrLost: what
// was to be done under its leases is to be done again.
func (e *ServerError) Is(target error) bool {
	passes := e.Fault == Unreachable || e.Fault == Starting || e.Fault == TooMany || e.Fault == Lost
	return passes && target == feeds.ErrLost
}

// A Fault is what kind of thing a server would not do.
type Fault int

// The faults, by what somebody must do about them.
const (
	BadAddress  Fault = iota + 1 // what names the server cannot be read
	Unreachable                  // nobody answers there
	Untrusted                    // it does not speak TLS as is asked for, or is not who it should be
	NoDatabase                   // the server has none of that name
	Denied                       // it does not believe who asks
	Forbidden                    // who asks may not do that
	Standby                      // it may only be read
	Starting                     // it starts, or ends
	TooMany                      // it has as many connections as it will have
	DiskFull                     // it has no room left
	Lost                         // the connection was cut in the middle, or an answer did not come
)
