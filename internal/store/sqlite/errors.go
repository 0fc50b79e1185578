package sqlite

import (
	"errors"

	"zombiezen.com/go/sqlite"

	"feedmill/internal/store"
)

// explain gives SQLite's errors about path the type that callers decide by.
func explain(path string, err error) error {
	if _, done := errors.AsType[*store.CorruptError](err); done {
		return err
	}
	switch code(err) {
	case sqlite.ResultBusy:
		return &store.LockedError{Path: path}
	case sqlite.ResultCorrupt:
		return &store.CorruptError{Path: path, Err: err}
	case sqlite.ResultNotADB:
		return &store.ForeignError{Path: path, Reason: "it is no SQLite file, or its header is damaged"}
	}
	return err
}

// code returns SQLite's primary result code of err, or ResultOK.
func code(err error) sqlite.ResultCode {
	if c := sqlite.ErrCode(err).ToPrimary(); c != sqlite.ResultError {
		return c
	}
	return sqlite.ResultOK
}

// cannotOpen reports whether SQLite could not open a file.
func cannotOpen(err error) bool {
	c := code(err)
	return c == sqlite.ResultCantOpen || c == sqlite.ResultReadOnly
}

// errHeld says that another process has the lock.
var errHeld = errors.New("held by another process")
