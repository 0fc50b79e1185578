package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"zombiezen.com/go/sqlite"

	"feedmill/internal/crash"
	"feedmill/internal/feeds"
)

// maxEdits is how often an item's content is replaced. A feed that puts a
// counter or a clock into its items would otherwise be news for ever.
const maxEdits = 24

// Save records outcomes in one transaction, which is on disk when it returns
// (see Durability). It returns one Saved for each, in order; an error means
// that nothing of any of them is stored. A feed that is no longer subscribed
// has ErrNoFeed as its Saved.Err and does not hold up the others.
//
// An item is new when the feed has none with its key, and nobody removed one
// with it; it gets the feed's next seq, so the order of Outcome.Items is the
// order in which they count as arrived. One that is there with another hash
// is replaced in place, at most 24 times. Classes of success replace
// validators and body hash, ok also the spans; truncated and parse store the items that were
// salvaged and leave these as they are; all others say only how and when the
// feed failed, and cancelled changes nothing. A permanent redirect is believed
// when a second run in a row sees it.
//
// Once begun, Save finishes even when ctx ends.
func (db *DB) Save(ctx context.Context, outcomes []feeds.Outcome) ([]feeds.Saved, error) {
	if len(outcomes) == 0 {
		return nil, nil
	}
	saved := make([]feeds.Saved, len(outcomes))
	err := db.write(ctx, func(w *writer) error {
		b := batch{w: w, run: db.run}
		if err := b.load(outcomes); err != nil {
			return err
		}
		// Neighbours in the file one after the other: fewer pages to visit.
		order := make([]int, len(outcomes))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(outcomes[i].ID, outcomes[j].ID) })
		for _, i := range order {
			var err error
			if saved[i], err = b.save(&outcomes[i]); err != nil {
				return fmt.Errorf("feed %d: %w", outcomes[i].ID, err)
			}
		}
		crash.At("coordinator: before commit")
		return nil
	})
	if err != nil {
		return nil, err // refresh.StoreError says what was tried, here and in Jobs and Holds
	}
	db.copier.saved(outcomes)
	return saved, nil
}

// save writes one outcome. An error is the store's, never the feed's.
func (b *batch) save(o *feeds.Outcome) (feeds.Saved, error) {
	saved := feeds.Saved{ID: o.ID}
	s := b.feeds[o.ID]
	if s == nil {
		saved.Err = ErrNoFeed
		return saved, nil
	}
	var err error
	switch {
	case o.Class == feeds.Cancelled:
	case o.Class.OK():
		err = b.success(o, s, &saved)
	default:
		err = b.failure(o, s, &saved)
	}
	if err == nil && o.Class != feeds.Cancelled && o.Domain != "" && !o.HoldUntil.IsZero() {
		_, err = b.w.run(b.w.hold, o.Domain, o.HoldUntil.Unix())
	}
	saved.Items = int(s.items)
	return saved, err
}

const succeedSQL = `UPDATE feeds SET
	title = coalesce(?, title), link = coalesce(?, link), etag = ?, last_modified = ?, body_hash = ?,
	next_due = ?, last_checked = ?, last_success = ?, fails = 0, class = ?, detail = ifnull(?, ''), status = ?,
	moved_to = ?, moved_run = ?, seq = ?, items = ?,
	last_full = ifnull(?, last_full), ttl = ?, skip_hours = ?, skip_days = ?
	WHERE id = ?`

func (b *batch) success(o *feeds.Outcome, s *state, saved *feeds.Saved) error {
	if err := b.items(o, s, saved); err != nil {
		return err
	}
	crash.At("coordinator: between items and validators")
	if err := b.redirect(o, s, saved); err != nil {
		return err
	}
	if err := b.spans(o); err != nil {
		return err
	}
	at := seconds(o.At)
	_, err := b.w.run(b.w.succeed, text(o.Title), text(o.Link),
		o.Validators.ETag, o.Validators.LastModified, int64(o.BodyHash),
		dueAt(o), at, at, string(o.Class), text(o.Detail), int64(o.Status),
		s.movedTo, s.movedRun, s.seq, s.items,
		fullAt(o), int64(o.Pacing.TTL/time.Second), int64(o.Pacing.SkipHours), int64(o.Pacing.SkipDays), o.ID)
	return err
}

const (
	rememberSQL = `INSERT INTO spans (feed_id, spans) VALUES (?, ?) ON CONFLICT (feed_id) DO UPDATE SET spans = excluded.spans`
	forgetSQL   = `DELETE FROM spans WHERE feed_id = ?`
)

// spans replaces what is remembered of the feed's document, if one was read.
func (b *batch) spans(o *feeds.Outcome) error {
	if o.Class != feeds.OK {
		return nil
	}
	if o.Spans == "" {
		_, err := b.w.run(b.w.forget, o.ID)
		return err
	}
	_, err := b.w.run(b.w.remember, o.ID, []byte(o.Spans))
	return err
}

const (
	failSQL = `UPDATE feeds SET next_due = ?, last_checked = ?, fails = ?, class = ?, detail = ifnull(?, ''), status = ?,
		seq = ?, items = ?, last_full = ifnull(?, last_full) WHERE id = ?`

	// backOffSQL is for a feed that was not asked.
	backOffSQL = `UPDATE feeds SET next_due = ?, fails = ?, class = ?, detail = ifnull(?, ''), status = ? WHERE id = ?`
)

func (b *batch) failure(o *feeds.Outcome, s *state, saved *feeds.Saved) error {
	switch o.Class {
	case feeds.HostBackoff:
		_, err := b.w.run(b.w.backOff, dueAt(o), o.Fails, string(o.Class), text(o.Detail), o.Status, o.ID)
		return err
	case feeds.Truncated, feeds.Parse:
		if err := b.items(o, s, saved); err != nil {
			return err
		}
	}
	_, err := b.w.run(b.w.fail, dueAt(o), seconds(o.At), o.Fails, string(o.Class), text(o.Detail), o.Status,
		s.seq, s.items, fullAt(o), o.ID)
	return err
}

// fullAt returns what becomes of last_full; nil when it stays.
func fullAt(o *feeds.Outcome) any {
	if !o.Full {
		return nil
	}
	return o.At.Unix()
}

// dueAt returns when the feed is due again; 0, at once, when nobody said.
func dueAt(o *feeds.Outcome) int64 {
	if o.NextDue.IsZero() {
		return 0
	}
	return o.NextDue.Unix()
}

const (
	// The insert is one row and has no OR clause: anything else makes SQLite
	// keep a journal of the statement, which costs as much as the insert.
	insertSQL = `INSERT INTO items (hash, published, updated, guid, link, title, author, image, categories, enclosures,
		summary, content, feed_id, seq, key, first_seen)
		VALUES (?, ?, ?, ifnull(?, ''), ifnull(?, ''), ifnull(?, ''), ifnull(?, ''), ifnull(?, ''),
		ifnull(?, '[]'), ifnull(?, '[]'), ifnull(?, ''), ifnull(?, ''), ?, ?, ?, ?)
		ON CONFLICT (feed_id, key) DO NOTHING`

	updateSQL = `UPDATE items SET hash = ?, published = ?, updated = ?, guid = ifnull(?, ''), link = ifnull(?, ''),
		title = ifnull(?, ''), author = ifnull(?, ''), image = ifnull(?, ''), categories = ifnull(?, '[]'),
		enclosures = ifnull(?, '[]'), summary = ifnull(?, ''), content = ifnull(?, ''), edits = edits + 1
		WHERE feed_id = ? AND key = ? AND hash <> ? AND edits < ?`
)

// items stores the new ones of o's items and replaces the updated ones.
func (b *batch) items(o *feeds.Outcome, s *state, saved *feeds.Saved) error {
	for i := range o.Items {
		if err := b.item(o, &o.Items[i], s, saved); err != nil {
			return err
		}
	}
	return nil
}

// item stores one item if it is new or updated.
func (b *batch) item(o *feeds.Outcome, it *feeds.Item, s *state, saved *feeds.Saved) error {
	hash, there := s.known[it.Key]
	if b.removed[o.ID][it.Key] || there && (hash == it.Hash || hash == 0) {
		return nil
	}
	if !there {
		insert := b.w.insert
		at := bindItem(insert, it)
		insert.BindInt64(at, o.ID)
		insert.BindInt64(at+1, s.seq+1)
		insert.BindBytes(at+2, it.Key[:])
		insert.BindInt64(at+3, o.At.Unix())
		n, err := b.w.run(insert)
		if err != nil {
			return err
		}
		if n > 0 {
			s.seq++
			s.items++
			saved.New++
			s.learn(it)
			return nil
		}
	}
	update := b.w.update
	at := bindItem(update, it)
	update.BindInt64(at, o.ID)
	update.BindBytes(at+1, it.Key[:])
	update.BindInt64(at+2, int64(it.Hash))
	update.BindInt64(at+3, maxEdits)
	n, err := b.w.run(update)
	if err != nil {
		return err
	}
	saved.Updated += n
	s.learn(it) // or the edits are used up, which the statement sees
	return nil
}

// learn notes that the feed has it.
func (s *state) learn(it *feeds.Item) {
	if s.known != nil {
		s.known[it.Key] = it.Hash
	}
}

// bindItem binds what insertSQL and updateSQL have in common, and returns the
// number of the first parameter after that.
func bindItem(s *sqlite.Stmt, it *feeds.Item) int {
	s.BindInt64(1, int64(it.Hash))
	bindTime(s, 2, it.Published)
	bindTime(s, 3, it.Updated)
	for i, v := range [...]string{
		readable(it.GUID), readable(it.Link), readable(it.Title), readable(it.Author), readable(it.Image),
		categoriesJSON(it.Categories), enclosuresJSON(it.Enclosures), readable(it.Summary), readable(it.Content),
	} {
		bindText(s, 4+i, v)
	}
	return 13
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

const (
	urlSQL = `SELECT url FROM feeds WHERE id = ?`

	// formerSQL keeps the URL that a feed left; settledSQL takes back the one
	// that it came to, should a feed have been there before.
	formerSQL  = `INSERT INTO moved (url, feed_id) VALUES (?, ?) ON CONFLICT (url) DO UPDATE SET feed_id = excluded.feed_id`
	settledSQL = `DELETE FROM moved WHERE url = ?`

	// moveSQL changes a feed's URL unless another feed has that one.
	moveSQL = `UPDATE feeds SET url = ?1 WHERE id = ?2 AND NOT EXISTS (SELECT 1 FROM feeds WHERE url = ?1)`
)

// redirect notes a permanent redirect when it is seen for the first time, and
// follows it when an earlier run saw the same. Without runs (see BeginRun)
// every Save counts as one. A success without redirect takes the note back.
func (b *batch) redirect(o *feeds.Outcome, s *state, saved *feeds.Saved) error {
	if o.MovedTo == "" || o.MovedTo != s.movedTo {
		s.movedTo, s.movedRun = o.MovedTo, b.run
		return nil
	}
	if b.run != 0 && b.run == s.movedRun {
		return nil
	}
	var before string
	if err := rowsOf(b.w.url, func() error { before = b.w.url.ColumnText(0); return nil }, o.ID); err != nil {
		return err
	}
	n, err := b.w.run(b.w.move, o.MovedTo, o.ID)
	if err != nil {
		return err
	}
	if n == 0 {
		return nil // another feed is there already
	}
	saved.MovedTo = o.MovedTo
	s.movedTo, s.movedRun = "", 0
	if _, err := b.w.run(b.w.settled, o.MovedTo); err != nil {
		return err
	}
	_, err = b.w.run(b.w.former, before, o.ID)
	return err
}

// holdSQL keeps the later of two times.
const holdSQL = `INSERT INTO hosts (domain, hold_until) VALUES (?, ?)
	ON CONFLICT (domain) DO UPDATE SET hold_until = max(hold_until, excluded.hold_until)`
