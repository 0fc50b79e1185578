package sqlite

import (
	"context"

	"zombiezen.com/go/sqlite"

	"feedmill/internal/store"
)

// Status returns how the store is doing.
func (db *DB) Status(ctx context.Context) (s store.Status, err error) {
	s.Now = db.now()
	err = db.read(ctx, "look at the store", func(c *sqlite.Conn) error {
		err := query(c, store.StatusSQL, func(row *sqlite.Stmt) error {
			s.Feeds, s.Paused, s.Gone, s.Killers = row.ColumnInt(0), row.ColumnInt(1), row.ColumnInt(2), row.ColumnInt(3)
			s.Due, s.Unasked, s.Oldest = row.ColumnInt(4), row.ColumnInt(5), store.TimeAt(row.ColumnInt64(6))
			return nil
		}, s.Now.Unix())
		if err != nil {
			return err
		}
		for _, span := range store.StatusSpans {
			t := store.RunTotal{Span: span}
			err := query(c, store.TotalSQL, func(row *sqlite.Stmt) error {
				t.Runs, t.Unended, t.Feeds, t.Succeeded = row.ColumnInt(0), row.ColumnInt(1), row.ColumnInt(2), row.ColumnInt(3)
				t.Failed, t.New, t.Updated = row.ColumnInt(4), row.ColumnInt(5), row.ColumnInt(6)
				return nil
			}, s.Now.Add(-span).Unix())
			if err != nil {
				return err
			}
			s.Runs = append(s.Runs, t)
		}
		return query(c, "SELECT count(*) FROM hosts WHERE hold_until > ?", func(row *sqlite.Stmt) error {
			s.Held = row.ColumnInt(0)
			return nil
		}, s.Now.Unix())
	})
	return s, err
}
