package store

import (
	"context"
	"fmt"

	"feedmill/internal/feeds"
)

// A Subscribed is what became of one subscription.
type Subscribed struct {
	ID    int64 // the feed's, new or old
	Added bool  // whether it is new
}

// idOfURL is the id of the feed that has the URL ?1, or had it before it moved.
const idOfURL = `(SELECT id FROM feeds WHERE url = ?1 UNION ALL SELECT feed_id FROM moved WHERE url = ?1)`

const (
	findSQL = `SELECT id, title = '', category = '' FROM feeds WHERE id = ` + idOfURL

	subscribeSQL = `INSERT INTO feeds (url, title, category) VALUES (?, ifnull(?, ''), ifnull(?, ''))`

	// completeSQL fills in what nobody said so far.
	completeSQL = `UPDATE feeds SET
		title = CASE WHEN title = '' THEN ifnull(?2, '') ELSE title END,
		category = CASE WHEN category = '' THEN ifnull(?3, '') ELSE category END
		WHERE id = ?1`
)

// Subscribe adds the feeds that are not there yet, due at once, all of them or,
// with an error, none. It returns one Subscribed for each, in order. A feed
// that is there keeps its title and category, unless it has none. URLs are
// compared byte by byte, see feeds.NormalizeURL, and one that a feed had before
// it moved for good means that feed.
func (db *DB) Subscribe(ctx context.Context, subs []feeds.Subscription) ([]Subscribed, error) {
	if len(subs) == 0 {
		return nil, nil
	}
	done := make([]Subscribed, len(subs))
	err := db.write(ctx, func(w *writer) error {
		for i, s := range subs {
			var err error
			if done[i], err = w.subscribeOne(s); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("subscribe feeds: %w", err)
	}
	return done, nil
}

// subscribeOne looks before it inserts: most lists are given again and again,
// and then nothing is to be written.
func (w *writer) subscribeOne(s feeds.Subscription) (Subscribed, error) {
	var id int64
	var untitled, uncategorized bool
	err := rowsOf(w.find, func() error {
		id, untitled, uncategorized = w.find.ColumnInt64(0), w.find.ColumnBool(1), w.find.ColumnBool(2)
		return nil
	}, s.URL)
	switch {
	case err != nil:
		return Subscribed{}, err
	case id == 0: // which no feed has
		if _, err := w.run(w.subscribe, s.URL, text(s.Title), text(s.Category)); err != nil {
			return Subscribed{}, err
		}
		return Subscribed{ID: w.conn.LastInsertRowID(), Added: true}, nil
	case untitled && s.Title != "" || uncategorized && s.Category != "":
		_, err = w.run(w.complete, id, text(s.Title), text(s.Category))
	}
	return Subscribed{ID: id}, err
}

// Unsubscribe removes feeds with all their items and returns how many there
// were. A URL that a feed had before it moved means that feed.
func (db *DB) Unsubscribe(ctx context.Context, urls []string) (int, error) {
	removed := 0
	err := db.write(ctx, func(w *writer) error {
		for _, u := range urls {
			n, err := w.once("DELETE FROM feeds WHERE id = "+idOfURL, u) // the trigger's rows are not counted
			if err != nil {
				return err
			}
			removed += n
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("unsubscribe feeds: %w", err)
	}
	return removed, nil
}
