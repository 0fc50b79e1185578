package sqlite

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

// skipSQL leaves out feeds that ask for it. Due times keep to what they ask, but
// a round may come later than that. A feed that is a day late, or a week late
// where it names days, is asked all the same: else who refreshes once a day in
// just that hour would never hear of it.
const skipSQL = ` AND ((skip_hours >> ? & 1) + (skip_days >> ? & 1) = 0 OR next_due <= ? - iif(skip_days, 7, 1) * 86400)`

// Due returns the feeds that q chooses, by growing id: those whose next due
// time has come, that are not paused, that do not ask to be left alone in this hour or on this day,
// and whose server did not say that they are gone. A due time more than 31 days
// ahead is taken for a wrong clock's, and the feed is due; so is one that was last
// asked by a run that has not begun yet.
func (db *DB) Due(ctx context.Context, q store.DueQuery) ([]feeds.Ref, error) {
	text, args := q.SQL(), []any{}
	if q.IDs != nil {
		text += ` AND id IN (SELECT value FROM json_each(?))`
		args = append(args, idList(q.IDs))
	}
	if !q.Force && !q.Early {
		now := q.Now.Unix()
		ahead, err := db.ranAhead(ctx, now)
		if err != nil {
			return nil, err
		}
		text += ` AND (next_due <= ? OR next_due > ?` + ahead + `)` + skipSQL
		args = append(args, cmp.Or(q.By, q.Now).Unix(), q.Now.Add(store.FarthestDue).Unix(), q.Now.UTC().Hour(), int(q.Now.UTC().Weekday()), now)
	}
	var refs []feeds.Ref
	var urls texts
	err := db.read(ctx, whatDue, func(c *sqlite.Conn) error {
		// Counted first: a list that grows needs its memory more than twice. Of
		// 300,000 feeds it took 109 MB, and takes 49.
		err := query(c, "SELECT count(*) "+text[strings.Index(text, "FROM feeds"):], func(s *sqlite.Stmt) error {
			refs = make([]feeds.Ref, 0, s.ColumnInt(0))
			return nil
		}, args...)
		if err != nil {
			return err
		}
		return query(c, text, func(s *sqlite.Stmt) error {
			refs = append(refs, feeds.Ref{
				ID: s.ColumnInt64(0), URL: urls.keep(s, 1), Fails: s.ColumnInt(2), LastFull: s.ColumnInt64(3),
				Pacing: feeds.Pacing{TTL: time.Duration(s.ColumnInt64(4)) * time.Second,
					SkipHours: uint32(s.ColumnInt64(5)), SkipDays: uint8(s.ColumnInt64(6))},
				Interval: time.Duration(s.ColumnInt64(7)) * time.Second, Told: s.ColumnBool(8),
			})
			return nil
		}, args...)
	})
	slices.SortFunc(refs, func(a, b feeds.Ref) int { return cmp.Compare(a.ID, b.ID) })
	return refs, err
}

// whatDue is what failed when Due did.
const whatDue = "find due feeds"

// textsAtOnce is how many bytes of text are kept together.
const textsAtOnce = 64 << 10

// texts keeps many short texts for as long as any one of them is needed: one by one
// they would take up to a third more room, and the garbage collector would look at each.
type texts struct {
	chunk strings.Builder
	buf   []byte
}

// keep returns the text in a column.
func (t *texts) keep(s *sqlite.Stmt, col int) string {
	t.buf = blob(s, col, t.buf)
	if t.chunk.Cap()-t.chunk.Len() < len(t.buf) {
		t.chunk = strings.Builder{}
		t.chunk.Grow(max(textsAtOnce, len(t.buf)))
	}
	from := t.chunk.Len()
	t.chunk.Write(t.buf)
	return t.chunk.String()[from:]
}

// ranAhead returns the condition that makes feeds due whose last request was made
// by a clock that was ahead of now, and "" where no run had one: there is no index
// for it.
func (db *DB) ranAhead(ctx context.Context, now int64) (string, error) {
	condition := ""
	err := db.read(ctx, whatDue, func(c *sqlite.Conn) error {
		return query(c, "SELECT 1 FROM runs WHERE started > ? LIMIT 1", func(*sqlite.Stmt) error {
			condition = fmt.Sprintf(" OR last_checked > %d", now+60)
			return nil
		}, now+60)
	})
	return condition, err
}

// knownSQL gathers what is known of a feed f's items into one value, since a
// row costs more than ten items in it: per item the 16 bytes of its key, its
// hash in decimal and a comma. For one that is to be left alone, because its content
// was replaced too often by what this version of the reader made, the hash is 0.
// SQLite joins blobs as the bytes they are, whether these look like text or
// not.
var knownSQL = fmt.Sprintf(`(SELECT CAST(group_concat(key || iif(edits < %d OR f.reader >> 1 <> %d, hash, 0), ',') AS BLOB)
	FROM items WHERE feed_id = f.id)`, store.MaxEdits, feeds.ReadingVersion)

var jobsSQL = `SELECT f.id, f.url, f.headers, f.etag, f.last_modified, f.validators_url, f.body_hash, ` + knownSQL + `,
	(SELECT CAST(group_concat(key || 0, ',') AS BLOB) FROM (
		SELECT key FROM removed WHERE feed_id = f.id UNION ALL SELECT key FROM shared WHERE feed_id = f.id))
	FROM json_each(?) j CROSS JOIN feeds f ON f.id = j.value ORDER BY j.key`

// Jobs returns the jobs of the feeds with these ids, in their order, leaving
// out ids that are no longer there. A job knows the keys of all items that the
// feed has, and with hash 0 those of items that were removed or whose content
// was replaced too often, and the notes that keys are shared (see feeds.SharedKey). Memory is some 24 bytes an item.
func (db *DB) Jobs(ctx context.Context, ids []int64) ([]feeds.Job, error) {
	jobs := make([]feeds.Job, 0, len(ids))
	err := db.read(ctx, "", func(c *sqlite.Conn) error {
		var list []byte
		for chunk := range slices.Chunk(ids, store.JobsAtOnce) {
			err := query(c, jobsSQL, func(s *sqlite.Stmt) (err error) {
				j := feeds.Job{
					ID: s.ColumnInt64(0), URL: s.ColumnText(1), Headers: s.ColumnText(2),
					Validators: feeds.Validators{ETag: s.ColumnText(3), LastModified: s.ColumnText(4), URL: s.ColumnText(5)},
					BodyHash:   uint64(s.ColumnInt64(6)),
				}
				if n := s.ColumnLen(7) + s.ColumnLen(8); n > 0 {
					j.Known = make([]feeds.Known, 0, n/knownSize+1)
				}
				for col := 7; col <= 8; col++ { // what is there, and what was removed
					list = blob(s, col, list)
					if j.Known, err = appendKnown(j.Known, list); err != nil {
						return fmt.Errorf("feed %d: %w", j.ID, err)
					}
				}
				jobs = append(jobs, j)
				return nil
			}, idList(chunk))
			if err != nil {
				return err
			}
		}
		return nil
	})
	return jobs, err
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
// the time until which they did, where that is after now. A time more than 8 days
// ahead is taken for a wrong clock's, and the domain is not held.
func (db *DB) Holds(ctx context.Context, now time.Time) (map[string]time.Time, error) {
	holds := make(map[string]time.Time)
	err := db.read(ctx, "", func(c *sqlite.Conn) error {
		return query(c, "SELECT domain, hold_until FROM hosts WHERE hold_until > ? AND hold_until <= ?", func(s *sqlite.Stmt) error {
			holds[s.ColumnText(0)] = time.Unix(s.ColumnInt64(1), 0)
			return nil
		}, now.Unix(), now.Add(store.FarthestHold).Unix())
	})
	return holds, err
}

// BeginRun records the begin of a round and returns its id. Until the next one
// begins, permanent redirects are seen by this run: see Save. It forgets holds
// of domains that are over and all but the last 1000 runs. A run that has no
// end was killed. A power failure may take it as long as nothing is saved.
// Once a day, and after a run that has no end, it also compares the items of a
// small store with their indexes, by which a round tells old ones from new: the
// error is a *store.CorruptError.
func (db *DB) BeginRun(ctx context.Context, r store.Run) (int64, error) {
	var id int64
	err := db.note(ctx, "begin run", func(w *writer) error {
		now := db.now().Unix()
		if err := checkItems(w.conn, db.path, now); err != nil {
			return err
		}
		if _, err := w.run("INSERT INTO runs (started, mode, workers, pid) VALUES (?, ?, ?, ?)",
			now, r.Mode, r.Workers, os.Getpid()); err != nil {
			return err
		}
		id = w.conn.LastInsertRowID()
		if _, err := w.run("DELETE FROM runs WHERE id <= ?", id-store.RunsKept); err != nil {
			return err
		}
		_, err := w.run("DELETE FROM hosts WHERE hold_until <= ?", now)
		return err
	})
	if err != nil {
		return 0, err
	}
	db.mu.Lock()
	db.run = id
	db.mu.Unlock()
	return id, nil
}

// EndRun records how the run with this id ended. It is on disk when the store
// is closed, unless another program has the file open then and the power fails.
func (db *DB) EndRun(ctx context.Context, id int64, r store.RunResult) error {
	return db.note(ctx, "end run", func(w *writer) error {
		_, err := w.run(`UPDATE runs SET finished = ?, feeds = ?, succeeded = ?, failed = ?, new = ?, updated = ?
			WHERE id = ?`, db.now().Unix(), r.Feeds, r.Succeeded, r.Failed, r.New, r.Updated, id)
		return err
	})
}
