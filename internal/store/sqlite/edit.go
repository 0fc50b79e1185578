package sqlite

import (
	"context"
	"fmt"
	"time"

	"feedmill/internal/store"
)

// Edit changes the feeds with these ids, all of them or, with an error, none.
// With another URL a feed keeps its items and is due at once, as a new one, and
// whoever names the old one still means it; the error is ErrTaken when another
// feed has the new one, and ErrNoFeed when one of them is not there. A shorter interval
// also holds for the time until the feed is due next.
func (db *DB) Edit(ctx context.Context, ids []int64, c store.Change) error {
	return db.write(ctx, "change feeds", func(w *writer) error {
		for _, id := range ids {
			if err := w.edit(id, c); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *writer) edit(id int64, c store.Change) error {
	var interval any
	if c.Interval != nil {
		interval = int64(*c.Interval / time.Second)
	}
	var paused any
	if c.Paused != nil {
		paused = *c.Paused
	}
	n, err := w.run(`UPDATE feeds SET name = ifnull(?2, name), category = ifnull(?3, category),
		interval = ifnull(?4, interval), paused = ifnull(?5, paused),
		next_due = iif(?4 > 0 AND last_checked IS NOT NULL AND class <> 'gone', min(next_due, last_checked + ?4), next_due)
		WHERE id = ?1`, id, pointed(c.Name), pointed(c.Category), interval, paused)
	if err == nil && n == 0 {
		err = store.ErrNoFeed
	}
	if err == nil && c.URL != nil {
		err = w.setURL(id, *c.URL)
	}
	if err == nil && len(c.Headers) > 0 {
		err = w.setHeaders(id, c.Headers)
	}
	return err
}

// setURL gives a feed another URL.
func (w *writer) setURL(id int64, url string) error {
	if before, err := ask(w.conn, urlSQL, id); err != nil || before == url {
		return err
	}
	moved, err := w.Move(id, url)
	if err != nil {
		return err
	}
	if !moved {
		return fmt.Errorf("%w: %s", store.ErrTaken, url)
	}
	_, err = w.run(`UPDATE feeds SET etag = '', last_modified = '', body_hash = 0, moved_to = '', next_due = 0
		WHERE id = ?`, id)
	return err
}

// setHeaders changes some of a feed's headers.
func (w *writer) setHeaders(id int64, change []store.Header) error {
	have, err := ask(w.conn, "SELECT headers FROM feeds WHERE id = ?", id)
	if err != nil {
		return err
	}
	_, err = w.run("UPDATE feeds SET headers = ? WHERE id = ?", store.WithHeaders(have, change), id)
	return err
}

// pointed returns what a pointer to a user's text points to, as valid UTF-8, and
// nil for none.
func pointed(s *string) any {
	if s == nil {
		return nil
	}
	return store.Readable(*s)
}

// Tell notes of which feeds the user has been told that they are failing, and of
// which that they are back.
func (db *DB) Tell(ctx context.Context, failing, back []int64) error {
	if len(failing)+len(back) == 0 {
		return nil
	}
	return db.write(ctx, "note what was told", func(w *writer) error {
		for told, ids := range [][]int64{back, failing} {
			_, err := w.run("UPDATE feeds SET told = ? WHERE id IN (SELECT value FROM json_each(?))", told, idList(ids))
			if err != nil {
				return err
			}
		}
		return nil
	})
}
