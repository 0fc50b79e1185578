package sqlite

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"zombiezen.com/go/sqlite"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

// Feeds returns the feeds that q chooses. An error is the last thing that it yields. The sequence holds a
// read transaction and little memory, and may be used once.
func (db *DB) Feeds(ctx context.Context, q store.FeedQuery) iter.Seq2[store.Feed, error] {
	from, args := "feeds", []any{nil, q.Failing}
	if q.URLs != nil {
		args[0] = store.JSON(q.URLs)
	}
	if q.IDs != nil {
		from, args = "(SELECT DISTINCT value FROM json_each(?3)) CROSS JOIN feeds ON id = value", append(args, idList(q.IDs))
	}
	return stream(ctx, db, "list feeds", scanFeed, `SELECT `+store.FeedColumns+` FROM `+from+`
		WHERE (?1 IS NULL OR url IN (SELECT value FROM json_each(?1))
		    OR id IN (SELECT feed_id FROM moved WHERE url IN (SELECT value FROM json_each(?1))))
		  AND (NOT ?2 OR class NOT IN ('', `+store.SQLClasses(feeds.Class.OK)+`))
		ORDER BY `+q.Order.SQL("COLLATE BINARY"), args...)
}

func scanFeed(s *sqlite.Stmt, f *store.Feed) error {
	f.ID, f.URL, f.Title, f.Link, f.Category = s.ColumnInt64(0), s.ColumnText(1), s.ColumnText(2), s.ColumnText(3), s.ColumnText(4)
	f.Class, f.Detail, f.Status, f.Fails = feeds.Class(s.ColumnText(5)), s.ColumnText(6), s.ColumnInt(7), s.ColumnInt(8)
	f.NextDue, f.LastChecked, f.LastSuccess = store.TimeAt(s.ColumnInt64(9)), store.TimeAt(s.ColumnInt64(10)), store.TimeAt(s.ColumnInt64(11))
	f.Validators = feeds.Validators{ETag: s.ColumnText(12), LastModified: s.ColumnText(13)}
	f.Items, f.Name, f.Settings.Headers = s.ColumnInt(14), s.ColumnText(15), s.ColumnText(16)
	f.Settings.Interval = time.Duration(s.ColumnInt64(17)) * time.Second
	f.Settings.Paused, f.Told = s.ColumnBool(18), s.ColumnBool(19)
	return nil
}

// Items returns the items that q chooses. An error is the last thing that it
// yields. The sequence holds a read transaction and the memory of one item,
// and may be used once.
func (db *DB) Items(ctx context.Context, q store.ItemQuery) iter.Seq2[store.Item, error] {
	text, args := itemsQuery(q)
	return stream(ctx, db, "list items", scanItem, text, args...)
}

// itemsQuery returns the query for the items that q chooses, and its arguments.
func itemsQuery(q store.ItemQuery) (string, []any) {
	order, limit := "", -1
	if q.Newest {
		order = " DESC"
	}
	if q.Limit > 0 {
		limit = q.Limit
	}
	until, since := int64(1<<62), int64(-1<<62)
	if q.Until > 0 {
		until = q.Until
	}
	if !q.Since.IsZero() {
		since = q.Since.Unix()
	}
	where, ids, sort := "i.id > ?3 AND i.id <= ?4", any(nil), "i.id"+order
	switch len(q.FeedIDs) {
	case 0:
		if q.FeedIDs != nil {
			where += " AND false"
		}
		where += " AND ?1 IS NULL"
		if !q.Since.IsZero() {
			// No index knows first_seen, but id grows with it: walk back to the
			// last item that is older.
			where += " AND i.id > ifnull((SELECT id FROM items WHERE id > ?3 AND first_seen < ?2 ORDER BY id DESC LIMIT 1), 0)"
		}
	case 1:
		where, ids, sort = where+" AND i.feed_id = ?1 AND i.first_seen >= ?2", q.FeedIDs[0], "i.seq"+order
	default:
		// By arrival, and not by feed: that would sort whole items.
		where, ids = where+" AND +i.feed_id IN (SELECT value FROM json_each(?1)) AND i.first_seen >= ?2", idList(q.FeedIDs)
	}
	args := []any{ids, since, q.After, until, limit}
	if q.Search != "" {
		where += " AND i.id IN (SELECT rowid FROM search WHERE search MATCH ?6)"
		args = append(args, q.Search)
	}
	return `SELECT ` + store.ItemColumns + ` FROM items i CROSS JOIN feeds f ON f.id = i.feed_id
		WHERE ` + where + ` ORDER BY ` + sort + ` LIMIT ?5`, args
}

func scanItem(s *sqlite.Stmt, it *store.Item) error {
	it.ID, it.FeedID, it.FeedURL, it.FeedLabel, it.Category = s.ColumnInt64(0), s.ColumnInt64(1), s.ColumnText(2), s.ColumnText(3), s.ColumnText(4)
	it.Seq, it.Hash, it.FirstSeen, it.Edits = s.ColumnInt64(5), uint64(s.ColumnInt64(7)), time.Unix(s.ColumnInt64(8), 0), s.ColumnInt(9)
	it.Published, it.Updated, it.GUID, it.Link, it.Title = s.ColumnInt64(10), s.ColumnInt64(11), s.ColumnText(12), s.ColumnText(13), s.ColumnText(14)
	it.Author, it.Image, it.Summary, it.Content = s.ColumnText(15), s.ColumnText(16), s.ColumnText(19), s.ColumnText(20)
	if n := s.ColumnLen(6); n != len(it.Key) {
		return fmt.Errorf("item %d of feed %d: key of %d bytes", it.Seq, it.FeedID, n)
	}
	s.ColumnBytes(6, it.Key[:])
	return it.ReadLists([]byte(s.ColumnText(17)), []byte(s.ColumnText(18)))
}

// stream returns a query's rows one by one.
func stream[T any](ctx context.Context, db *DB, what string, scan func(*sqlite.Stmt, *T) error,
	text string, args ...any) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		err := db.read(ctx, what, func(c *sqlite.Conn) error {
			return query(c, text, func(s *sqlite.Stmt) error {
				var row T
				if err := scan(s, &row); err != nil {
					return err
				}
				if !yield(row, nil) {
					return errEnough
				}
				return nil
			}, args...)
		})
		if err != nil && !errors.Is(err, errEnough) {
			var zero T
			yield(zero, err)
		}
	}
}
