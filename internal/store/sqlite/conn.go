package sqlite

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"feedmill/internal/store"
)

const (
	// readerConns bounds the connections that read.
	readerConns = 4

	// busyTimeout is how long a write waits for a program that holds the
	// file without the lock, such as the sqlite3 shell.
	busyTimeout = 10 * time.Second
)

// openConn opens a connection that writes to the file at path, which must be
// there. Whoever opened it closes it, and one goroutine uses it at a time.
//
// Rejected: database/sql. Boxing what is bound, finding its names and taking a
// mutex for every argument was a third of the processor time of an insert.
//
// Rejected: Conn.SetDefensive. In zombiezen.com/go/sqlite v1.4.2 it passes one of
// the two values that sqlite3_db_config takes, so that SQLite writes to wherever
// the next eight bytes point: a rare SIGSEGV, or damage.
func openConn(path string) (*sqlite.Conn, error) {
	c, err := sqlite.OpenConn(fileURI(path, "mode=rw"), sqlite.OpenReadWrite|sqlite.OpenURI)
	if err != nil {
		return nil, err
	}
	c.SetBusyTimeout(busyTimeout)
	return c, nil
}

// fileURI returns SQLite's name for the file at path.
func fileURI(path, query string) string {
	p := filepath.ToSlash(path)
	if !strings.HasPrefix(p, "/") {
		p = "/" + p // C:/x on Windows
	}
	u := url.URL{Scheme: "file", Path: p, RawQuery: query}
	return u.String()
}

// openReader opens a connection that only reads the file at path. Whoever opened
// it closes it.
func openReader(path, mode string) (*sqlite.Conn, error) {
	c, err := sqlite.OpenConn(fileURI(path, mode), sqlite.OpenReadOnly|sqlite.OpenURI)
	if err != nil {
		return nil, err
	}
	if err := prepareReader(c); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func prepareReader(c *sqlite.Conn) error {
	c.SetBusyTimeout(busyTimeout)
	return script(c, "PRAGMA query_only = 1")
}

// openReaders returns a pool of connections that only read.
func openReaders(path, mode string) (*sqlitex.Pool, error) {
	return sqlitex.NewPool(fileURI(path, mode), sqlitex.PoolOptions{
		Flags: sqlite.OpenReadOnly | sqlite.OpenURI, PoolSize: readerConns, PrepareConn: prepareReader,
	})
}

// script executes the statements of text, one after the other. The last of them
// must not be followed by a comment, which would be an empty one.
func script(c *sqlite.Conn, text string) error {
	for text = strings.TrimSpace(text); text != ""; {
		s, rest, err := c.PrepareTransient(text)
		if err != nil {
			return err
		}
		err = rowsOf(s, ignore)
		if e := s.Finalize(); err == nil {
			err = e
		}
		if err != nil {
			return err
		}
		text = strings.TrimSpace(text[len(text)-rest:])
	}
	return nil
}

// ignore is for rows that nobody wants.
func ignore(*sqlite.Stmt) error { return nil }

// rowsOf executes a statement whose arguments are bound and calls scan for each row.
func rowsOf(s *sqlite.Stmt, scan func(*sqlite.Stmt) error) error {
	for {
		row, err := s.Step() // which resets s when it fails
		if err != nil {
			return err
		}
		if !row {
			return s.Reset()
		}
		if err := scan(s); err != nil {
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
	case bool:
		s.BindBool(param, v)
	case string:
		s.BindText(param, v)
	case []byte:
		s.BindBytes(param, v)
	default:
		panic(fmt.Sprintf("bind parameter %d: no type for it", param)) // ours, all of them; what is bound need not be on the heap
	}
}

// query calls row for each row of a query, whose statement c keeps. The arguments
// are texts, byte slices, integers, booleans and nil, for NULL.
func query(c *sqlite.Conn, text string, row func(*sqlite.Stmt) error, args ...any) error {
	s, err := c.Prepare(text)
	if err != nil {
		return err
	}
	for i, arg := range args {
		bind(s, i+1, arg)
	}
	return rowsOf(s, row)
}

// ask returns the first column of a query's one row.
func ask(c *sqlite.Conn, text string, args ...any) (answer string, err error) {
	err = query(c, text, func(s *sqlite.Stmt) error { answer = s.ColumnText(0); return nil }, args...)
	return answer, err
}

// column returns a query's rows, of one text column.
func column(c *sqlite.Conn, text string) (list []string, err error) {
	err = query(c, text, func(s *sqlite.Stmt) error {
		list = append(list, s.ColumnText(0))
		return nil
	})
	return list, err
}

// blob returns a column's bytes in buf, which grows as it must.
func blob(s *sqlite.Stmt, col int, buf []byte) []byte {
	n := s.ColumnLen(col)
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	s.ColumnBytes(col, buf)
	return buf
}

// errEnough ends a query of which no more rows are wanted.
var errEnough = errors.New("enough rows")

// text returns s as an argument of a statement that turns NULL into the empty
// text: unlike an empty string, a nil costs no copy for SQLite.
func text(s string) any {
	if s == "" {
		return nil
	}
	return store.Readable(s)
}

// idList returns ids as a JSON array, the way to hand SQLite a list, and nil for none.
func idList(ids []int64) any {
	if ids == nil {
		return nil
	}
	return store.JSON(ids)
}

// A writer is the one connection that writes, and a store.Rows. It keeps the
// statements that it has executed. The DB's mutex guards it.
type writer struct {
	conn  *sqlite.Conn
	waits store.Durability // of the next commit
}

// run executes a statement and returns how many rows that changed; see query.
func (w *writer) run(text string, args ...any) (rows int, err error) {
	err = query(w.conn, text, ignore, args...)
	return w.conn.Changes(), err
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
