package store

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"feedmill/internal/crash"
	"feedmill/internal/feeds"
)

// MaxEdits is how often an item's content is replaced. A feed that puts a
// counter or a clock into its items would otherwise be news for ever.
const MaxEdits = 24

// Rows is what a Saver needs of an engine, within one transaction that the
// engine begins and ends. An engine may keep what is written until the Saver is
// done, as long as it answers as if it had not.
type Rows interface {
	// States returns what is known of the feeds with these ids, without those
	// that are not there.
	States(ids []int64) (map[int64]*State, error)
	// Known returns the hashes of all items that these feeds have, by feed and key.
	Known(ids []int64) (map[int64]map[feeds.Key]uint64, error)
	// Removed returns the keys of items that were removed from these feeds.
	Removed(ids []int64) (map[int64]map[feeds.Key]bool, error)
	// LastID returns the highest id that any item has or had.
	LastID() (int64, error)
	// Newest returns the last n items of a feed, the last arrival first.
	Newest(feed int64, n int) ([]Stored, error)
	// ByKey returns an item with its GUID, link, title, date, enclosures and
	// hash, and whether it is there.
	ByKey(feed int64, key feeds.Key) (it feeds.Item, there bool, err error)

	// Insert adds an item unless there is one with its key, and reports whether
	// it did.
	Insert(o *feeds.Outcome, it *feeds.Item, seq, id int64) (bool, error)
	// Update replaces the item with it's key where its hash is another and its
	// edits are not used up, counts one more, and reports whether it did.
	Update(feed int64, it *feeds.Item) (bool, error)
	// Replace replaces the item with this key, which need not be it's, in silence.
	Replace(feed int64, key feeds.Key, it *feeds.Item) error
	// Rekey gives an item another key unless it is taken, and reports whether it did.
	Rekey(feed int64, from, to feeds.Key) (bool, error)
	// Share notes that items of a feed share a key, and reports whether that is new.
	Share(feed int64, noted feeds.Key) (bool, error)
	// RemoveAlso notes key as removed at the place of another that was.
	RemoveAlso(feed int64, key, removed feeds.Key) error

	// Succeed and Fail write what an outcome says of its feed, and s. A reader of 0
	// leaves the one that is noted, and so does an AskedAt of 0 when it was asked.
	Succeed(o *feeds.Outcome, s *State, reader int64) error
	Fail(o *feeds.Outcome, s *State, reader int64) error
	// Move gives a feed another URL unless another feed has it, notes the one
	// that it had, and reports whether it did.
	Move(feed int64, to string) (bool, error)
	// Hold has a domain left alone until then, or later if that was said before.
	Hold(domain string, until time.Time) error
}

// A State is what a Saver must know of a feed, kept up to date as it writes.
type State struct {
	Seq, Items int64
	MovedTo    string // a permanent redirect that was seen once
	MovedRun   int64  // the run that saw it
	Reader     int64  // who read the last document, see identity.go

	known    map[feeds.Key]uint64 // hashes of stored items; nil when not loaded
	older    bool                 // and that was another reader than now
	incoming map[feeds.Key]bool   // the keys of the outcome's items, with rows
	rows     []Stored             // items that may be those of the outcome
}

// A Saver is the work of one Save: it decides what becomes of outcomes, alike for
// all engines.
type Saver struct {
	Rows Rows
	Run  int64 // the run under way; 0 when none was begun

	feeds   map[int64]*State
	removed map[int64]map[feeds.Key]bool // by feed; most have no entry
	lastID  int64                        // the highest that any item has or had
}

// manyItems is from how many items of an outcome on it is quicker to load what
// the feed has than to find out one by one what is new.
const manyItems = 4

// Save decides and writes, and returns one Saved for each outcome, in order. An
// error is the engine's, and means that its transaction must not be committed.
func (b *Saver) Save(outcomes []feeds.Outcome) ([]feeds.Saved, error) {
	if err := b.load(outcomes); err != nil {
		return nil, err
	}
	// Neighbours in the tables one after the other: fewer pages to visit.
	order := make([]int, len(outcomes))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(outcomes[i].ID, outcomes[j].ID) })
	saved := make([]feeds.Saved, len(outcomes))
	for _, i := range order {
		var err error
		if saved[i], err = b.save(&outcomes[i]); err != nil {
			return nil, fmt.Errorf("feed %d: %w", outcomes[i].ID, err)
		}
	}
	return saved, nil
}

// load reads the states of all feeds in outcomes.
func (b *Saver) load(outcomes []feeds.Outcome) (err error) {
	ids := make([]int64, 0, len(outcomes))
	for i := range outcomes {
		ids = append(ids, outcomes[i].ID)
	}
	if b.feeds, err = b.Rows.States(ids); err != nil {
		return err
	}
	var some, many []int64 // with that many items
	for i := range outcomes {
		o := &outcomes[i]
		s := b.feeds[o.ID]
		if s == nil || len(o.Items) == 0 {
			continue
		}
		some = append(some, o.ID)
		s.older = s.Items > 0 && s.Reader != readerOf(o)
		if s.Items > 0 && (s.older || len(o.Items) >= manyItems) {
			many = append(many, o.ID)
		}
	}
	if len(some) == 0 {
		return nil
	}
	if b.lastID, err = b.Rows.LastID(); err != nil {
		return err
	}
	if err := b.loadKnown(many); err != nil {
		return err
	}
	b.removed, err = b.Rows.Removed(some)
	return err
}

// loadKnown reads what the feeds with these ids have.
func (b *Saver) loadKnown(ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	known, err := b.Rows.Known(ids)
	for id, k := range known {
		b.feeds[id].known = k
	}
	return err
}

// save writes one outcome. An error is the store's, never the feed's.
func (b *Saver) save(o *feeds.Outcome) (feeds.Saved, error) {
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
		err = b.Rows.Hold(o.Domain, o.HoldUntil)
	}
	saved.Items = int(s.Items)
	return saved, err
}

func (b *Saver) success(o *feeds.Outcome, s *State, saved *feeds.Saved) error {
	if err := b.items(o, s, saved); err != nil {
		return err
	}
	crash.At("coordinator: between items and validators")
	if err := b.redirect(o, s, saved); err != nil {
		return err
	}
	return b.Rows.Succeed(o, s, readAt(o, s))
}

func (b *Saver) failure(o *feeds.Outcome, s *State, saved *feeds.Saved) error {
	if o.Class == feeds.Truncated || o.Class == feeds.Parse {
		if err := b.items(o, s, saved); err != nil {
			return err
		}
	}
	return b.Rows.Fail(o, s, readAt(o, s))
}

// AskedAt returns when the feed of a failure was asked; 0 where it was left alone.
func AskedAt(o *feeds.Outcome) int64 {
	if o.Class == feeds.HostBackoff {
		return 0
	}
	return o.At.Unix()
}

// readAt returns what becomes of the feed's reader; 0 when it stays: when no document
// was read, or a part of one that had been read as a whole by another reader.
func readAt(o *feeds.Outcome, s *State) int64 {
	if o.Class == feeds.OK || len(o.Items) > 0 && !s.older {
		return readerOf(o)
	}
	return 0
}

// items stores the new ones of o's items and replaces the updated ones.
func (b *Saver) items(o *feeds.Outcome, s *State, saved *feeds.Saved) error {
	if err := b.suspect(o, s); err != nil {
		return err
	}
	for i := range o.Items {
		if err := b.item(o, &o.Items[i], s, saved); err != nil {
			return err
		}
	}
	return nil
}

// item stores one item if it is new or updated.
func (b *Saver) item(o *feeds.Outcome, it *feeds.Item, s *State, saved *feeds.Saved) error {
	if err := b.share(o.ID, it, s); err != nil {
		return err
	}
	hash, there := s.known[it.Key]
	if b.removed[o.ID][it.Key] || there && (hash == it.Hash || hash == 0) {
		return nil
	}
	if there && s.older {
		return b.replace(o.ID, it.Key, it, s)
	}
	if !there {
		if s.rows != nil || s.older {
			if done, err := b.adopt(o, it, s); done || err != nil {
				return err
			}
		}
		added, err := b.Rows.Insert(o, it, s.Seq+1, b.lastID+1)
		if err != nil {
			return err
		}
		if added {
			if b.lastID++; saved.New == 0 {
				saved.FirstID = b.lastID
			}
			s.Seq++
			s.Items++
			saved.New++
			s.learn(it)
			return nil
		}
	}
	updated, err := b.Rows.Update(o.ID, it)
	if err != nil {
		return err
	}
	if updated {
		saved.Updated++
	}
	s.learn(it) // or the edits are used up, which the engine sees
	return nil
}

// learn notes that the feed has it.
func (s *State) learn(it *feeds.Item) {
	if s.known != nil {
		s.known[it.Key] = it.Hash
	}
}

// redirect notes a permanent redirect when it is seen for the first time, and
// follows it when an earlier run saw the same. Without runs (see BeginRun)
// every Save counts as one. A success without redirect takes the note back.
func (b *Saver) redirect(o *feeds.Outcome, s *State, saved *feeds.Saved) error {
	to := o.MovedTo
	if to != "" {
		if normal, err := feeds.NormalizeURL(to); err != nil || normal != to { // which no honest worker says
			to = ""
		}
	}
	if to == "" || to != s.MovedTo {
		s.MovedTo, s.MovedRun = to, b.Run
		return nil
	}
	if b.Run != 0 && b.Run == s.MovedRun {
		return nil
	}
	moved, err := b.Rows.Move(o.ID, to)
	if err != nil || !moved {
		return err // or another feed is there already
	}
	saved.MovedTo = to
	s.MovedTo, s.MovedRun = "", 0
	return nil
}
