package store

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"time"

	"feedmill/internal/feeds"
)

// farthestDue is further ahead than any round sets a feed's next due time or the
// end of a hold. What claims to be later was set by a wrong clock.
const farthestDue = 31 * 24 * time.Hour

// skipSQL leaves out feeds that ask for it. Due times keep to what they ask, but
// a round may come later than that. A feed that is a day late, or a week late
// where it names days, is asked all the same: else who refreshes once a day in
// just that hour would never hear of it.
const skipSQL = ` AND ((skip_hours >> ? & 1) + (skip_days >> ? & 1) = 0 OR next_due <= ? - iif(skip_days, 7, 1) * 86400)`

// A DueQuery chooses the feeds of a round.
type DueQuery struct {
	Now   time.Time
	Early bool    // also feeds that are not due
	Force bool    // also feeds that are not due or gone
	IDs   []int64 // only these; nil means any
}

// Due returns the feeds that q chooses, by growing id: those whose next due
// time has come, that do not ask to be left alone in this hour or on this day,
// and whose server did not say that they are gone. A due time more than 31 days
// ahead is taken for a wrong clock's, and the feed is due.
func (db *DB) Due(ctx context.Context, q DueQuery) ([]feeds.Ref, error) {
	query, args := `SELECT id, url, fails, ifnull(last_full, 0), ttl, skip_hours, skip_days FROM feeds WHERE true`, []any{}
	if q.IDs != nil {
		query += ` AND id IN (SELECT value FROM json_each(?))`
		args = append(args, idList(q.IDs))
	}
	if !q.Force {
		query += ` AND class <> ?`
		args = append(args, string(feeds.Gone))
	}
	if !q.Force && !q.Early {
		now := q.Now.Unix()
		query += ` AND (next_due <= ? OR next_due > ?)` + skipSQL
		args = append(args, now, q.Now.Add(farthestDue).Unix(), q.Now.UTC().Hour(), int(q.Now.UTC().Weekday()), now)
	}
	var refs []feeds.Ref
	err := eachOf(ctx, db.readers, query, func(rows *sql.Rows) error {
		var r feeds.Ref
		var ttl int64
		err := rows.Scan(&r.ID, &r.URL, &r.Fails, &r.LastFull, &ttl, &r.Pacing.SkipHours, &r.Pacing.SkipDays)
		if err != nil {
			return err
		}
		r.Pacing.TTL = time.Duration(ttl) * time.Second
		refs = append(refs, r)
		return nil
	}, args...)
	if err != nil {
		return nil, fmt.Errorf("find due feeds: %w", explain(db.path, err))
	}
	slices.SortFunc(refs, func(a, b feeds.Ref) int { return cmp.Compare(a.ID, b.ID) })
	return refs, nil
}

// jobsAtOnce is how many jobs one query loads.
const jobsAtOnce = 512

// knownSQL gathers what is known of a feed f's items into one value, since a
// row costs more than ten items in it: per item the 16 bytes of its key, its
// hash in decimal and a comma. For one that is to be left alone the hash is 0.
// SQLite joins blobs as the bytes they are, whether these look like text or
// not.
var knownSQL = fmt.Sprintf(`(SELECT CAST(group_concat(key || iif(edits < %d, hash, 0), ',') AS BLOB)
	FROM items WHERE feed_id = f.id)`, maxEdits)

var jobsSQL = `SELECT f.id, f.url, f.etag, f.last_modified, f.body_hash, ` + knownSQL + `,
	(SELECT CAST(group_concat(key || 0, ',') AS BLOB) FROM removed WHERE feed_id = f.id),
	(SELECT spans FROM spans WHERE feed_id = f.id)
	FROM json_each(?) j CROSS JOIN feeds f ON f.id = j.value ORDER BY j.key`

// Jobs returns the jobs of the feeds with these ids, in their order, leaving
// out ids that are no longer there. A job knows the keys of all items that the
// feed has, and with hash 0 those of items that were removed or whose content
// was replaced too often. Memory is some 24 bytes an item, and as much as is
// remembered of the last document.
func (db *DB) Jobs(ctx context.Context, ids []int64) ([]feeds.Job, error) {
	jobs := make([]feeds.Job, 0, len(ids))
	for chunk := range slices.Chunk(ids, jobsAtOnce) {
		err := each(ctx, db.jobs, func(rows *sql.Rows) error {
			var j feeds.Job
			var hash int64
			var items, removed, spans sql.RawBytes
			err := rows.Scan(&j.ID, &j.URL, &j.Validators.ETag, &j.Validators.LastModified, &hash, &items, &removed, &spans)
			if err != nil {
				return err
			}
			j.BodyHash, j.Spans = uint64(hash), string(spans)
			if n := len(items) + len(removed); n > 0 {
				j.Known = make([]feeds.Known, 0, n/knownSize+1)
			}
			for _, list := range [][]byte{items, removed} {
				if j.Known, err = appendKnown(j.Known, list); err != nil {
					return fmt.Errorf("feed %d: %w", j.ID, err)
				}
			}
			jobs = append(jobs, j)
			return nil
		}, idList(chunk))
		if err != nil {
			return nil, explain(db.path, err)
		}
	}
	return jobs, nil
}

// knownSize is about how many bytes an item has in what knownSQL returns.
const knownSize = len(feeds.Key{}) + len("-9223372036854775808") + len(",")

// appendKnown appends the items in list, spelt as knownSQL does.
func appendKnown(known []feeds.Known, list []byte) ([]feeds.Known, error) {
	const key = len(feeds.Key{})
	for len(list) > 0 {
		if len(list) <= key {
			return nil, fmt.Errorf("the list of known items ends within a key")
		}
		k := feeds.Known{Key: feeds.Key(list[:key])}
		hash, rest, _ := bytes.Cut(list[key:], []byte{','})
		n, err := strconv.ParseInt(string(hash), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("hash of a known item: %w", err)
		}
		k.Hash = uint64(n)
		known, list = append(known, k), rest
	}
	return known, nil
}

// Holds returns the registrable domains that asked to be left alone, each with
// the time until which they did, where that is after now. A time more than 31
// days ahead is taken for a wrong clock's, and the domain is not held.
func (db *DB) Holds(ctx context.Context, now time.Time) (map[string]time.Time, error) {
	holds := make(map[string]time.Time)
	err := eachOf(ctx, db.readers, "SELECT domain, hold_until FROM hosts WHERE hold_until > ? AND hold_until <= ?", func(rows *sql.Rows) error {
		var domain string
		var until int64
		if err := rows.Scan(&domain, &until); err != nil {
			return err
		}
		holds[domain] = time.Unix(until, 0)
		return nil
	}, now.Unix(), now.Add(farthestDue).Unix())
	if err != nil {
		return nil, explain(db.path, err)
	}
	return holds, nil
}
