package postgres

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

// Feeds returns the feeds that q chooses. An error is the last thing that it yields. The sequence holds a
// connection and little memory, and may be used once.
func (db *DB) Feeds(ctx context.Context, q store.FeedQuery) iter.Seq2[store.Feed, error] {
	where := "true"
	args := pgx.NamedArgs{"urls": q.URLs}
	if q.URLs != nil {
		where = `id IN (SELECT f.id FROM unnest(@urls::text[]) u(url) JOIN feeds f ON url_key(f.url) = url_key(u.url)
			UNION SELECT m.feed_id FROM unnest(@urls::text[]) u(url) JOIN moved m ON url_key(m.url) = url_key(u.url))`
	}
	if q.IDs != nil {
		where, args["ids"] = where+" AND id = ANY(@ids)", q.IDs
	}
	if q.Failing {
		where += ` AND class NOT IN ('', ` + store.SQLClasses(feeds.Class.OK) + `)`
	}
	return stream(ctx, db, "list feeds", scanFeed, `SELECT `+store.FeedColumns+` FROM feeds WHERE `+where+` ORDER BY `+q.Order.SQL(`COLLATE "C"`), args)
}

func scanFeed(rows pgx.Rows, f *store.Feed) error {
	var class string
	var etag, modified []byte
	var due, checked, success, interval int64
	err := rows.Scan(&f.ID, &f.URL, &f.Title, &f.Link, &f.Category, &class, &f.Detail, &f.Status, &f.Fails,
		&due, &checked, &success, &etag, &modified, &f.Items, &f.Name, &f.Settings.Headers, &interval, &f.Settings.Paused, &f.Told)
	f.Class, f.NextDue, f.LastChecked, f.LastSuccess = feeds.Class(class), store.TimeAt(due), store.TimeAt(checked), store.TimeAt(success)
	f.Validators = feeds.Validators{ETag: string(etag), LastModified: string(modified)}
	f.Settings.Interval = time.Duration(interval) * time.Second
	return err
}

// Items returns the items that q chooses. An error is the last thing that it yields.
// The sequence holds a connection and the memory of some items, and may be used once.
//
// Without q.Until it ends before the first item that a transaction may still be
// storing: whoever goes on after the last one misses none. A standby does not know of
// such transactions: there q.Onward is a *store.ServerError.
func (db *DB) Items(ctx context.Context, q store.ItemQuery) iter.Seq2[store.Item, error] {
	return func(yield func(store.Item, error) bool) {
		if q.Until <= 0 {
			var standby bool
			err := db.ask(ctx, "list items", "SELECT last_id(), pg_is_in_recovery()", &q.Until, &standby)
			if err == nil && standby && q.Onward {
				err = fmt.Errorf("list items: %w", &store.ServerError{
					Fault: store.Standby, Text: db.path + " is a standby, which does not know what is still to come before its last items"})
			}
			if err != nil {
				yield(store.Item{}, err)
				return
			}
		}
		db.items(ctx, q)(yield)
	}
}

func (db *DB) items(ctx context.Context, q store.ItemQuery) iter.Seq2[store.Item, error] {
	where := []string{"i.id > @after", "i.id <= @until"}
	args := pgx.NamedArgs{"after": q.After, "until": q.Until, "feeds": q.FeedIDs}
	order := "i.id"
	if q.FeedIDs != nil {
		where = append(where, "i.feed_id = ANY(@feeds)")
	}
	if len(q.FeedIDs) == 1 {
		order = "i.seq"
	}
	if !q.Since.IsZero() {
		where, args["since"] = append(where, "i.first_seen >= @since"), q.Since.Unix()
		if q.FeedIDs == nil {
			// No index knows first_seen, but id grows with it: walk back to the last
			// item that is older.
			where[len(where)-1] = "i.id > coalesce((SELECT id FROM items WHERE id > @after AND first_seen < @since ORDER BY id DESC LIMIT 1), 0)"
		}
	}
	if q.Search != "" {
		query, err := tsquery(q.Search)
		if err != nil {
			return func(yield func(store.Item, error) bool) { yield(store.Item{}, fmt.Errorf("list items: %w", err)) }
		}
		where, args["search"] = append(where, "i.id IN (SELECT id FROM search WHERE words @@ to_tsquery('simple', @search))"), query
	}
	if q.Newest {
		order += " DESC"
	}
	if q.Limit > 0 {
		order += fmt.Sprintf(" LIMIT %d", q.Limit)
	}
	return stream(ctx, db, "list items", scanItem, `SELECT `+store.ItemColumns+` FROM items i JOIN feeds f ON f.id = i.feed_id WHERE `+strings.Join(where, " AND ")+` ORDER BY `+order, args)
}

func scanItem(rows pgx.Rows, it *store.Item) error {
	var key [16]byte
	var hash, seen int64
	var categories, enclosures string
	err := rows.Scan(&it.ID, &it.FeedID, &it.FeedURL, &it.FeedLabel, &it.Category, &it.Seq, &key, &hash, &seen, &it.Edits,
		&it.Published, &it.Updated, &it.GUID, &it.Link, &it.Title, &it.Author, &it.Image, &categories, &enclosures, &it.Summary, &it.Content)
	if err != nil {
		return err
	}
	it.Key, it.Hash, it.FirstSeen = key, uint64(hash), time.Unix(seen, 0)
	return it.ReadLists([]byte(categories), []byte(enclosures))
}

// LastItem returns the highest Item.ID up to which all items have arrived, 0 for
// none: no transaction that is under way can still store one below it.
func (db *DB) LastItem(ctx context.Context) (id int64, err error) {
	err = db.ask(ctx, "find the last item", "SELECT last_id()", &id)
	return id, err
}

// stream returns a query's rows one by one.
func stream[T any](ctx context.Context, db *DB, what string, scan func(pgx.Rows, *T) error, text string, args pgx.NamedArgs) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		ctx, cancel := context.WithCancel(ctx) // so that a list that is left early is not read to its end
		defer cancel()
		var zero T
		rows, _ := db.lists.Query(ctx, text, args)
		defer rows.Close()
		defer cancel() // before that
		for rows.Next() {
			var row T
			if err := scan(rows, &row); err != nil {
				yield(zero, wrapped(ctx, what, err))
				return
			}
			if !yield(row, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(zero, wrapped(ctx, what, err))
		}
	}
}
