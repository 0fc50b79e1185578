package sqlite

import (
	"fmt"

	"zombiezen.com/go/sqlite"

	"feedmill/internal/store"
)

// A writer is the one connection that writes, and a store.Rows. It keeps the
// statements that it has executed. The DB's mutex guards it.
type writer struct {
	conn  *sqlite.Conn
	waits store.Durability // of the next commit
}

// newWriter returns a writer that owns c, as configure left it.
func newWriter(c *sqlite.Conn) *writer { return &writer{conn: c, waits: store.Normal} }

// run executes a statement and returns how many rows that changed; see query.
func (w *writer) run(text string, args ...any) (rows int, err error) {
	err = query(w.conn, text, ignore, args...)
	return w.conn.Changes(), err
}

// query calls row for each row of a query; see query.
func (w *writer) query(text string, row func(*sqlite.Stmt) error, args ...any) error {
	return query(w.conn, text, row, args...)
}

// waitFor says what the following commits wait for. None may be under way.
func (w *writer) waitFor(d store.Durability) error {
	if d == w.waits {
		return nil
	}
	if err := synchronous(w.conn, d); err != nil {
		return err
	}
	w.waits = d
	return nil
}

// synchronous makes c's commits wait for what d says.
func synchronous(c *sqlite.Conn, d store.Durability) error {
	pragma := "PRAGMA synchronous = FULL"
	if d == store.Normal {
		pragma = "PRAGMA synchronous = NORMAL"
	}
	if err := script(c, pragma); err != nil {
		return fmt.Errorf("%s: %w", pragma, err)
	}
	return nil
}

// close ends the connection and its statements.
func (w *writer) close() error { return w.conn.Close() }
