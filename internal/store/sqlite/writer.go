package sqlite

import (
	"fmt"

	"zombiezen.com/go/sqlite"

	"feedmill/internal/store"
)

// A writer is the one connection that writes, with its statements prepared.
// The DB's mutex guards it.
type writer struct {
	conn  *sqlite.Conn
	waits store.Durability // of the next commit

	begin, commit, rollback    *sqlite.Stmt
	states, items, removed     *sqlite.Stmt
	arrived                    *sqlite.Stmt
	insert, update             *sqlite.Stmt
	share, sharer, rekey       *sqlite.Stmt
	newest, adopt, removeAlso  *sqlite.Stmt
	succeed                    *sqlite.Stmt
	fail, backOff              *sqlite.Stmt
	url, move, former, settled *sqlite.Stmt
	hold                       *sqlite.Stmt
	find, subscribe, rename    *sqlite.Stmt
}

// newWriter prepares c's statements. The writer owns c, which is closed when
// this fails.
func newWriter(c *sqlite.Conn) (*writer, error) {
	w := &writer{conn: c, waits: store.Normal} // as configure left it
	for _, s := range []struct {
		stmt **sqlite.Stmt
		text string
	}{
		{&w.begin, "BEGIN IMMEDIATE"},
		{&w.commit, "COMMIT"},
		{&w.rollback, "ROLLBACK"},
		{&w.states, statesSQL},
		{&w.items, itemsSQL},
		{&w.removed, removedSQL},
		{&w.arrived, arrivedSQL},
		{&w.insert, insertSQL},
		{&w.update, updateSQL},
		{&w.share, shareSQL},
		{&w.sharer, sharerSQL},
		{&w.rekey, rekeySQL},
		{&w.newest, newestSQL},
		{&w.adopt, adoptSQL},
		{&w.removeAlso, removeAlsoSQL},
		{&w.succeed, succeedSQL},
		{&w.fail, failSQL},
		{&w.backOff, backOffSQL},
		{&w.url, urlSQL},
		{&w.move, moveSQL},
		{&w.former, formerSQL},
		{&w.settled, settledSQL},
		{&w.hold, holdSQL},
		{&w.subscribe, subscribeSQL},
		{&w.find, findSQL},
		{&w.rename, renameSQL},
	} {
		var err error
		if *s.stmt, err = c.Prepare(s.text); err != nil {
			c.Close()
			return nil, fmt.Errorf("prepare %.40q: %w", s.text, err)
		}
	}
	return w, nil
}

// run executes one of w's statements; see run.
func (w *writer) run(s *sqlite.Stmt, args ...any) (rows int, err error) {
	return run(w.conn, s, args...)
}

// once executes a statement that is not prepared, because it is for once.
func (w *writer) once(text string, args ...any) (rows int, err error) {
	s, _, err := w.conn.PrepareTransient(text)
	if err != nil {
		return 0, err
	}
	defer s.Finalize()
	return w.run(s, args...)
}

// query calls row for each row of a query that is not prepared.
func (w *writer) query(text string, row func(*sqlite.Stmt), args ...any) error {
	s, _, err := w.conn.PrepareTransient(text)
	if err != nil {
		return err
	}
	defer s.Finalize()
	return rowsOf(s, func() error { row(s); return nil }, args...)
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
