package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"feedmill/internal/crash"
	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

// Save records outcomes in one transaction, which is committed when it returns. What
// becomes of them is said where SQLite's Save is. A feed whose domain somebody has
// leased is not stored: its Saved.Err is feeds.ErrLost.
//
// Once begun, Save finishes even when ctx ends.
func (db *DB) Save(ctx context.Context, outcomes []feeds.Outcome) ([]feeds.Saved, error) {
	return db.save(ctx, outcomes, func(h hostRow) bool { return !h.leased })
}

// A hostRow is what Save sees of a domain.
type hostRow struct {
	domain, owner string
	epoch         int64
	leased        bool // its lease is not over
}

// save saves the outcomes of feeds whose domain may accepts.
func (db *DB) save(ctx context.Context, outcomes []feeds.Outcome, may func(hostRow) bool) (saved []feeds.Saved, err error) {
	if len(outcomes) == 0 {
		return nil, nil
	}
	err = db.transact(ctx, pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) error {
		r := &rows{ctx: ctx, tx: tx, buf: &db.buf}
		if err := r.load(outcomes, may); err != nil {
			return err
		}
		b := store.Saver{Rows: r, Run: db.run.Load()}
		if saved, err = b.Save(outcomes); err != nil {
			return err
		}
		for i := range saved {
			if r.lost[saved[i].ID] {
				saved[i].Err = feeds.ErrLost
			}
		}
		if err := r.flush(saved); err != nil {
			return err
		}
		crash.At("coordinator: before commit")
		return nil
	})
	if err != nil {
		return nil, err // refresh.StoreError says what was tried
	}
	return saved, nil
}

const (
	// Everybody locks feeds before hosts and both in their order, so that nobody
	// waits for somebody who waits.
	statesSQL = `SELECT id, domain, seq, items, moved_to, moved_run, reader FROM feeds WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE`

	hostsSQL = `SELECT domain, owner, epoch, lease_until > now() FROM hosts WHERE domain = ANY($1) ORDER BY domain FOR SHARE`

	// No join with a list of ids: where the table is thought to be empty, all of it
	// would be read and looked up in the list.
	knownSQL   = `SELECT feed_id, key, hash, edits, seq FROM items WHERE feed_id = ANY($1)`
	removedSQL = `SELECT feed_id, key FROM removed WHERE feed_id = ANY($1)`
)

// rows is a store.Rows that has read all that a batch usually needs before it begins,
// and writes at its end what can be written together.
type rows struct {
	ctx context.Context
	tx  pgx.Tx
	buf *[]byte // for COPY; the DB's

	outcomes map[int64]*feeds.Outcome
	states   map[int64]*store.State
	lost     map[int64]bool // feeds whose domain is somebody else's
	removed  map[int64]map[feeds.Key]bool
	items    map[int64]map[feeds.Key]*known
	shared   map[int64]map[feeds.Key]bool // of those feeds of which it was asked

	inserts []insert
	updates []*known // those with an update to write
	noted   []*sharedKey
	succeed []*said
	fail    []*said
	holds   map[string]int64
}

// A known item is one that is stored, or will be.
type known struct {
	feed   int64
	key    feeds.Key
	hash   uint64
	edits  int
	seq    int64
	insert int         // 1 and its place in inserts, where that is still to be done
	now    *feeds.Item // what it is to become, where that is in updates
}

// An insert is an item to be added.
type insert struct {
	o    *feeds.Outcome
	it   *feeds.Item
	seq  int64
	mine *known
}

type sharedKey struct {
	feed int64
	key  feeds.Key
}

// What is said of a feed.
type said struct {
	o      *feeds.Outcome
	s      store.State // as it was then
	reader int64
}

// load reads what is known of the feeds in outcomes, in two questions.
func (r *rows) load(outcomes []feeds.Outcome, may func(hostRow) bool) error {
	ids := make([]int64, 0, len(outcomes))
	var some []int64 // with items
	r.outcomes = make(map[int64]*feeds.Outcome, len(outcomes))
	for i := range outcomes {
		ids = append(ids, outcomes[i].ID)
		r.outcomes[outcomes[i].ID] = &outcomes[i]
		if len(outcomes[i].Items) > 0 {
			some = append(some, outcomes[i].ID)
		}
	}
	r.lost, r.holds = make(map[int64]bool), make(map[string]int64)
	r.items = make(map[int64]map[feeds.Key]*known, len(some))
	domains, err := r.loadStates(ids)
	if err != nil {
		return fmt.Errorf("read feeds: %w", err)
	}
	free := make(map[string]bool)

	var b pgx.Batch
	// Rejected: their hosts in the same question, found by the ids again. That took the
	// server twice as long, more than what a further question costs both.
	b.Queue(hostsSQL, slices.Collect(maps.Values(domains))).Query(func(rows pgx.Rows) error {
		var h hostRow
		_, err := pgx.ForEachRow(rows, []any{&h.domain, &h.owner, &h.epoch, &h.leased}, func() error {
			free[h.domain] = may(h)
			return nil
		})
		return err
	})
	if len(some) > 0 {
		b.Queue(knownSQL, some).Query(r.readKnown)
		b.Queue(removedSQL, some).Query(func(rows pgx.Rows) error {
			r.removed = make(map[int64]map[feeds.Key]bool)
			return eachKey(rows, func(id int64, key feeds.Key) {
				if r.removed[id] == nil {
					r.removed[id] = make(map[feeds.Key]bool)
				}
				r.removed[id][key] = true
			})
		})
	}
	if err := r.tx.SendBatch(r.ctx, &b).Close(); err != nil {
		return fmt.Errorf("read feeds: %w", err)
	}
	for id, domain := range domains {
		if !free[domain] {
			r.lost[id] = true
			delete(r.states, id)
		}
	}
	return nil
}

// loadStates locks the feeds with these ids, reads their states and returns their domains.
func (r *rows) loadStates(ids []int64) (domains map[int64]string, err error) {
	r.states, domains = make(map[int64]*store.State, len(ids)), make(map[int64]string, len(ids))
	got, _ := r.tx.Query(r.ctx, statesSQL, ids)
	var id int64
	var domain string
	var s store.State
	_, err = pgx.ForEachRow(got, []any{&id, &domain, &s.Seq, &s.Items, &s.MovedTo, &s.MovedRun, &s.Reader}, func() error {
		copied := s
		r.states[id], domains[id] = &copied, domain
		return nil
	})
	return domains, err
}

func (r *rows) States([]int64) (map[int64]*store.State, error) { return r.states, nil }

// Ids are given in the end, and counted from 1 until then.
func (r *rows) LastID() (int64, error) { return 0, nil }

func (r *rows) Removed([]int64) (map[int64]map[feeds.Key]bool, error) { return r.removed, nil }

// An item whose edits are used up has the hash 0, but for
// another reader than the one that made them.
func (r *rows) Known(ids []int64) (map[int64]map[feeds.Key]uint64, error) {
	all := make(map[int64]map[feeds.Key]uint64, len(ids))
	for _, id := range ids {
		m := make(map[feeds.Key]uint64, len(r.items[id]))
		for key, k := range r.items[id] {
			m[key] = k.hash
			if k.edits >= store.MaxEdits && r.states[id].Reader>>1 == feeds.ReadingVersion {
				m[key] = 0
			}
		}
		all[id] = m
	}
	return all, nil
}

// That the last arrival is among what has come, which
// is most often so, needs no question.
func (r *rows) Newest(feed int64, n int) (list []store.Stored, err error) {
	if n == 1 {
		var last *known
		for _, k := range r.items[feed] {
			if last == nil || k.seq > last.seq {
				last = k
			}
		}
		if last == nil {
			return nil, nil
		}
		if slices.ContainsFunc(r.outcomes[feed].Items, func(it feeds.Item) bool { return it.Key == last.key }) {
			return []store.Stored{{Key: last.key}}, nil
		}
	}
	if err := r.flushUpdates(); err != nil {
		return nil, err
	}
	got, _ := r.tx.Query(r.ctx, `SELECT key, guid, link, title, coalesce(published, 0) FROM items WHERE feed_id = $1 ORDER BY seq DESC LIMIT $2`, feed, n)
	var s store.Stored
	var key [16]byte
	_, err = pgx.ForEachRow(got, []any{&key, &s.GUID, &s.Link, &s.Title, &s.Published}, func() error {
		s.Key = key
		list = append(list, s)
		return nil
	})
	return list, err
}

func (r *rows) ByKey(feed int64, key feeds.Key) (it feeds.Item, there bool, err error) {
	k := r.items[feed][key]
	switch {
	case k == nil:
		return it, false, nil
	case k.insert > 0:
		return clean(r.inserts[k.insert-1].it), true, nil
	case k.now != nil:
		return clean(k.now), true, nil
	}
	var hash int64
	var enclosures string
	err = r.tx.QueryRow(r.ctx, `SELECT hash, guid, link, title, coalesce(published, 0), enclosures FROM items WHERE feed_id = $1 AND key = $2`, feed, [16]byte(key)).
		Scan(&hash, &it.GUID, &it.Link, &it.Title, &it.Published, &enclosures)
	if err != nil {
		return it, false, err
	}
	it.Hash = uint64(hash)
	read := store.Item{Item: it}
	err = read.ReadLists([]byte("[]"), []byte(enclosures))
	return read.Item, true, err
}

// clean returns an item as it would come back from the store, as far as ByKey says.
func clean(it *feeds.Item) feeds.Item {
	c := feeds.Item{Hash: it.Hash, GUID: store.Readable(it.GUID), Link: store.Readable(it.Link), Title: store.Readable(it.Title), Published: it.Published}
	for _, e := range it.Enclosures {
		c.Enclosures = append(c.Enclosures, feeds.Enclosure{URL: store.Readable(e.URL), Type: store.Readable(e.Type), Length: e.Length})
	}
	return c
}

func (r *rows) Insert(o *feeds.Outcome, it *feeds.Item, seq, id int64) (bool, error) {
	all := r.items[o.ID]
	if all[it.Key] != nil {
		return false, nil
	}
	if all == nil {
		all = make(map[feeds.Key]*known, len(o.Items))
		r.items[o.ID] = all
	}
	k := &known{feed: o.ID, key: it.Key, hash: it.Hash, seq: seq, insert: len(r.inserts) + 1}
	all[it.Key] = k
	r.inserts = append(r.inserts, insert{o: o, it: it, seq: seq, mine: k})
	return true, nil
}

func (r *rows) Update(feed int64, it *feeds.Item) (bool, error) {
	k := r.items[feed][it.Key]
	if k == nil || k.hash == it.Hash || k.edits >= store.MaxEdits {
		return false, nil
	}
	k.edits++
	r.become(k, it)
	return true, nil
}

// become notes that k is replaced by it.
func (r *rows) become(k *known, it *feeds.Item) {
	k.hash = it.Hash
	if k.insert > 0 {
		r.inserts[k.insert-1].it = it
		return
	}
	if k.now == nil {
		r.updates = append(r.updates, k)
	}
	k.now = it
}

func (r *rows) Replace(feed int64, key feeds.Key, it *feeds.Item) error {
	k := r.items[feed][key]
	if k == nil {
		return nil
	}
	if key != it.Key {
		if done, err := r.Rekey(feed, key, it.Key); err != nil || !done {
			return err
		}
	}
	r.become(k, it)
	return nil
}

func (r *rows) Rekey(feed int64, from, to feeds.Key) (bool, error) {
	all := r.items[feed]
	k := all[from]
	if k == nil || all[to] != nil {
		return false, nil
	}
	if k.insert == 0 {
		if err := r.flushUpdates(); err != nil { // by the keys that they had
			return false, err
		}
		if _, err := r.tx.Exec(r.ctx, `UPDATE items SET key = $1 WHERE feed_id = $2 AND key = $3`, [16]byte(to), feed, [16]byte(from)); err != nil {
			return false, err
		}
	}
	delete(all, from)
	k.key = to
	all[to] = k
	return true, nil
}

func (r *rows) Share(feed int64, noted feeds.Key) (bool, error) {
	all, asked := r.shared[feed]
	if !asked {
		if r.shared == nil {
			r.shared = make(map[int64]map[feeds.Key]bool)
		}
		all = make(map[feeds.Key]bool)
		got, _ := r.tx.Query(r.ctx, `SELECT feed_id, key FROM shared WHERE feed_id = $1`, feed)
		if err := eachKey(got, func(_ int64, key feeds.Key) { all[key] = true }); err != nil {
			return false, err
		}
		r.shared[feed] = all
	}
	if all[noted] {
		return false, nil
	}
	all[noted] = true
	r.noted = append(r.noted, &sharedKey{feed, noted})
	return true, nil
}

func (r *rows) RemoveAlso(feed int64, key, removed feeds.Key) error {
	_, err := r.tx.Exec(r.ctx, `INSERT INTO removed (feed_id, key, seq) SELECT feed_id, $1, seq FROM removed WHERE feed_id = $2 AND key = $3
		ON CONFLICT DO NOTHING`, [16]byte(key), feed, [16]byte(removed))
	return err
}

func (r *rows) Succeed(o *feeds.Outcome, s *store.State, reader int64) error {
	return r.say(&r.succeed, &said{o, *s, reader})
}

func (r *rows) Fail(o *feeds.Outcome, s *store.State, reader int64) error {
	return r.say(&r.fail, &said{o, *s, reader})
}

// say adds what is said of a feed to a list. What was said of it before is written
// first: one statement changes a row once.
func (r *rows) say(to *[]*said, x *said) error {
	for _, list := range [][]*said{r.succeed, r.fail} {
		if n := len(list); n > 0 && list[n-1].o.ID == x.o.ID { // they come by id
			if err := r.flushFeeds(); err != nil {
				return err
			}
		}
	}
	*to = append(*to, x)
	return nil
}

func (r *rows) Move(feed int64, to string) (bool, error) { return move(r.ctx, r.tx, feed, to) }

// move gives a feed another URL unless another feed has it, and reports whether it did.
func move(ctx context.Context, tx pgx.Tx, feed int64, to string) (bool, error) {
	var before string
	err := tx.QueryRow(ctx, `SELECT url FROM feeds WHERE id = $1`, feed).Scan(&before)
	if err != nil {
		return false, err
	}
	// Whoever gives another feed this URL at the same time is waited for, and then
	// this transaction begins anew.
	tag, err := tx.Exec(ctx, `UPDATE feeds SET url = $1, domain = $2
		WHERE id = $3 AND NOT EXISTS (SELECT 1 FROM feeds WHERE url_key(url) = url_key($1))`, to, feeds.Domain(to), feed)
	if err != nil || tag.RowsAffected() == 0 {
		return false, err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM moved WHERE url_key(url) = url_key($1)`, to); err != nil {
		return false, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO moved (url, feed_id) VALUES ($1, $2)
		ON CONFLICT (url_key(url)) DO UPDATE SET feed_id = excluded.feed_id`, before, feed)
	return err == nil, err
}

func (r *rows) Hold(domain string, until time.Time) error {
	r.holds[domain] = max(r.holds[domain], store.NotBefore(until))
	return nil
}
