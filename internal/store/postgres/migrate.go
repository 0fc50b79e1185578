package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"feedmill/internal/store"
)

// Migrations are files named 0001.sql and so on: each takes the tables from one
// version to the next and never changes once it was released.
//
//go:embed migrations/*.sql
var migrations embed.FS

// latestVersion is the version of the tables that this program works with.
var latestVersion = store.LatestVersion(migrations)

// migrationLock is held by who changes tables.
const migrationLock = 26215 << 48

// identify returns the version of the tables, 0 where there are none.
func (db *DB) identify(ctx context.Context, q interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}) (version int, err error) {
	var meta, other bool
	err = q.QueryRow(ctx, `SELECT to_regclass('meta') IS NOT NULL, to_regclass('feeds') IS NOT NULL OR to_regclass('items') IS NOT NULL`).Scan(&meta, &other)
	switch {
	case err != nil:
		return 0, fmt.Errorf("look for tables: %w", err)
	case !meta && other:
		return 0, db.foreign()
	case !meta:
		return 0, nil
	}
	err = q.QueryRow(ctx, "SELECT schema::int FROM meta").Scan(&version)
	switch {
	case is(err, "42703", "42846", "22P02"): // undefined_column, cannot_coerce, invalid_text_representation
		return 0, db.foreign()
	case errors.Is(err, pgx.ErrNoRows):
		return 0, &store.ForeignError{Path: db.path, Reason: "its table meta names no version"}
	case err != nil:
		return 0, fmt.Errorf("read store version: %w", err)
	case version > latestVersion:
		return 0, &store.SchemaError{Path: db.path, Have: version, Want: latestVersion}
	}
	return version, nil
}

// foreign says that what has the names of our tables is not ours.
func (db *DB) foreign() error {
	return &store.ForeignError{Path: db.path, Reason: "there are tables of another program's in it"}
}

// migrate brings the tables to the latest version in one transaction, alone.
func (db *DB) migrate(ctx context.Context) error {
	c, err := db.lists.Acquire(ctx)
	if err != nil {
		return err
	}
	defer c.Release()
	// Before the transaction: within it the server remembers that there were no tables.
	if _, err := c.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(migrationLock)); err != nil {
		return err
	}
	defer c.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", int64(migrationLock))
	return again(func() error { return pgx.BeginFunc(ctx, c, db.bringUp(ctx)) })
}

// bringUp returns the transaction of migrate.
func (db *DB) bringUp(ctx context.Context) func(tx pgx.Tx) error {
	return func(tx pgx.Tx) error {
		version, err := db.identify(ctx, tx) // of somebody who was quicker
		if err != nil {
			return err
		}
		for have := version; have < latestVersion; have++ {
			text, err := migrations.ReadFile(fmt.Sprintf("migrations/%04d.sql", have+1))
			if err != nil {
				return fmt.Errorf("read migration: %w", err)
			}
			_, err = tx.Conn().PgConn().Exec(ctx, string(text)).ReadAll()
			switch {
			case version == 0 && is(err, "42P07", "42723", "42710"): // duplicate_table, duplicate_function, duplicate_object
				return db.foreign()
			case err != nil:
				return fmt.Errorf("bring tables from version %d to %d: %w", have, have+1, err)
			}
		}
		set := "UPDATE meta SET schema = $1"
		if version == 0 {
			set = "INSERT INTO meta (schema) VALUES ($1)"
		}
		_, err = tx.Exec(ctx, set, latestVersion)
		return err
	}
}
