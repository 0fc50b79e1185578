package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

// Subscribe adds the feeds that are not there yet, due at once, all of them or, with
// an error, none; see SQLite's.
func (db *DB) Subscribe(ctx context.Context, subs []feeds.Subscription) ([]store.Subscribed, error) {
	if len(subs) == 0 {
		return nil, nil
	}
	var done []store.Subscribed
	err := db.atLength(ctx, "subscribe feeds", func(ctx context.Context, tx pgx.Tx) error {
		done = make([]store.Subscribed, 0, len(subs))
		for some := range slices.Chunk(subs, subscribedAtOnce) {
			each, err := subscribeSome(ctx, tx, some, store.Keep)
			if err != nil {
				return err
			}
			done = append(done, each...)
		}
		return nil
	})
	return done, err
}

// Import subscribes to a list and believes what it says; see SQLite's.
func (db *DB) Import(ctx context.Context, list store.List) (store.Imported, error) {
	var done store.Imported
	err := db.atLength(ctx, "import feeds", func(ctx context.Context, tx pgx.Tx) error {
		done = store.Imported{}
		var some []feeds.Subscription
		these := func() error {
			each, err := subscribeSome(ctx, tx, some, store.Believe(list.Folders))
			for _, one := range each {
				done.Count(one)
			}
			some = some[:0]
			return err
		}
		for s, err := range list.Feeds {
			if err != nil {
				return err
			}
			if some = append(some, s); len(some) == subscribedAtOnce {
				if err := these(); err != nil {
					return err
				}
			}
		}
		return these()
	})
	if err != nil {
		return store.Imported{}, err
	}
	return done, nil
}

// subscribedAtOnce is how many subscriptions one question looks up. Each has db's patience.
const subscribedAtOnce = 2000

// atLength writes in a transaction that may take longer than db's patience. It ends
// with ctx, and then nothing is written.
func (db *DB) atLength(ctx context.Context, what string, f func(ctx context.Context, tx pgx.Tx) error) error {
	db.writes.Lock()
	defer db.writes.Unlock()
	err := db.mayWrite(ctx)
	if err == nil {
		err = explain(again(func() error { return pgx.BeginFunc(ctx, db.rounds, func(tx pgx.Tx) error { return f(ctx, tx) }) }))
	}
	return wrapped(ctx, what, err)
}

// An entry is a feed that is there, or will be.
type entry struct {
	id    int64
	have  feeds.Subscription // its name and category
	title string             // the feed's own
	added *feeds.Subscription
}

// subscribeSome subscribes a part of a list. What is looked up is looked up for all of
// it, then decided one after the other, then written.
func subscribeSome(ctx context.Context, tx pgx.Tx, subs []feeds.Subscription, choose store.Choice) ([]store.Subscribed, error) {
	entries, err := findEntries(ctx, tx, subs)
	if err != nil {
		return nil, err
	}
	done := make([]store.Subscribed, len(subs))
	var added, renamed []*entry
	of := make([]*entry, len(subs))
	for i := range subs {
		s := &subs[i]
		e := entries[s.URL]
		if e == nil {
			e = &entry{added: s, have: feeds.Subscription{Title: store.Readable(s.Title), Category: store.Readable(s.Category)}}
			entries[s.URL] = e
			added, of[i] = append(added, e), e
			done[i].Added = true
			continue
		}
		of[i] = e
		want, changed := choose.Of(e.have, *s, e.title)
		if changed {
			e.have.Title, e.have.Category = store.Readable(want.Title), store.Readable(want.Category)
			renamed = append(renamed, e)
			done[i].Changed = true
		}
	}
	if err := insertEntries(ctx, tx, added); err != nil {
		return nil, err
	}
	for i, e := range of {
		done[i].ID = e.id
	}
	return done, renameEntries(ctx, tx, renamed)
}

// findEntries returns the feeds that have or had the URLs of subs.
func findEntries(ctx context.Context, tx pgx.Tx, subs []feeds.Subscription) (map[string]*entry, error) {
	urls := make([]string, len(subs))
	for i := range subs {
		urls[i] = subs[i].URL
	}
	rows, _ := tx.Query(ctx, `SELECT u.url, f.id, f.name, f.title, f.category FROM unnest($1::text[]) u(url)
		JOIN feeds f ON url_key(f.url) = url_key(u.url)
		UNION ALL SELECT u.url, f.id, f.name, f.title, f.category FROM unnest($1::text[]) u(url)
		JOIN moved m ON url_key(m.url) = url_key(u.url) JOIN feeds f ON f.id = m.feed_id`, urls)
	found, byID := make(map[string]*entry, len(subs)), make(map[int64]*entry)
	var url string
	var e entry
	_, err := pgx.ForEachRow(rows, []any{&url, &e.id, &e.have.Title, &e.title, &e.have.Category}, func() error {
		if byID[e.id] == nil { // which may come by several URLs
			copied := e
			byID[e.id] = &copied
		}
		if found[url] == nil { // who has it goes before who had it
			found[url] = byID[e.id]
		}
		return nil
	})
	return found, err
}

// insertEntries adds feeds and gives them their ids.
func insertEntries(ctx context.Context, tx pgx.Tx, added []*entry) error {
	if len(added) == 0 {
		return nil
	}
	rows, _ := tx.Query(ctx, `INSERT INTO feeds (url, domain, name, category, link)
		SELECT url, domain, name, category, link FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
			WITH ORDINALITY u(url, domain, name, category, link, place) ORDER BY place
		RETURNING id, url`,
		column(added, func(e *entry) string { return e.added.URL }),
		column(added, func(e *entry) string { return feeds.Domain(e.added.URL) }),
		column(added, func(e *entry) string { return e.have.Title }),
		column(added, func(e *entry) string { return e.have.Category }),
		column(added, func(e *entry) string { return store.Readable(e.added.Link) }))
	ids := make(map[string]int64, len(added))
	var id int64
	var url string
	_, err := pgx.ForEachRow(rows, []any{&id, &url}, func() error { ids[url] = id; return nil })
	for _, e := range added {
		e.id = ids[e.added.URL]
	}
	return err
}

// renameEntries writes names and categories.
func renameEntries(ctx context.Context, tx pgx.Tx, renamed []*entry) error {
	if len(renamed) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `UPDATE feeds f SET name = u.name, category = u.category
		FROM (SELECT DISTINCT * FROM unnest($1::bigint[], $2::text[], $3::text[]) u(id, name, category)) u WHERE f.id = u.id`,
		column(renamed, func(e *entry) int64 { return e.id }),
		column(renamed, func(e *entry) string { return e.have.Title }),
		column(renamed, func(e *entry) string { return e.have.Category }))
	return err
}

// Unsubscribe removes feeds with all their items; see SQLite's.
func (db *DB) Unsubscribe(ctx context.Context, urls []string) (removed int, err error) {
	err = db.atLength(ctx, "unsubscribe feeds", func(ctx context.Context, tx pgx.Tx) error {
		removed = 0
		for _, u := range urls {
			tag, err := tx.Exec(ctx, `DELETE FROM feeds WHERE id = coalesce((SELECT id FROM feeds WHERE url_key(url) = url_key($1)),
				(SELECT feed_id FROM moved WHERE url_key(url) = url_key($1)))`, u)
			if err != nil {
				return err
			}
			removed += int(tag.RowsAffected())
		}
		return nil
	})
	return removed, err
}

// Edit changes the feeds with these ids, all of them or, with an error, none; see
// SQLite's.
func (db *DB) Edit(ctx context.Context, ids []int64, c store.Change) error {
	return db.write(ctx, "change feeds", func(ctx context.Context, tx pgx.Tx) error {
		for _, id := range ids {
			if err := edit(ctx, tx, id, c); err != nil {
				return err
			}
		}
		return nil
	})
}

func edit(ctx context.Context, tx pgx.Tx, id int64, c store.Change) error {
	var interval *int64
	if c.Interval != nil {
		n := int64(*c.Interval / time.Second)
		interval = &n
	}
	tag, err := tx.Exec(ctx, `UPDATE feeds SET name = coalesce($2, name), category = coalesce($3, category),
		interval = coalesce($4, interval), paused = coalesce($5, paused),
		next_due = CASE WHEN $4 > 0 AND last_checked IS NOT NULL AND class <> 'gone' THEN least(next_due, last_checked + $4) ELSE next_due END
		WHERE id = $1`, id, pointed(c.Name), pointed(c.Category), interval, c.Paused)
	if err == nil && tag.RowsAffected() == 0 {
		err = store.ErrNoFeed
	}
	if err != nil {
		return err
	}
	if c.URL != nil {
		if err := setURL(ctx, tx, id, *c.URL); err != nil {
			return err
		}
	}
	if len(c.Headers) > 0 {
		var have string
		if err = tx.QueryRow(ctx, "SELECT headers FROM feeds WHERE id = $1", id).Scan(&have); err == nil {
			_, err = tx.Exec(ctx, "UPDATE feeds SET headers = $1 WHERE id = $2", store.WithHeaders(have, c.Headers), id)
		}
	}
	return err
}

// setURL gives a feed another URL, and has it asked at once.
func setURL(ctx context.Context, tx pgx.Tx, id int64, url string) error {
	var before string
	if err := tx.QueryRow(ctx, "SELECT url FROM feeds WHERE id = $1", id).Scan(&before); err != nil {
		return err
	}
	if before == url {
		return nil
	}
	moved, err := move(ctx, tx, id, url)
	if err != nil {
		return err
	}
	if !moved {
		return fmt.Errorf("%w: %s", store.ErrTaken, url)
	}
	_, err = tx.Exec(ctx, `UPDATE feeds SET etag = '', last_modified = '', body_hash = 0, moved_to = '', next_due = 0
		WHERE id = $1`, id)
	return err
}

// pointed returns what a pointer to a user's text points to, as valid UTF-8.
func pointed(s *string) *string {
	if s == nil {
		return nil
	}
	clean := store.Readable(*s)
	return &clean
}

// Tell notes what the user has been told; see SQLite's.
func (db *DB) Tell(ctx context.Context, failing, back []int64) error {
	if len(failing)+len(back) == 0 {
		return nil
	}
	_, err := db.exec(ctx, "note what was told", "UPDATE feeds SET told = coalesce(id = ANY($1), false) WHERE id = ANY($1) OR id = ANY($2)", failing, back)
	return err
}
