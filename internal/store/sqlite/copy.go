package sqlite

import (
	"context"
	"fmt"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"

	"feedmill/internal/store"
)

// CopyOut is part of store.DB.
func (db *DB) CopyOut(ctx context.Context, after, upTo int64) (all store.CopyRows, err error) {
	err = db.read(ctx, "read rows", func(c *sqlite.Conn) error {
		for _, t := range store.CopyTables {
			var list [][]any
			err := query(c, fmt.Sprintf("SELECT %s FROM %s WHERE %s > ? AND %[3]s <= ? ORDER BY %s", strings.Join(t.Names(), ", "), t.Name, t.Feed, t.By), func(s *sqlite.Stmt) error {
				row := make([]any, len(t.Cols))
				for i, col := range t.Cols {
					switch {
					case s.ColumnType(i) == sqlite.TypeNull:
					case col.Kind == store.Int, col.Kind == store.Flag:
						row[i] = s.ColumnInt64(i)
					default:
						row[i] = string(blob(s, i, nil))
					}
				}
				list = append(list, row)
				return nil
			}, after, upTo)
			if err != nil {
				return err
			}
			all = append(all, list)
		}
		return nil
	})
	return all, err
}

// CopyIn is part of store.DB.
func (db *DB) CopyIn(ctx context.Context, after int64, all store.CopyRows) error {
	return db.write(ctx, "write rows", func(w *writer) error {
		if _, err := w.run("DELETE FROM feeds WHERE id > ?", after); err != nil {
			return err
		}
		for i, t := range store.CopyTables {
			insert := fmt.Sprintf("INSERT INTO %s (%s) VALUES (?%s)", t.Name, strings.Join(t.Names(), ", "), strings.Repeat(", ?", len(t.Cols)-1))
			for _, row := range all[i] {
				args := make([]any, len(row))
				for n, v := range row {
					if args[n] = v; t.Cols[n].Name == "key" {
						args[n] = []byte(v.(string))
					}
				}
				if _, err := w.run(insert, args...); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// CopyEnd is part of store.DB.
func (db *DB) CopyEnd(ctx context.Context, lastItem int64, holds map[string]time.Time) error {
	return db.write(ctx, "end copy", func(w *writer) error {
		if _, err := w.run("UPDATE arrivals SET last = ? WHERE last < ?", lastItem, lastItem); err != nil {
			return err
		}
		for domain, until := range holds {
			if _, err := w.run(holdSQL, domain, until.Unix()); err != nil {
				return err
			}
		}
		return nil
	})
}
