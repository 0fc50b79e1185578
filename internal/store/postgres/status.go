package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"feedmill/internal/store"
)

const (
	ownersSQL = `SELECT owner, count(*), min(lease_until) FROM hosts WHERE owner <> '' AND lease_until >= now() GROUP BY owner ORDER BY owner`

	// One whose lease has run out counts as lost, as it will when it is claimed.
	lostDomainsSQL = `SELECT domain, lost, CASE WHEN lost >= $1 AND lease_until < now() THEN lease_until + interval '1 day' END FROM (
			SELECT domain, CASE WHEN lease_until < now() THEN ` + lostSQL + ` ELSE lost END AS lost, lease_until FROM hosts WHERE lost > 0 OR owner <> '') d
		WHERE lost > 0 ORDER BY lost DESC, domain LIMIT 100`
)

// Status returns how the store is doing.
func (db *DB) Status(ctx context.Context) (s store.Status, err error) {
	s.Shared, s.Now = true, db.Now()
	err = db.within(ctx, func(ctx context.Context) error {
		return db.snapshot(ctx, func(tx pgx.Tx) error { return fill(ctx, tx, &s) })
	})
	return s, wrapped(ctx, "look at the store", err)
}

// fill asks for all that a Status says.
func fill(ctx context.Context, tx pgx.Tx, s *store.Status) error {
	var oldest int64
	err := tx.QueryRow(ctx, store.StatusSQL, s.Now.Unix()).
		Scan(&s.Feeds, &s.Paused, &s.Gone, &s.Killers, &s.Due, &s.Unasked, &oldest)
	if err != nil {
		return err
	}
	s.Oldest = store.TimeAt(oldest)
	for _, span := range store.StatusSpans {
		t := store.RunTotal{Span: span}
		err := tx.QueryRow(ctx, store.TotalSQL, s.Now.Add(-span).Unix()).
			Scan(&t.Runs, &t.Unended, &t.Feeds, &t.Succeeded, &t.Failed, &t.New, &t.Updated)
		if err != nil {
			return err
		}
		s.Runs = append(s.Runs, t)
	}
	if err = tx.QueryRow(ctx, "SELECT count(*) FROM hosts WHERE hold_until > $1", s.Now.Unix()).Scan(&s.Held); err != nil {
		return err
	}
	rows, _ := tx.Query(ctx, ownersSQL)
	if s.Owners, err = pgx.CollectRows(rows, pgx.RowToStructByPos[store.Owner]); err != nil {
		return err
	}
	rows, _ = tx.Query(ctx, lostDomainsSQL, lostOut)
	s.Lost, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (d store.LostDomain, err error) {
		var until *time.Time
		if err = row.Scan(&d.Domain, &d.Lost, &until); until != nil {
			d.Until = *until
		}
		return d, err
	})
	return err
}

// Risks says what the server's settings may cost of what was reported as stored.
func (db *DB) Risks(ctx context.Context) (risks []string, err error) {
	var fsync, commit, names string
	var standbys int
	err = db.ask(ctx, "read the server's settings", `SELECT current_setting('fsync'), current_setting('synchronous_commit'), current_setting('synchronous_standby_names'),
		(SELECT count(*) FROM pg_stat_replication)`, &fsync, &commit, &names, &standbys)
	if fsync == "off" {
		risks = append(risks, "fsync=off: a power cut may take all of it")
	}
	switch {
	case commit == "off":
		risks = append(risks, "synchronous_commit=off: a crash of the server may take what was reported last")
	case standbys > 0 && names == "":
		risks = append(risks, "synchronous_standby_names is empty: a standby that takes over may lack what was reported last")
	case names != "" && (commit == "local" || commit == "remote_write"):
		risks = append(risks, "synchronous_commit="+commit+": a standby that takes over may lack what was reported last")
	}
	return risks, err
}
