package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"feedmill/internal/store"
)

// invariants are store.Invariants and those of what PostgreSQL has besides.
var invariants = append(slices.Clone(store.Invariants),
	`SELECT format('%s row of feed %s: belongs to no row of feeds', t, feed_id) FROM (
		SELECT 'items' t, feed_id FROM items UNION SELECT 'removed', feed_id FROM removed UNION SELECT 'shared', feed_id FROM shared UNION SELECT 'moved', feed_id FROM moved) r
		WHERE NOT EXISTS (SELECT 1 FROM feeds WHERE id = r.feed_id)`,
	`SELECT format('item %s of feed %s: id is above the last one given', seq, feed_id) FROM items WHERE id > (SELECT last_value FROM items_id)`,
	`SELECT format('feed %s: is said to have moved away from the URL of feed %s', m.feed_id, f.id)
		FROM moved m JOIN feeds f ON url_key(f.url) = url_key(m.url)`,
	`SELECT format('feed %s: its domain %s has no row in hosts', id, domain) FROM feeds f
		WHERE NOT EXISTS (SELECT 1 FROM hosts h WHERE h.domain = f.domain)`,
	`SELECT format('host %s: is due later than feed %s of it', h.domain, f.id) FROM hosts h JOIN feeds f ON f.domain = h.domain
		WHERE h.owner = '' AND NOT f.paused AND f.class <> 'gone' AND f.next_due < h.next_due AND f.skip_hours = 0 AND f.skip_days = 0`,
)

// lists are columns with JSON arrays, and what their elements are.
var lists = []struct{ column, elements, is string }{
	{"categories", "texts", "string"},
	{"enclosures", "objects", "object"},
}

// Check reads all rows and returns a *store.CorruptError with every promise of this
// package that they break. It sees one state of the store, whatever is written
// meanwhile. Pages and indexes the server sees to: pg_amcheck reads them.
func (db *DB) Check(ctx context.Context) error {
	var problems []error
	err := db.snapshot(ctx, func(tx pgx.Tx) error {
		for _, text := range invariants {
			rows, _ := tx.Query(ctx, fmt.Sprintf("%s LIMIT %d", text, store.MaxProblems))
			found, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				return err
			}
			for _, p := range found {
				problems = append(problems, errors.New(p))
			}
		}
		for _, l := range lists {
			found, err := badLists(ctx, tx, l.column, l.is)
			if err != nil {
				return err
			}
			for _, at := range found {
				problems = append(problems, fmt.Errorf("%s: %s are not a JSON array of %s", at, l.column, l.elements))
			}
		}
		return nil
	})
	if err == nil && problems != nil {
		err = &store.CorruptError{Path: db.path, Err: errors.Join(problems...)}
	}
	return wrapped(ctx, "check store", err)
}

// badLists returns the items whose column has no JSON array of what is.
func badLists(ctx context.Context, tx pgx.Tx, column, is string) (found []string, err error) {
	rows, _ := tx.Query(ctx, fmt.Sprintf("SELECT seq, feed_id, %s FROM items WHERE %[1]s <> '[]'", column))
	var seq, feed int64
	var list string
	_, err = pgx.ForEachRow(rows, []any{&seq, &feed, &list}, func() error {
		if len(found) < store.MaxProblems && !isList(list, is) {
			found = append(found, fmt.Sprintf("item %d of feed %d", seq, feed))
		}
		return nil
	})
	return found, err
}

// isList reports whether text is a JSON array of strings, or of objects.
func isList(text, is string) bool {
	var list []any
	if json.Unmarshal([]byte(text), &list) != nil || list == nil {
		return false
	}
	for _, v := range list {
		_, isString := v.(string)
		_, isObject := v.(map[string]any)
		if is == "string" && !isString || is == "object" && !isObject {
			return false
		}
	}
	return true
}
