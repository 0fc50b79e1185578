package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
)

// A rowStmt is a statement that is executed for every single item. It goes past
// database/sql, which makes four new lists of the arguments for each execution:
// of an insert that was a sixth. The writer owns it.
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

// exec executes the statement and returns how many rows that changed. It must
// be called within a Raw of the statement's connection.
func (s *rowStmt) exec(ctx context.Context, args ...driver.Value) (rows int64, err error) {
	s.args = s.args[:0]
	for i, v := range args {
		s.args = append(s.args, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	done, err := s.stmt.(driver.StmtExecContext).ExecContext(ctx, s.args)
	if err != nil {
		return 0, err
	}
	return done.RowsAffected()
}

// close ends the statement.
func (s *rowStmt) close() error {
	return s.conn.Raw(func(any) error { return s.stmt.Close() })
}
