package sqlite

import (
	"context"
	"slices"

	"zombiezen.com/go/sqlite"

	"feedmill/internal/store"
)

// pruneSQL has the items of ?1 that go.
const pruneSQL = `SELECT id, feed_id FROM (
	SELECT id, feed_id, first_seen, row_number() OVER (PARTITION BY feed_id ORDER BY seq DESC) AS place FROM items
	WHERE ?1 IS NULL OR feed_id IN (SELECT value FROM json_each(?1)))
	WHERE place > ?2 AND first_seen < ?3 AND id <= ?4`

// pruneStep is how many items one statement deletes. Until it ends SQLite keeps in
// memory how each page was that it changes, which for half a million items was 700 MB.
const pruneStep = 1000

// Prune deletes the items that q chooses, all of them or, with an error, none.
// They do not come back: see the table removed, of which it forgets what no
// document lists any more.
func (db *DB) Prune(ctx context.Context, q store.PruneQuery) (p store.Pruned, err error) {
	older := int64(1) << 62
	if !q.Older.IsZero() {
		older = q.Older.Unix()
	}
	args := []any{idList(q.FeedIDs), q.Keep, older, q.UpTo}
	err = db.write(ctx, "prune items", func(w *writer) error {
		err := query(w.conn, `SELECT count(*), count(DISTINCT feed_id) FROM (`+pruneSQL+`)`, func(s *sqlite.Stmt) error {
			p.Items, p.Feeds = s.ColumnInt(0), s.ColumnInt(1)
			return nil
		}, args...)
		if err != nil || q.DryRun {
			return err
		}
		gone := make([]int64, 0, p.Items)
		if err := query(w.conn, `SELECT id FROM (`+pruneSQL+`)`, func(s *sqlite.Stmt) error {
			gone = append(gone, s.ColumnInt64(0))
			return nil
		}, args...); err != nil {
			return err
		}
		slices.Sort(gone) // as they lie in the file
		for ids := range slices.Chunk(gone, pruneStep) {
			if _, err := w.run("DELETE FROM items WHERE id IN (SELECT value FROM json_each(?))", idList(ids)); err != nil {
				return err
			}
		}
		_, err = w.run(`DELETE FROM removed WHERE (feed_id, key) IN (SELECT feed_id, key FROM (
			SELECT feed_id, key, row_number() OVER (PARTITION BY feed_id ORDER BY seq DESC) AS place FROM removed)
			WHERE place > ?)`, store.RemovedKept)
		return err
	})
	return p, err
}

// Cursors returns all cursors that the store knows of, by name.
func (db *DB) Cursors(ctx context.Context) (all []store.Cursor, err error) {
	err = db.write(ctx, "list cursors", func(w *writer) error {
		return query(w.conn, "SELECT name, ifnull(at, -1) FROM cursors ORDER BY name", func(s *sqlite.Stmt) error {
			all = append(all, store.Cursor{Name: s.ColumnText(0), At: s.ColumnInt64(1)})
			return nil
		})
	})
	return all, err
}

// MoveCursor notes a cursor, or where it is now.
func (db *DB) MoveCursor(ctx context.Context, c store.Cursor) error {
	return db.write(ctx, "note cursor", func(w *writer) error {
		_, err := w.run("INSERT INTO cursors (name, at) VALUES (?, nullif(?, -1)) ON CONFLICT (name) DO UPDATE SET at = excluded.at", c.Name, c.At)
		return err
	})
}

// DropCursor forgets a cursor and reports whether there was one.
func (db *DB) DropCursor(ctx context.Context, name string) (bool, error) {
	n := 0
	err := db.write(ctx, "forget cursor", func(w *writer) (err error) {
		n, err = w.run("DELETE FROM cursors WHERE name = ?", name)
		return err
	})
	return n > 0, err
}

// LastItem returns the highest Item.ID that was ever given, 0 for none.
func (db *DB) LastItem(ctx context.Context) (id int64, err error) {
	err = db.write(ctx, "find the last item", func(w *writer) (err error) {
		id, err = w.LastID()
		return err
	})
	return id, err
}
