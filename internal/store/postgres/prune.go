package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"feedmill/internal/store"
)

// pruneSQL has the items of $1 that go.
const pruneSQL = `SELECT id, feed_id FROM (
	SELECT id, feed_id, first_seen, row_number() OVER (PARTITION BY feed_id ORDER BY seq DESC) AS place FROM items
	WHERE $1::bigint[] IS NULL OR feed_id = ANY($1)) i
	WHERE place > $2 AND first_seen < $3 AND id <= $4`

// Prune deletes the items that q chooses, all of them or, with an error, none; see
// SQLite's.
func (db *DB) Prune(ctx context.Context, q store.PruneQuery) (p store.Pruned, err error) {
	older := int64(1) << 62
	if !q.Older.IsZero() {
		older = q.Older.Unix()
	}
	args := []any{q.FeedIDs, q.Keep, older, q.UpTo}
	err = db.atLength(ctx, "prune items", func(ctx context.Context, tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `SELECT count(*), count(DISTINCT feed_id) FROM (`+pruneSQL+`) p`, args...).Scan(&p.Items, &p.Feeds)
		if err != nil || q.DryRun {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM items WHERE id IN (SELECT id FROM (`+pruneSQL+`) p)`, args...); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM removed r USING (
			SELECT feed_id, key, row_number() OVER (PARTITION BY feed_id ORDER BY seq DESC) AS place FROM removed) old
			WHERE r.feed_id = old.feed_id AND r.key = old.key AND old.place > $1`, store.RemovedKept)
		return err
	})
	return p, err
}

// Cursors returns all cursors that the store knows of, by name.
func (db *DB) Cursors(ctx context.Context) (all []store.Cursor, err error) {
	err = db.within(ctx, func(ctx context.Context) error {
		rows, _ := db.lists.Query(ctx, `SELECT name, coalesce(at, -1) FROM cursors ORDER BY name`)
		all, err = pgx.AppendRows(all, rows, pgx.RowToStructByPos[store.Cursor]) // nil where there is none
		return err
	})
	return all, wrapped(ctx, "list cursors", err)
}

// MoveCursor notes a cursor, or where it is now.
func (db *DB) MoveCursor(ctx context.Context, c store.Cursor) error {
	_, err := db.exec(ctx, "note cursor", "INSERT INTO cursors (name, at) VALUES ($1, nullif($2::bigint, -1)) ON CONFLICT (name) DO UPDATE SET at = excluded.at", c.Name, c.At)
	return err
}

// DropCursor forgets a cursor and reports whether there was one.
func (db *DB) DropCursor(ctx context.Context, name string) (bool, error) {
	n, err := db.exec(ctx, "forget cursor", "DELETE FROM cursors WHERE name = $1", name)
	return n > 0, err
}
