package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
)

// A rowStmt is a statement that is executed for every single item or feed. It
// goes past database/sql, which makes four new lists of the arguments for each
// execution: of an insert that was a sixth. Its arguments must have types that
// drivers know, such as int64. The writer owns it.
type rowStmt struct {
	conn *sql.Conn
	stmt driver.Stmt
	args []driver.NamedValue // used again each time
}

// newRowStmt prepares text, a statement of one transaction of c's, as long as c
// is open.
func newRowStmt(ctx context.Context, c *sql.Conn, text string) (*rowStmt, error) {
	s := &rowStmt{conn: c}
	err := c.Raw(func(dc any) (err error) {
		d, ok := dc.(driver.ConnPrepareContext)
		if !ok {
			return fmt.Errorf("the driver's %T cannot prepare statements", dc)
		}
		s.stmt, err = d.PrepareContext(ctx, text)
		return err
	})
	return s, err
}

// exec executes the statement and returns how many rows that changed.
func (s *rowStmt) exec(ctx context.Context, args ...driver.Value) (rows int64, err error) {
	s.args = s.args[:0]
	for i, v := range args {
		s.args = append(s.args, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	err = s.conn.Raw(func(any) error {
		done, err := s.stmt.(driver.StmtExecContext).ExecContext(ctx, s.args)
		if err == nil {
			rows, err = done.RowsAffected()
		}
		return err
	})
	return rows, err
}

// close ends the statement.
func (s *rowStmt) close() error {
	return s.conn.Raw(func(any) error { return s.stmt.Close() })
}
