package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"zombiezen.com/go/sqlite"

	"feedmill/internal/store"
)

// invariants are store.Invariants and those of SQLite's own types.
var invariants = append(slices.Clone(store.Invariants),
	`SELECT format('item %d of feed %d: key of %d bytes', seq, feed_id, length(key)) FROM items WHERE length(key) <> 16`,
	`SELECT format('item %d of feed %d: categories are not a JSON array of texts', seq, feed_id) FROM items
		WHERE categories <> '[]' AND (NOT json_valid(categories) OR json_type(categories) <> 'array'
			OR EXISTS (SELECT 1 FROM json_each(categories) WHERE type <> 'text'))`,
	`SELECT format('item %d of feed %d: enclosures are not a JSON array of objects', seq, feed_id) FROM items
		WHERE enclosures <> '[]' AND (NOT json_valid(enclosures) OR json_type(enclosures) <> 'array'
			OR EXISTS (SELECT 1 FROM json_each(enclosures) WHERE type <> 'object'))`,
	`SELECT format('feed %d: is said to have moved away from the URL of feed %d', m.feed_id, f.id)
		FROM moved m JOIN feeds f ON f.url = m.url`,
)

// Check reads the whole file and returns a *CorruptError with all that is
// wrong: pages and indexes, references between tables, and every promise that
// this package makes about rows. It sees one state of the store, whatever is
// written meanwhile, and it sees what is on disk: it has a connection of its
// own, since the others remember pages that they have read.
func (db *DB) Check(ctx context.Context) error {
	return db.failed("check store", db.apart(ctx, func(c *sqlite.Conn) error { return check(c, db.path) }))
}

func check(c *sqlite.Conn, path string) error {
	if err := script(c, "BEGIN"); err != nil {
		return err
	}
	if err := sound(c, path, fmt.Sprintf("PRAGMA integrity_check(%d)", store.MaxProblems)); err != nil {
		return err
	}
	problems, err := column(c, fmt.Sprintf(`SELECT format('%%s row %%d: belongs to no row of %%s', "table", rowid, parent)
		FROM pragma_foreign_key_check LIMIT %d`, store.MaxProblems))
	if err != nil {
		return err
	}
	found, err := lacking(c)
	if err != nil {
		return err
	}
	if problems = append(problems, found...); found != nil { // and the rules ask for what is not there
		return damage(path, problems)
	}
	for _, text := range invariants {
		found, err := column(c, fmt.Sprintf("%s LIMIT %d", text, store.MaxProblems))
		if err != nil {
			return err
		}
		problems = append(problems, found...)
	}
	return damage(path, problems)
}

// lacking names the tables, indexes, views and triggers that a new store has and c
// has not: somebody dropped them. What is there besides is the user's own.
func lacking(c *sqlite.Conn) (problems []string, err error) {
	const objects = "SELECT type || ' ' || name FROM sqlite_schema ORDER BY 1"
	have, err := column(c, objects)
	if err != nil {
		return nil, err
	}
	fresh, err := sqlite.OpenConn(":memory:")
	if err != nil {
		return nil, err
	}
	defer fresh.Close()
	if err := migrate(fresh, 0); err != nil {
		return nil, err
	}
	want, err := column(fresh, objects)
	for _, name := range want {
		if _, ok := slices.BinarySearch(have, name); !ok {
			problems = append(problems, name+": is not there")
		}
	}
	return problems, err
}

// damage returns problems as a *CorruptError, or nil when there are none.
func damage(path string, problems []string) error {
	var errs []error
	for _, p := range problems {
		if p != "ok" { // SQLite's word for no problem
			errs = append(errs, errors.New(p))
		}
	}
	if errs == nil {
		return nil
	}
	return &store.CorruptError{Path: path, Err: errors.Join(errs...)}
}
