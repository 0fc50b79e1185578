package sqlite

import (
	"context"

	"zombiezen.com/go/sqlite"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

var statusSQL = `SELECT count(*), coalesce(sum(paused), 0), coalesce(sum(class = '` + string(feeds.Gone) + `'), 0),
	coalesce(sum(class IN (` + store.SQLClasses(feeds.Class.Kills) + `)), 0),
	count(*) FILTER (WHERE ` + askableSQL + `), count(*) FILTER (WHERE ` + askableSQL + ` AND last_checked IS NULL),
	coalesce(min(next_due) FILTER (WHERE ` + askableSQL + ` AND last_checked IS NOT NULL AND next_due > 0), 0)
	FROM feeds`

// askableSQL is true of feeds that are due at ?1.
const askableSQL = `next_due <= ?1 AND NOT paused AND class <> '` + string(feeds.Gone) + `'`

const totalSQL = `SELECT count(*), count(*) FILTER (WHERE finished IS NULL), coalesce(sum(feeds), 0), coalesce(sum(succeeded), 0),
	coalesce(sum(failed), 0), coalesce(sum(new), 0), coalesce(sum(updated), 0) FROM runs WHERE started > ?`

// Status returns how the store is doing.
func (db *DB) Status(ctx context.Context) (s store.Status, err error) {
	s.Now = db.now()
	err = db.read(ctx, "look at the store", func(c *sqlite.Conn) error {
		err := query(c, statusSQL, func(row *sqlite.Stmt) error {
			s.Feeds, s.Paused, s.Gone, s.Killers = row.ColumnInt(0), row.ColumnInt(1), row.ColumnInt(2), row.ColumnInt(3)
			s.Due, s.Unasked, s.Oldest = row.ColumnInt(4), row.ColumnInt(5), store.TimeAt(row.ColumnInt64(6))
			return nil
		}, s.Now.Unix())
		if err != nil {
			return err
		}
		for _, span := range store.StatusSpans {
			t := store.RunTotal{Span: span}
			err := query(c, totalSQL, func(row *sqlite.Stmt) error {
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
