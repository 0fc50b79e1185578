package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// A writer is the one connection that writes, with its statements prepared.
// The DB's mutex guards it.
type writer struct {
	conn *sql.Conn
	all  []*sql.Stmt // what close ends: those below
	rows []*rowStmt  // likewise

	insert, update, succeed, remember, forget *rowStmt

	begin, commit, rollback *sql.Stmt

	states, items, removed     *sql.Stmt
	fail, backOff              *sql.Stmt
	url, move, former, settled *sql.Stmt
	hold                       *sql.Stmt
	find, subscribe, complete  *sql.Stmt
}

// newWriter prepares c's statements. The writer owns c, which is closed when
// this fails.
func newWriter(ctx context.Context, c *sql.Conn) (*writer, error) {
	w := &writer{conn: c}
	for _, s := range []struct {
		stmt **sql.Stmt
		text string
	}{
		{&w.begin, "BEGIN IMMEDIATE"},
		{&w.commit, "COMMIT"},
		{&w.rollback, "ROLLBACK"},
		{&w.states, statesSQL},
		{&w.items, itemsSQL},
		{&w.removed, removedSQL},
		{&w.fail, failSQL},
		{&w.backOff, backOffSQL},
		{&w.url, urlSQL},
		{&w.move, moveSQL},
		{&w.former, formerSQL},
		{&w.settled, settledSQL},
		{&w.hold, holdSQL},
		{&w.subscribe, subscribeSQL},
		{&w.find, findSQL},
		{&w.complete, completeSQL},
	} {
		var err error
		if *s.stmt, err = c.PrepareContext(ctx, s.text); err != nil {
			w.close()
			return nil, fmt.Errorf("prepare %.40q: %w", s.text, err)
		}
		w.all = append(w.all, *s.stmt)
	}
	for _, s := range []struct {
		stmt **rowStmt
		text string
	}{
		{&w.insert, insertSQL},
		{&w.update, updateSQL},
		{&w.succeed, succeedSQL},
		{&w.remember, rememberSQL},
		{&w.forget, forgetSQL},
	} {
		var err error
		if *s.stmt, err = newRowStmt(ctx, c, s.text); err != nil {
			w.close()
			return nil, fmt.Errorf("prepare %.40q: %w", s.text, err)
		}
		w.rows = append(w.rows, *s.stmt)
	}
	return w, nil
}

// close ends the statements and gives the connection back to its pool, whose
// Close ends it. database/sql does not end statements of a single connection
// by itself, and SQLite keeps a connection with statements half open.
func (w *writer) close() error {
	var errs []error
	for _, s := range w.rows {
		errs = append(errs, s.close())
	}
	for _, s := range w.all {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, w.conn.Close())...)
}
