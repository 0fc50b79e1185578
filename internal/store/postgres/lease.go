package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

// How often a domain's lease may be lost in a row, because its holders died, before
// it is leased alone, and before it is left alone for a day after the last time: a
// feed of it may kill machines.
const (
	lostAlone = 3
	lostOut   = 6
)

// feedsEach is how many feeds a claim has for each domain that it may have: one that
// came upon large domains would keep the small ones among them from others.
const feedsEach = 8

// claimSQL leases up to $3 free domains, to be chosen by a condition of their own, with $4
// feeds, or one domain. A lease that is over and was not given back counts as lost.
const claimSQL = `WITH free AS MATERIALIZED (SELECT domain, next_due FROM hosts
		WHERE lease_until < now() AND %s
		ORDER BY next_due LIMIT $3 FOR UPDATE SKIP LOCKED),
	counted AS (SELECT domain, row_number() OVER w AS nth, sum((SELECT count(*) FROM feeds f WHERE f.domain = free.domain)) OVER w AS feeds
		FROM free WINDOW w AS (ORDER BY next_due, domain ROWS UNBOUNDED PRECEDING))
	UPDATE hosts h SET owner = $1, epoch = h.epoch + 1, lease_until = now() + $2::interval,
		lost = h.lost + (h.owner <> '')::int
	FROM counted WHERE h.domain = counted.domain AND (nth = 1 OR feeds <= $4)
	RETURNING h.domain, h.epoch, h.lost, clock_timestamp()`

const (
	isDue      = `next_due <= $5 AND hold_until <= $5`
	lostSQL    = `lost + (owner <> '')::int`
	dueSQL     = isDue + ` AND ` + lostSQL + ` < $6`
	suspectSQL = isDue + ` AND lost > 1 AND ` + lostSQL + ` >= $6 AND lease_until < now() - $8::interval
		AND (` + lostSQL + ` < $7 OR lease_until < now() - interval '1 day')`
)

// Claim leases up to n domains of which a feed is due and that nobody has, for ttl
// from now by the server's clock, and of these as many as have few feeds enough. None
// means that there are none. One whose lease was lost three times in a row comes alone, once nothing
// else is due or it has waited for an hour, and after six times only a day later.
func (db *DB) Claim(ctx context.Context, n int, ttl time.Duration) (held []feeds.Lease, err error) {
	now := db.Now().Unix()
	suspect := func(waited time.Duration) {
		if err == nil && len(held) == 0 {
			held, err = db.claim(ctx, suspectSQL, 1, ttl, now, lostAlone, lostOut, waited)
		}
	}
	suspect(time.Hour)
	if err == nil && len(held) == 0 {
		held, err = db.claim(ctx, dueSQL, n, ttl, now, lostAlone)
	}
	suspect(0)
	return held, wrapped(ctx, "claim domains", err)
}

// ClaimDomains leases these domains, due or not, as far as nobody has them, or the first
// of them.
func (db *DB) ClaimDomains(ctx context.Context, domains []string, ttl time.Duration) ([]feeds.Lease, error) {
	held, err := db.claim(ctx, `domain = ANY($5)`, len(domains), ttl, domains)
	return held, wrapped(ctx, "claim domains", err)
}

func (db *DB) claim(ctx context.Context, which string, n int, ttl time.Duration, args ...any) (held []feeds.Lease, err error) {
	if err := db.mayWrite(ctx); err != nil {
		return nil, err
	}
	text, args := fmt.Sprintf(claimSQL, which), append([]any{db.owner, ttl, n, n * feedsEach}, args...)
	err = db.within(ctx, func(ctx context.Context) error {
		before := time.Now()
		rows, _ := db.rounds.Query(ctx, text, args...)
		var l feeds.Lease
		var at time.Time
		_, err := pgx.ForEachRow(rows, []any{&l.Domain, &l.Epoch, &l.Lost, &at}, func() error {
			held = append(held, l)
			return nil
		})
		if err == nil && len(held) > 0 {
			db.heard(at, before)
		}
		return err
	})
	return held, err
}

// ofHeld has the rows of the leases $1, $2 of the owner $3, locked in an order that
// Save locks them in, too.
const ofHeld = `(SELECT h.domain FROM unnest($1::text[], $2::bigint[]) l(domain, epoch)
	JOIN hosts h ON h.domain = l.domain AND h.epoch = l.epoch AND h.owner = $3 ORDER BY h.domain FOR UPDATE OF h) held`

// Renew makes those leases of held that are not over end a ttl from now, and returns
// how many these are.
func (db *DB) Renew(ctx context.Context, held []feeds.Lease, ttl time.Duration) (kept int, err error) {
	if err := db.mayWrite(ctx); err != nil {
		return 0, err
	}
	domains, epochs := apart(held)
	err = db.within(ctx, func(ctx context.Context) error {
		tag, err := db.rounds.Exec(ctx, `UPDATE hosts h SET lease_until = now() + $4::interval FROM `+ofHeld+`
			WHERE h.domain = held.domain AND h.lease_until > now()`, domains, epochs, db.owner, ttl)
		kept = int(tag.RowsAffected())
		if err != nil {
			return err
		}
		return db.setClock(ctx)
	})
	return kept, wrapped(ctx, "renew leases", err)
}

// releaseSQL also says when each of the domains is due: when Due would next give one of
// its feeds. One that is due and asks to be left alone in this hour is due in the next.
const releaseSQL = `UPDATE hosts h SET owner = '', lease_until = '-infinity', lost = 0, next_due = coalesce(
		(SELECT min(CASE
			WHEN f.next_due > @far THEN 0
			WHEN f.next_due <= @now AND (f.skip_hours >> @hour & 1) + (f.skip_days >> @day & 1) > 0
				AND f.next_due > @now - CASE WHEN f.skip_days <> 0 THEN 7 ELSE 1 END * 86400 THEN (@now / 3600 + 1) * 3600
			ELSE f.next_due END)
		FROM feeds f WHERE f.domain = h.domain AND NOT f.paused AND f.class <> @gone), 4611686018427387904)
	FROM unnest(@domains::text[], @epochs::bigint[]) l(domain, epoch)
	WHERE h.domain = l.domain AND h.epoch = l.epoch AND h.owner = @owner`

// Release gives leases back. Those that are somebody else's by now are none of its
// business.
func (db *DB) Release(ctx context.Context, held []feeds.Lease) error {
	if err := db.mayWrite(ctx); err != nil {
		return err
	}
	domains, epochs := apart(held)
	now := db.Now()
	release := func(ctx context.Context) error {
		var b pgx.Batch // of one transaction: who adds a feed has its host locked, and after that the feed is seen
		b.Queue(`SELECT FROM `+ofHeld, domains, epochs, db.owner)
		b.Queue(releaseSQL, pgx.NamedArgs{
			"domains": domains, "epochs": epochs, "owner": db.owner, "gone": string(feeds.Gone),
			"now": now.Unix(), "far": now.Add(store.FarthestDue).Unix(), "hour": now.UTC().Hour(), "day": int(now.UTC().Weekday()),
		})
		return db.rounds.SendBatch(ctx, &b).Close()
	}
	err := db.within(ctx, func(ctx context.Context) error { return again(func() error { return release(ctx) }) })
	return wrapped(ctx, "release leases", err)
}

// apart returns what leases consist of.
func apart(held []feeds.Lease) (domains []string, epochs []int64) {
	for _, l := range held {
		domains, epochs = append(domains, l.Domain), append(epochs, l.Epoch)
	}
	return domains, epochs
}

// A Held is a store as who has some leases sees it: a round of their feeds reads and
// writes it.
type Held struct {
	*DB
	epochs  map[string]int64
	domains []string
}

// Held returns what the holder of these leases may do. Outcomes of feeds whose domains
// are not among them, or whose lease is another's by now, are not stored: their
// Saved.Err is feeds.ErrLost.
func (db *DB) Held(leases []feeds.Lease) *Held {
	h := &Held{DB: db, epochs: make(map[string]int64, len(leases))}
	for _, l := range leases {
		h.epochs[l.Domain] = l.Epoch
	}
	h.domains, _ = apart(leases)
	return h
}

// Due returns the feeds of the held domains that q chooses, by growing id.
func (h *Held) Due(ctx context.Context, q store.DueQuery) ([]feeds.Ref, error) {
	return h.due(ctx, q, h.domains)
}

// Save is [DB.Save] for the feeds of the held domains.
func (h *Held) Save(ctx context.Context, outcomes []feeds.Outcome) ([]feeds.Saved, error) {
	return h.save(ctx, outcomes, func(host hostRow) bool {
		epoch, ok := h.epochs[host.domain]
		return ok && host.owner == h.owner && host.epoch == epoch
	})
}
