package sqlite

import (
	"context"
	"encoding/json"
	"time"

	"zombiezen.com/go/sqlite"

	"feedmill/internal/crash"
	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

// Save records outcomes in one transaction, which is on disk when it returns
// (see Durability). It returns one Saved for each, in order; an error means
// that nothing of any of them is stored. A feed that is no longer subscribed
// has store.ErrNoFeed as its Saved.Err and does not hold up the others.
//
// An item is new when the feed has none with its key, and nobody removed one
// with it; it gets the feed's next seq, so the order of Outcome.Items is the
// order in which they count as arrived. One that is there with another hash
// is replaced in place, at most 24 times, and in silence where another version of
// the reader, or the other reader, read what is there: then it counts as no update, and
// one that only has another key now is not stored a second time (see store/identity.go). Classes of success replace
// validators and body hash; truncated and parse store the items that were
// salvaged and leave these as they are; all others say only how and when the
// feed failed, and cancelled changes nothing. A permanent redirect is believed
// when a second run in a row sees it.
//
// Once begun, Save finishes even when ctx ends.
func (db *DB) Save(ctx context.Context, outcomes []feeds.Outcome) ([]feeds.Saved, error) {
	if len(outcomes) == 0 {
		return nil, nil
	}
	var saved []feeds.Saved
	err := db.write(ctx, "", func(w *writer) (err error) {
		b := store.Saver{Rows: w, Run: db.run}
		if saved, err = b.Save(outcomes); err != nil {
			return err
		}
		crash.At("coordinator: before commit")
		return nil
	})
	if err != nil {
		return nil, err // refresh.StoreError says what was tried, here and in Jobs and Holds
	}
	if db.copier != nil {
		db.copier.saved(outcomes)
	}
	return saved, nil
}

const (
	statesSQL = `SELECT f.id, f.seq, f.items, f.moved_to, f.moved_run, f.reader
		FROM json_each(?) j CROSS JOIN feeds f ON f.id = j.value`

	// arrivedSQL is the highest id that was ever given to an item. SQLite itself
	// gives the ids of deleted rows again, and AUTOINCREMENT, which does not,
	// would have had stores rewritten.
	arrivedSQL = `SELECT max(ifnull((SELECT max(id) FROM items), 0), (SELECT max(last) FROM arrivals))`

	removedSQL = `SELECT r.feed_id, r.key FROM json_each(?) j CROSS JOIN removed r ON r.feed_id = j.value`
)

// itemsSQL has a row for each feed, with what is known of its items.
var itemsSQL = `SELECT f.id, ` + knownSQL + ` FROM json_each(?) j CROSS JOIN feeds f ON f.id = j.value`

func (w *writer) States(ids []int64) (map[int64]*store.State, error) {
	states := make(map[int64]*store.State, len(ids))
	return states, query(w.conn, statesSQL, func(row *sqlite.Stmt) error {
		states[row.ColumnInt64(0)] = &store.State{
			Seq: row.ColumnInt64(1), Items: row.ColumnInt64(2), MovedTo: row.ColumnText(3), MovedRun: row.ColumnInt64(4),
			Reader: row.ColumnInt64(5),
		}
		return nil
	}, idList(ids))
}

func (w *writer) LastID() (id int64, err error) {
	err = query(w.conn, arrivedSQL, func(row *sqlite.Stmt) error { id = row.ColumnInt64(0); return nil })
	return id, err
}

func (w *writer) Known(ids []int64) (map[int64]map[feeds.Key]uint64, error) {
	all := make(map[int64]map[feeds.Key]uint64, len(ids))
	var known []feeds.Known
	var list []byte
	return all, query(w.conn, itemsSQL, func(row *sqlite.Stmt) (err error) {
		list = blob(row, 1, list)
		if known, err = appendKnown(known[:0], list); err != nil {
			return err
		}
		m := make(map[feeds.Key]uint64, len(known))
		for _, k := range known {
			m[k.Key] = k.Hash
		}
		all[row.ColumnInt64(0)] = m
		return nil
	}, idList(ids))
}

func (w *writer) Removed(ids []int64) (map[int64]map[feeds.Key]bool, error) {
	all := make(map[int64]map[feeds.Key]bool)
	return all, query(w.conn, removedSQL, func(row *sqlite.Stmt) error {
		id := row.ColumnInt64(0)
		if all[id] == nil {
			all[id] = make(map[feeds.Key]bool)
		}
		var key feeds.Key
		row.ColumnBytes(1, key[:])
		all[id][key] = true
		return nil
	}, idList(ids))
}

func (w *writer) Newest(feed int64, n int) (rows []store.Stored, err error) {
	err = query(w.conn, newestSQL, func(row *sqlite.Stmt) error {
		r := store.Stored{GUID: row.ColumnText(1), Link: row.ColumnText(2), Title: row.ColumnText(3), Published: row.ColumnInt64(4)}
		row.ColumnBytes(0, r.Key[:])
		rows = append(rows, r)
		return nil
	}, feed, n)
	return rows, err
}

func (w *writer) ByKey(feed int64, key feeds.Key) (it feeds.Item, there bool, err error) {
	err = query(w.conn, sharerSQL, func(row *sqlite.Stmt) error {
		there, it.Hash = true, uint64(row.ColumnInt64(0))
		it.GUID, it.Link, it.Title, it.Published = row.ColumnText(1), row.ColumnText(2), row.ColumnText(3), row.ColumnInt64(4)
		return json.Unmarshal([]byte(row.ColumnText(5)), &it.Enclosures)
	}, feed, key[:])
	return it, there, err
}

const (
	shareSQL  = `INSERT INTO shared (feed_id, key) VALUES (?, ?) ON CONFLICT DO NOTHING`
	sharerSQL = `SELECT hash, guid, link, title, ifnull(published, 0), enclosures FROM items WHERE feed_id = ? AND key = ?`
	rekeySQL  = `UPDATE OR IGNORE items SET key = ? WHERE feed_id = ? AND key = ?`

	// newestSQL has the last items that arrived.
	newestSQL = `SELECT key, guid, link, title, ifnull(published, 0) FROM items WHERE feed_id = ? ORDER BY seq DESC LIMIT ?`

	// adoptSQL replaces an item in silence.
	adoptSQL = `UPDATE items SET ` + contentSQL + `, key = ? WHERE feed_id = ? AND key = ?`

	removeAlsoSQL = `INSERT INTO removed (feed_id, key, seq) SELECT feed_id, ?, seq FROM removed WHERE feed_id = ? AND key = ?
		ON CONFLICT DO NOTHING`
)

func (w *writer) Share(feed int64, noted feeds.Key) (bool, error) {
	n, err := w.run(shareSQL, feed, noted[:])
	return n > 0, err
}

func (w *writer) Rekey(feed int64, from, to feeds.Key) (bool, error) {
	n, err := w.run(rekeySQL, to[:], feed, from[:])
	return n > 0, err
}

func (w *writer) RemoveAlso(feed int64, key, removed feeds.Key) error {
	_, err := w.run(removeAlsoSQL, key[:], feed, removed[:])
	return err
}

const (
	// The insert is one row and has no OR clause: anything else makes SQLite
	// keep a journal of the statement, which costs as much as the insert.
	insertSQL = `INSERT INTO items (hash, published, updated, guid, link, title, author, image, categories, enclosures,
		summary, content, feed_id, seq, key, first_seen, id)
		VALUES (?, ?, ?, ifnull(?, ''), ifnull(?, ''), ifnull(?, ''), ifnull(?, ''), ifnull(?, ''),
		ifnull(?, '[]'), ifnull(?, '[]'), ifnull(?, ''), ifnull(?, ''), ?, ?, ?, ?, ?)
		ON CONFLICT (feed_id, key) DO NOTHING`

	updateSQL = `UPDATE items SET ` + contentSQL + `, edits = edits + 1 WHERE feed_id = ? AND key = ? AND hash <> ? AND edits < ?`

	// contentSQL sets what writeItem binds.
	contentSQL = `hash = ?, published = ?, updated = ?, guid = ifnull(?, ''), link = ifnull(?, ''), title = ifnull(?, ''),
		author = ifnull(?, ''), image = ifnull(?, ''), categories = ifnull(?, '[]'), enclosures = ifnull(?, '[]'),
		summary = ifnull(?, ''), content = ifnull(?, '')`
)

func (w *writer) Insert(o *feeds.Outcome, it *feeds.Item, seq, id int64) (bool, error) {
	n, err := w.writeItem(insertSQL, it, o.ID, seq, it.Key[:], o.At.Unix(), id)
	return n > 0, err
}

func (w *writer) Update(feed int64, it *feeds.Item) (bool, error) {
	n, err := w.writeItem(updateSQL, it, feed, it.Key[:], int64(it.Hash), store.MaxEdits)
	return n > 0, err
}

func (w *writer) Replace(feed int64, key feeds.Key, it *feeds.Item) error {
	_, err := w.writeItem(adoptSQL, it, it.Key[:], feed, key[:])
	return err
}

// writeItem runs a statement that writes an item. All of them begin with the same
// parameters, which are bound without a list of arguments: to make one
// for each item was four percent of what it takes to save it.
func (w *writer) writeItem(statement string, it *feeds.Item, rest ...any) (rows int, err error) {
	s, err := w.conn.Prepare(statement)
	if err != nil {
		return 0, err
	}
	s.BindInt64(1, int64(it.Hash))
	bindTime(s, 2, it.Published)
	bindTime(s, 3, it.Updated)
	for i, v := range [...]string{
		store.Readable(it.GUID), store.Readable(it.Link), store.Readable(it.Title), store.Readable(it.Author), store.Readable(it.Image),
		store.CategoriesJSON(it.Categories), store.EnclosuresJSON(it.Enclosures), store.Readable(it.Summary), store.Readable(it.Content),
	} {
		bindText(s, 4+i, v)
	}
	for i, arg := range rest {
		bind(s, 13+i, arg)
	}
	err = rowsOf(s, ignore)
	return w.conn.Changes(), err
}

// bindTime binds an item's time: NULL when it has none.
func bindTime(s *sqlite.Stmt, param int, unix int64) {
	if unix == 0 {
		s.BindNull(param)
	} else {
		s.BindInt64(param, unix)
	}
}

// bindText binds v to a parameter for which the statement takes NULL as the
// empty text, which costs no copy for SQLite.
func bindText(s *sqlite.Stmt, param int, v string) {
	if v == "" {
		s.BindNull(param)
	} else {
		s.BindText(param, v)
	}
}

const succeedSQL = `UPDATE feeds SET
	title = coalesce(?, title), link = coalesce(?, link), etag = ?, last_modified = ?, validators_url = ?, body_hash = ?,
	next_due = ?, last_checked = ?, last_success = ?, fails = 0, class = ?, detail = ifnull(?, ''), status = ?,
	moved_to = ?, moved_run = ?, seq = ?, items = ?,
	last_full = ifnull(?, last_full), ttl = ?, skip_hours = ?, skip_days = ?, reader = ifnull(?, reader)
	WHERE id = ?`

func (w *writer) Succeed(o *feeds.Outcome, s *store.State, reader int64) error {
	at := o.At.Unix()
	_, err := w.run(succeedSQL, text(o.Title), text(o.Link),
		o.Validators.ETag, o.Validators.LastModified, o.Validators.URL, int64(o.BodyHash),
		store.NotBefore(o.NextDue), at, at, string(o.Class), text(o.Detail), int64(o.Status),
		s.MovedTo, s.MovedRun, s.Seq, s.Items,
		fullAt(o), int64(o.Pacing.TTL/time.Second), int64(o.Pacing.SkipHours), int64(o.Pacing.SkipDays), some(reader), o.ID)
	return err
}

const failSQL = `UPDATE feeds SET next_due = ?, last_checked = ifnull(?, last_checked), fails = ?, class = ?, detail = ifnull(?, ''), status = ?,
	seq = ?, items = ?, last_full = ifnull(?, last_full), reader = ifnull(?, reader) WHERE id = ?`

func (w *writer) Fail(o *feeds.Outcome, s *store.State, reader int64) error {
	_, err := w.run(failSQL, store.NotBefore(o.NextDue), some(store.AskedAt(o)), o.Fails, string(o.Class), text(o.Detail), o.Status,
		s.Seq, s.Items, fullAt(o), some(reader), o.ID)
	return err
}

// some returns n as an argument, and NULL for 0: no time, or a column that stays as it
// is.
func some(n int64) any {
	if n == 0 {
		return nil
	}
	return n
}

// fullAt returns what becomes of last_full; nil when it stays.
func fullAt(o *feeds.Outcome) any {
	if !o.Full {
		return nil
	}
	return some(store.AskedAt(o))
}

const (
	urlSQL = `SELECT url FROM feeds WHERE id = ?`

	// formerSQL keeps the URL that a feed left; settledSQL takes back the one
	// that it came to, should a feed have been there before.
	formerSQL  = `INSERT INTO moved (url, feed_id) VALUES (?, ?) ON CONFLICT (url) DO UPDATE SET feed_id = excluded.feed_id`
	settledSQL = `DELETE FROM moved WHERE url = ?`

	// moveSQL changes a feed's URL unless another feed has that one.
	moveSQL = `UPDATE feeds SET url = ?1 WHERE id = ?2 AND NOT EXISTS (SELECT 1 FROM feeds WHERE url = ?1)`
)

func (w *writer) Move(feed int64, to string) (bool, error) {
	before, err := ask(w.conn, urlSQL, feed)
	if err != nil {
		return false, err
	}
	n, err := w.run(moveSQL, to, feed)
	if err != nil || n == 0 {
		return false, err
	}
	if _, err := w.run(settledSQL, to); err != nil {
		return false, err
	}
	_, err = w.run(formerSQL, before, feed)
	return err == nil, err
}

// holdSQL keeps the later of two times.
const holdSQL = `INSERT INTO hosts (domain, hold_until) VALUES (?, ?)
	ON CONFLICT (domain) DO UPDATE SET hold_until = max(hold_until, excluded.hold_until)`

func (w *writer) Hold(domain string, until time.Time) error {
	_, err := w.run(holdSQL, domain, store.NotBefore(until))
	return err
}
