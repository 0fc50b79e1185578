package store

import (
	"fmt"
	"strings"

	"zombiezen.com/go/sqlite"
)

// openConn opens a connection that writes to the file at path, which must be
// there. Whoever opened it closes it, and one goroutine uses it at a time.
//
// It is the same SQLite as that of the readers, and reached without database/sql:
// boxing what is bound, finding its names and taking a mutex for every argument
// was a third of the processor time of an insert. The readers keep database/sql
// for its pool and its contexts.
func openConn(path string) (*sqlite.Conn, error) {
	c, err := sqlite.OpenConn(fileURI(path, "mode=rw"), sqlite.OpenReadWrite|sqlite.OpenURI)
	if err != nil {
		return nil, err
	}
	c.SetBusyTimeout(busyTimeout)
	if err := c.SetDefensive(true); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// script executes the statements of text, one after the other. The last of them
// must not be followed by a comment, which would be an empty one.
func script(c *sqlite.Conn, text string) error {
	for text = strings.TrimSpace(text); text != ""; {
		s, rest, err := c.PrepareTransient(text)
		if err != nil {
			return err
		}
		if _, err = run(c, s); err != nil {
			s.Finalize()
			return err
		}
		if err := s.Finalize(); err != nil {
			return err
		}
		text = strings.TrimSpace(text[len(text)-rest:])
	}
	return nil
}

// ask executes a query of one row and returns its first column.
func ask(c *sqlite.Conn, query string) (answer string, err error) {
	s, _, err := c.PrepareTransient(query)
	if err != nil {
		return "", err
	}
	defer s.Finalize()
	err = rowsOf(s, func() error { answer = s.ColumnText(0); return nil })
	return answer, err
}

// run executes s to its end and returns how many rows that changed. The
// arguments are texts, byte slices, integers and nil, for NULL.
func run(c *sqlite.Conn, s *sqlite.Stmt, args ...any) (rows int, err error) {
	err = rowsOf(s, func() error { return nil }, args...)
	return c.Changes(), err
}

// rowsOf executes s and calls scan for each row, which s then has.
func rowsOf(s *sqlite.Stmt, scan func() error, args ...any) error {
	for i, arg := range args {
		bind(s, i+1, arg)
	}
	return finish(s, scan)
}

// finish is rowsOf for a statement whose arguments are bound.
func finish(s *sqlite.Stmt, scan func() error) error {
	for {
		row, err := s.Step() // which resets s when it fails
		if err != nil {
			return err
		}
		if !row {
			return s.Reset()
		}
		if err := scan(); err != nil {
			s.Reset() // of a query that was going well
			return err
		}
	}
}

// bind binds one argument. That it failed, for want of memory or because there
// is no such parameter, the next step says.
func bind(s *sqlite.Stmt, param int, arg any) {
	switch v := arg.(type) {
	case nil:
		s.BindNull(param)
	case int64:
		s.BindInt64(param, v)
	case int:
		s.BindInt64(param, int64(v))
	case string:
		s.BindText(param, v)
	case []byte:
		s.BindBytes(param, v)
	default:
		panic(fmt.Sprintf("bind parameter %d: a %T", param, arg)) // ours, all of them
	}
}
