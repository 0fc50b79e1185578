package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"feedmill/internal/feeds"
)

// A Feed is a subscribed feed as it is stored.
type Feed struct {
	ID       int64
	URL      string
	Title    string
	Link     string // the home page
	Category string

	Class  feeds.Class // how the last refresh ended; empty when there was none
	Detail string
	Status int // of HTTP; 0 when there was no answer
	Fails  int // failures in a row

	NextDue     time.Time // zero: at once
	LastChecked time.Time // zero: never
	LastSuccess time.Time // zero: never

	Validators feeds.Validators
	Items      int // stored items
}

// A FeedQuery chooses feeds. The zero value chooses all of them.
type FeedQuery struct {
	URLs    []string // only the feeds that have or had these; nil means any
	Failing bool     // only those whose last refresh failed
}

// Feeds returns the feeds that q chooses, in the order in which they were
// subscribed. An error is the last thing that it yields. The sequence holds a
// read transaction and little memory, and may be used once.
func (db *DB) Feeds(ctx context.Context, q FeedQuery) iter.Seq2[Feed, error] {
	var urls any
	if q.URLs != nil {
		urls = jsonText(q.URLs)
	}
	return stream(ctx, db, "list feeds", scanFeed, `SELECT id, url, title, link, category, class, detail, status, fails,
		next_due, coalesce(last_checked, 0), coalesce(last_success, 0), etag, last_modified, items
		FROM feeds
		WHERE (?1 IS NULL OR url IN (SELECT value FROM json_each(?1))
		    OR id IN (SELECT feed_id FROM moved WHERE url IN (SELECT value FROM json_each(?1))))
		  AND (NOT ?2 OR class NOT IN ('', `+classList(feeds.Class.OK)+`))
		ORDER BY id`, urls, q.Failing)
}

func scanFeed(rows *sql.Rows, f *Feed) error {
	var due, checked, success int64
	err := rows.Scan(&f.ID, &f.URL, &f.Title, &f.Link, &f.Category, &f.Class, &f.Detail, &f.Status, &f.Fails,
		&due, &checked, &success, &f.Validators.ETag, &f.Validators.LastModified, &f.Items)
	f.NextDue, f.LastChecked, f.LastSuccess = timeAt(due), timeAt(checked), timeAt(success)
	return err
}

// An Item is a stored item.
type Item struct {
	feeds.Item
	FeedID    int64
	FeedURL   string
	FeedTitle string
	Seq       int64     // grows by arrival within the feed
	FirstSeen time.Time // when it arrived
	Edits     int       // times its content was replaced
}

// An ItemQuery chooses items. The zero value chooses all of them, in the order
// in which they arrived.
type ItemQuery struct {
	FeedURL string    // only of the feed that has or had this URL
	Since   time.Time // only what arrived then or later
	Newest  bool      // the last arrival first
	Limit   int       // at most so many; 0 means no limit
}

// Items returns the items that q chooses. An error is the last thing that it
// yields. The sequence holds a read transaction and the memory of one item,
// and may be used once.
func (db *DB) Items(ctx context.Context, q ItemQuery) iter.Seq2[Item, error] {
	order, limit := "", -1
	if q.Newest {
		order = " DESC"
	}
	if q.Limit > 0 {
		limit = q.Limit
	}
	where, arg, sort := "", any(nil), "i.id"+order
	if q.FeedURL != "" {
		where, arg, sort = "i.feed_id = "+idOfURL, q.FeedURL, "i.seq"+order
		if !q.Since.IsZero() {
			where += " AND i.first_seen >= ?2"
		}
	} else {
		// No index knows first_seen, but id grows with it: walk back to the
		// last item that is older.
		where = "?1 IS NULL AND i.id > ifnull((SELECT id FROM items WHERE first_seen < ?2 ORDER BY id DESC LIMIT 1), 0)"
	}
	var since int64 = -1 << 62
	if !q.Since.IsZero() {
		since = q.Since.Unix()
	}
	return stream(ctx, db, "list items", scanItem, `SELECT f.id, f.url, f.title, i.seq, i.key, i.hash, i.first_seen, i.edits,
		coalesce(i.published, 0), coalesce(i.updated, 0), i.guid, i.link, i.title, i.author, i.image,
		i.categories, i.enclosures, i.summary, i.content
		FROM items i CROSS JOIN feeds f ON f.id = i.feed_id
		WHERE `+where+` ORDER BY `+sort+` LIMIT ?3`, arg, since, limit)
}

func scanItem(rows *sql.Rows, it *Item) error {
	var key, categories, enclosures sql.RawBytes
	var hash, seen int64
	err := rows.Scan(&it.FeedID, &it.FeedURL, &it.FeedTitle, &it.Seq, &key, &hash, &seen, &it.Edits,
		&it.Published, &it.Updated, &it.GUID, &it.Link, &it.Title, &it.Author, &it.Image,
		&categories, &enclosures, &it.Summary, &it.Content)
	if err != nil {
		return err
	}
	it.Hash, it.FirstSeen = uint64(hash), time.Unix(seen, 0)
	if copy(it.Key[:], key) != len(it.Key) {
		return fmt.Errorf("item %d of feed %d: key of %d bytes", it.Seq, it.FeedID, len(key))
	}
	if err := unmarshalList(categories, &it.Categories); err != nil {
		return fmt.Errorf("item %d of feed %d: categories: %w", it.Seq, it.FeedID, err)
	}
	var files []enclosure
	if err := unmarshalList(enclosures, &files); err != nil {
		return fmt.Errorf("item %d of feed %d: enclosures: %w", it.Seq, it.FeedID, err)
	}
	for _, f := range files {
		it.Enclosures = append(it.Enclosures, feeds.Enclosure(f))
	}
	return nil
}

// unmarshalList decodes a JSON array, leaving *list nil when it is empty.
func unmarshalList[T any](b []byte, list *[]T) error {
	if string(b) == "[]" {
		return nil
	}
	return json.Unmarshal(b, list)
}

// stream returns a query's rows one by one.
func stream[T any](ctx context.Context, db *DB, what string, scan func(*sql.Rows, *T) error,
	query string, args ...any) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		fail := func(err error) {
			var zero T
			yield(zero, fmt.Errorf("%s: %w", what, explain(db.path, err)))
		}
		rows, err := db.readers.QueryContext(ctx, query, args...)
		if err != nil {
			fail(err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			var row T
			if err := scan(rows, &row); err != nil {
				fail(err)
				return
			}
			if !yield(row, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			fail(err)
		}
	}
}
