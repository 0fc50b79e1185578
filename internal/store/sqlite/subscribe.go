package sqlite

import (
	"context"

	"zombiezen.com/go/sqlite"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

// idOfURL is the id of the feed that has the URL ?1, or had it before it moved.
const idOfURL = `(SELECT id FROM feeds WHERE url = ?1 UNION ALL SELECT feed_id FROM moved WHERE url = ?1)`

const (
	findSQL = `SELECT id, name, title, category FROM feeds WHERE id = ` + idOfURL

	subscribeSQL = `INSERT INTO feeds (url, name, category, link) VALUES (?, ifnull(?, ''), ifnull(?, ''), ifnull(?, ''))`

	renameSQL = `UPDATE feeds SET name = ifnull(?2, ''), category = ifnull(?3, '') WHERE id = ?1`
)

// Subscribe adds the feeds that are not there yet, due at once, all of them or,
// with an error, none. It returns one Subscribed for each, in order. A feed
// that is there keeps its name and category, unless it has none. URLs are
// compared byte by byte, see feeds.NormalizeURL, and one that a feed had before
// it moved for good means that feed.
func (db *DB) Subscribe(ctx context.Context, subs []feeds.Subscription) ([]store.Subscribed, error) {
	if len(subs) == 0 {
		return nil, nil
	}
	done := make([]store.Subscribed, len(subs))
	err := db.write(ctx, "subscribe feeds", func(w *writer) error {
		for i, s := range subs {
			var err error
			if done[i], err = w.subscribeOne(s, store.Keep); err != nil {
				return err
			}
		}
		return nil
	})
	return done, err
}

// Import subscribes to a list and believes what it says: what it says of the name
// and category of a feed that is there replaces them, and what it does not say
// stays. A list that has folders also says of a feed in none of them that it is in
// none.
//
// The end of ctx ends it between two feeds, and then nothing is written.
func (db *DB) Import(ctx context.Context, list store.List) (store.Imported, error) {
	var done store.Imported
	believe := store.Believe(list.Folders)
	err := db.write(ctx, "import feeds", func(w *writer) error {
		for s, err := range list.Feeds {
			if err == nil && ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			if err != nil {
				return err
			}
			one, err := w.subscribeOne(s, believe)
			if err != nil {
				return err
			}
			done.Count(one)
		}
		return nil
	})
	if err != nil {
		return store.Imported{}, err
	}
	return done, nil
}

// subscribeOne looks before it inserts: most lists are given again and again,
// and then nothing is to be written.
func (w *writer) subscribeOne(s feeds.Subscription, choose store.Choice) (store.Subscribed, error) {
	var id int64
	var have feeds.Subscription
	var title string // the feed's own
	err := query(w.conn, findSQL, func(row *sqlite.Stmt) error {
		id, have.Title, title, have.Category = row.ColumnInt64(0), row.ColumnText(1), row.ColumnText(2), row.ColumnText(3)
		return nil
	}, s.URL)
	if err != nil {
		return store.Subscribed{}, err
	}
	if id == 0 { // which no feed has
		if _, err := w.run(subscribeSQL, s.URL, text(s.Title), text(s.Category), text(s.Link)); err != nil {
			return store.Subscribed{}, err
		}
		return store.Subscribed{ID: w.conn.LastInsertRowID(), Added: true}, nil
	}
	want, changed := choose.Of(have, s, title)
	if !changed {
		return store.Subscribed{ID: id}, nil
	}
	_, err = w.run(renameSQL, id, text(want.Title), text(want.Category))
	return store.Subscribed{ID: id, Changed: true}, err
}

// Unsubscribe removes feeds with all their items and returns how many there
// were. A URL that a feed had before it moved means that feed.
func (db *DB) Unsubscribe(ctx context.Context, urls []string) (int, error) {
	removed := 0
	err := db.write(ctx, "unsubscribe feeds", func(w *writer) error {
		for _, u := range urls {
			n, err := w.run("DELETE FROM feeds WHERE id = "+idOfURL, u) // the trigger's rows are not counted
			if err != nil {
				return err
			}
			removed += n
		}
		return nil
	})
	return removed, err
}
