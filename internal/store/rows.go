package store

import (
	"context"
	"database/sql"
	"errors"

	driver "modernc.org/sqlite"
	"zombiezen.com/go/sqlite"
)

// A querier runs a query: a connection, a pool or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// each calls scan for each row of a prepared query.
func each(ctx context.Context, stmt *sql.Stmt, scan func(*sql.Rows) error, args ...any) error {
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	return drain(rows, scan)
}

// eachOf is each for a query that is not prepared.
func eachOf(ctx context.Context, q querier, query string, scan func(*sql.Rows) error, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	return drain(rows, scan)
}

// drain calls scan for each row and closes rows.
func drain(rows *sql.Rows, scan func(*sql.Rows) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// column returns a query's rows, of one text column.
func column(ctx context.Context, q querier, query string) ([]string, error) {
	var list []string
	err := eachOf(ctx, q, query, func(rows *sql.Rows) error {
		var s string
		if err := rows.Scan(&s); err != nil {
			return err
		}
		list = append(list, s)
		return nil
	})
	return list, err
}

// resultCode returns SQLite's primary result code of err, or 0.
func resultCode(err error) int {
	if e, ok := errors.AsType[*driver.Error](err); ok {
		return e.Code() & 0xff // the rest is detail
	}
	if code := sqlite.ErrCode(err).ToPrimary(); code != sqlite.ResultOK && code != sqlite.ResultError {
		return int(code)
	}
	return 0
}
