package postgres

import (
	"cmp"
	"context"
	"encoding/binary"
	"os"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

// skipSQL leaves out feeds that ask for it, unless they are a day late, or a week
// where they name days: see store/sqlite.
const skipSQL = ` AND ((skip_hours >> @hour & 1) + (skip_days >> @day & 1) = 0
	OR next_due <= @now - CASE WHEN skip_days <> 0 THEN 7 ELSE 1 END * 86400)`

// Due returns the feeds that q chooses, by growing id; see [store.DueQuery].
func (db *DB) Due(ctx context.Context, q store.DueQuery) ([]feeds.Ref, error) {
	return db.due(ctx, q, nil)
}

// due is Due within domains, unless these are nil.
func (db *DB) due(ctx context.Context, q store.DueQuery, domains []string) ([]feeds.Ref, error) {
	text, args := q.SQL(), pgx.NamedArgs{
		"ids": q.IDs, "domains": domains,
		"now": q.Now.Unix(), "by": cmp.Or(q.By, q.Now).Unix(), "ahead": q.Now.Unix() + 60, "far": q.Now.Add(store.FarthestDue).Unix(),
		"hour": q.Now.UTC().Hour(), "day": int(q.Now.UTC().Weekday()),
	}
	pool := db.lists // of all feeds, where their table is best read from end to end
	if domains != nil {
		text, pool = text+` AND domain = ANY(@domains)`, db.rounds
	}
	if q.IDs != nil {
		text, pool = text+` AND id = ANY(@ids)`, db.rounds
	}
	if !q.Force && !q.Early {
		// What was last asked by a clock that is ahead of ours is due, too; some
		// run has one then.
		text += ` AND (next_due <= @by OR next_due > @far
			OR last_checked > @ahead AND EXISTS (SELECT 1 FROM runs WHERE started > @ahead))` + skipSQL
	}
	var refs []feeds.Ref
	err := db.within(ctx, func(ctx context.Context) error {
		rows, _ := pool.Query(ctx, text+" ORDER BY id", args)
		var r feeds.Ref
		var ttl, interval int64
		var hours, days int32
		_, err := pgx.ForEachRow(rows, []any{&r.ID, &r.URL, &r.Fails, &r.LastFull, &ttl, &hours, &days, &interval, &r.Told}, func() error {
			r.Pacing = feeds.Pacing{TTL: time.Duration(ttl) * time.Second, SkipHours: uint32(hours), SkipDays: uint8(days)}
			r.Interval = time.Duration(interval) * time.Second
			refs = append(refs, r)
			return nil
		})
		return err
	})
	return refs, wrapped(ctx, "find due feeds", err)
}

const (
	// jobsSQL has what a feed's job needs, last the keys and hashes of its items, one after
	// the other. The hash is 0 for one whose edits, $2 of them, are used up, unless another
	// reader made them than the one of version $3. A row for each item cost half as much again.
	jobsSQL = `SELECT f.id, f.url, f.headers, f.etag, f.last_modified, f.validators_url, f.body_hash, (SELECT
			string_agg(uuid_send(key) || int8send(CASE WHEN edits < $2::int OR f.reader >> 1 <> $3::bigint THEN hash ELSE 0 END), '')
			FROM items WHERE feed_id = f.id)
		FROM feeds f WHERE f.id = ANY($1)`

	// leftAloneSQL has the keys that a job knows with hash 0.
	leftAloneSQL = `SELECT feed_id, key FROM removed WHERE feed_id = ANY($1) UNION ALL SELECT feed_id, key FROM shared WHERE feed_id = ANY($1)`
)

// Jobs returns the jobs of the feeds with these ids, in their order; see SQLite's.
func (db *DB) Jobs(ctx context.Context, ids []int64) ([]feeds.Job, error) {
	jobs := make([]feeds.Job, 0, len(ids))
	for some := range slices.Chunk(ids, store.JobsAtOnce) {
		found := make(map[int64]*feeds.Job, len(some))
		err := db.within(ctx, func(ctx context.Context) error {
			var b pgx.Batch
			b.Queue(jobsSQL, some, store.MaxEdits, feeds.ReadingVersion).Query(eachRaw(func(v [][]byte) {
				j := readJob(v)
				found[j.ID] = j
			}))
			b.Queue(leftAloneSQL, some).Query(eachRaw(func(v [][]byte) {
				if j := found[int64(binary.BigEndian.Uint64(v[0]))]; j != nil { // else it was subscribed a moment ago
					j.Known = append(j.Known, feeds.Known{Key: feeds.Key(v[1])})
				}
			}))
			return db.rounds.SendBatch(ctx, &b).Close()
		})
		if err != nil {
			return nil, err // refresh.StoreError says what was tried, here and in Save and Holds
		}
		for _, id := range some {
			if j := found[id]; j != nil {
				jobs = append(jobs, *j)
			}
		}
	}
	return jobs, nil
}

// readJob returns the job in a row of jobsSQL.
func readJob(v [][]byte) *feeds.Job {
	j := &feeds.Job{
		ID: int64(binary.BigEndian.Uint64(v[0])), URL: string(v[1]), Headers: string(v[2]),
		Validators: feeds.Validators{ETag: string(v[3]), LastModified: string(v[4]), URL: string(v[5])},
		BodyHash:   binary.BigEndian.Uint64(v[6]),
	}
	const size = len(feeds.Key{}) + 8
	j.Known = slices.Grow(j.Known, len(v[7])/size)
	for k := range slices.Chunk(v[7], size) {
		j.Known = append(j.Known, feeds.Known{Key: feeds.Key(k[:size-8]), Hash: binary.BigEndian.Uint64(k[size-8:])})
	}
	return j
}

// eachRaw returns what calls f for each row, whose values are as the server sends
// them: where there are many, to make values of them costs more than to fetch them.
func eachRaw(f func(v [][]byte)) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		defer rows.Close()
		for rows.Next() {
			f(rows.RawValues())
		}
		return rows.Err()
	}
}

// Holds returns the registrable domains that asked to be left alone; see SQLite's.
func (db *DB) Holds(ctx context.Context, now time.Time) (map[string]time.Time, error) {
	holds := make(map[string]time.Time)
	err := db.within(ctx, func(ctx context.Context) error {
		rows, _ := db.lists.Query(ctx, "SELECT domain, hold_until FROM hosts WHERE hold_until > $1 AND hold_until <= $2", now.Unix(), now.Add(store.FarthestHold).Unix())
		var domain string
		var until int64
		_, err := pgx.ForEachRow(rows, []any{&domain, &until}, func() error {
			holds[domain] = time.Unix(until, 0)
			return nil
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return holds, nil
}

// BeginRun records the begin of a round and returns its id; see SQLite's.
func (db *DB) BeginRun(ctx context.Context, r store.Run) (id int64, err error) {
	err = db.note(ctx, "begin run", func(ctx context.Context, tx pgx.Tx) error {
		err := tx.QueryRow(ctx, "INSERT INTO runs (started, mode, workers, pid, owner) VALUES ($1, $2, $3, $4, $5) RETURNING id",
			db.Now().Unix(), r.Mode, r.Workers, os.Getpid(), db.owner).Scan(&id)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "DELETE FROM runs WHERE id <= $1", id-store.RunsKept)
		return err
	})
	if err != nil {
		return 0, err
	}
	db.run.Store(id)
	return id, nil
}

// EndRun records how the run with this id ended.
func (db *DB) EndRun(ctx context.Context, id int64, r store.RunResult) error {
	return db.note(ctx, "end run", func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE runs SET finished = $1, feeds = $2, succeeded = $3, failed = $4, new = $5, updated = $6
			WHERE id = $7`, db.Now().Unix(), r.Feeds, r.Succeeded, r.Failed, r.New, r.Updated, id)
		return err
	})
}
