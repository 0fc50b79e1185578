package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

// CopyOut is part of store.DB.
func (db *DB) CopyOut(ctx context.Context, after, upTo int64) (all store.CopyRows, err error) {
	err = db.snapshot(ctx, func(tx pgx.Tx) error {
		for _, t := range store.CopyTables {
			rows, _ := tx.Query(ctx, fmt.Sprintf("SELECT %s FROM %s WHERE %s > $1 AND %[3]s <= $2 ORDER BY %s", strings.Join(t.Names(), ", "), t.Name, t.Feed, strings.Replace(t.By, "url", `url COLLATE "C"`, 1)), after, upTo)
			list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]any, error) {
				values, err := row.Values()
				for i := range values {
					values[i] = plain(values[i])
				}
				return values, err
			})
			if err != nil {
				return err
			}
			all = append(all, list)
		}
		return nil
	})
	return all, wrapped(ctx, "read rows", err)
}

// plain spells a value as a copy has it.
func plain(v any) any {
	switch v := v.(type) {
	case int32:
		return int64(v)
	case [16]byte:
		return string(v[:])
	case []byte:
		return string(v)
	case bool:
		if v {
			return int64(1)
		}
		return int64(0)
	}
	return v
}

// CopyIn is part of store.DB.
func (db *DB) CopyIn(ctx context.Context, after int64, all store.CopyRows) error {
	return db.atLength(ctx, "write rows", func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "DELETE FROM feeds WHERE id > $1", after); err != nil {
			return err
		}
		for i, t := range store.CopyTables {
			cols := t.Names()
			if t.Name == "feeds" {
				cols = append(cols, "domain")
			}
			_, err := tx.CopyFrom(ctx, pgx.Identifier{t.Name}, cols, pgx.CopyFromSlice(len(all[i]), func(n int) ([]any, error) {
				return ours(t, all[i][n]), nil
			}))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// ours spells a row as this engine has it.
func ours(t store.CopyTable, row []any) []any {
	out := make([]any, len(row), len(row)+1)
	for i, c := range t.Cols {
		out[i] = row[i]
		switch c.Kind {
		case store.Bytes:
			b := []byte(row[i].(string))
			if out[i] = b; c.Name == "key" {
				out[i] = [16]byte(b)
			}
		case store.Flag:
			out[i] = row[i].(int64) != 0
		}
	}
	if t.Name == "feeds" {
		out = append(out, feeds.Domain(row[1].(string)))
	}
	return out
}

// CopyEnd is part of store.DB.
func (db *DB) CopyEnd(ctx context.Context, lastItem int64, holds map[string]time.Time) error {
	return db.write(ctx, "end copy", func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `SELECT setval('items_id', greatest($1, (SELECT last_value FROM items_id)))`, lastItem)
		if err == nil {
			_, err = tx.Exec(ctx, `SELECT setval(pg_get_serial_sequence('feeds', 'id'), max(id)) FROM feeds HAVING max(id) > 0`)
		}
		for domain, until := range holds {
			if err == nil {
				_, err = tx.Exec(ctx, `INSERT INTO hosts (domain, hold_until) VALUES ($1, $2)
					ON CONFLICT (domain) DO UPDATE SET hold_until = greatest(hosts.hold_until, excluded.hold_until)`, domain, until.Unix())
			}
		}
		return err
	})
}
