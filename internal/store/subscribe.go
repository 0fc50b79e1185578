package store

import (
	"context"
	"database/sql"
	"errors"
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
	err := db.write(ctx, func(ctx context.Context, w *writer) error {
		for i, s := range subs {
			var err error
			if done[i], err = w.subscribeOne(ctx, s); err != nil {
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
func (w *writer) subscribeOne(ctx context.Context, s feeds.Subscription) (Subscribed, error) {
	var id int64
	var untitled, uncategorized bool
	err := w.find.QueryRowContext(ctx, s.URL).Scan(&id, &untitled, &uncategorized)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		added, err := w.subscribe.ExecContext(ctx, s.URL, text(s.Title), text(s.Category))
		if err != nil {
			return Subscribed{}, err
		}
		id, err = added.LastInsertId()
		return Subscribed{ID: id, Added: true}, err
	case err != nil:
		return Subscribed{}, err
	case untitled && s.Title != "" || uncategorized && s.Category != "":
		_, err = w.complete.ExecContext(ctx, id, text(s.Title), text(s.Category))
	}
	return Subscribed{ID: id}, err
}

// Unsubscribe removes feeds with all their items and returns how many there
// were. A URL that a feed had before it moved means that feed.
func (db *DB) Unsubscribe(ctx context.Context, urls []string) (int, error) {
	removed := 0
	err := db.write(ctx, func(ctx context.Context, w *writer) error {
		for _, u := range urls {
			done, err := w.conn.ExecContext(ctx, "DELETE FROM feeds WHERE id = "+idOfURL, u)
			if err != nil {
				return err
			}
			n, _ := done.RowsAffected() // the trigger's rows are not counted
			removed += int(n)
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("unsubscribe feeds: %w", err)
	}
	return removed, nil
}
