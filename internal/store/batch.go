package store

import (
	"slices"

	"feedmill/internal/feeds"
)

// A batch is the work of one Save.
type batch struct {
	w       *writer
	run     int64
	feeds   map[int64]*state
	removed map[int64]map[feeds.Key]bool // by feed; most have no entry
}

// A state is what Save must know of a feed, kept up to date as it writes.
type state struct {
	seq, items int64
	movedTo    string
	movedRun   int64
	known      map[feeds.Key]uint64 // hashes of stored items; nil when not loaded
}

const (
	statesSQL = `SELECT f.id, f.seq, f.items, f.moved_to, f.moved_run
		FROM json_each(?) j CROSS JOIN feeds f ON f.id = j.value`

	removedSQL = `SELECT r.feed_id, r.key FROM json_each(?) j CROSS JOIN removed r ON r.feed_id = j.value`
)

// itemsSQL has a row for each feed, with what is known of its items.
var itemsSQL = `SELECT f.id, ` + knownSQL + ` FROM json_each(?) j CROSS JOIN feeds f ON f.id = j.value`

// manyItems is from how many items of an outcome on it is quicker to load what
// the feed has than to find out one by one what is new.
const manyItems = 4

// load reads the states of all feeds in outcomes.
func (b *batch) load(outcomes []feeds.Outcome) error {
	ids := make([]int64, 0, len(outcomes))
	var some, many []int64 // with that many items
	for i := range outcomes {
		o := &outcomes[i]
		ids = append(ids, o.ID)
		if len(o.Items) > 0 {
			some = append(some, o.ID)
		}
		if len(o.Items) >= manyItems {
			many = append(many, o.ID)
		}
	}
	b.feeds = make(map[int64]*state, len(ids))
	row := b.w.states
	err := rowsOf(row, func() error {
		b.feeds[row.ColumnInt64(0)] = &state{
			seq: row.ColumnInt64(1), items: row.ColumnInt64(2), movedTo: row.ColumnText(3), movedRun: row.ColumnInt64(4),
		}
		return nil
	}, idList(ids))
	if err != nil {
		return err
	}
	many = slices.DeleteFunc(many, func(id int64) bool { return b.feeds[id] == nil || b.feeds[id].items == 0 })
	if err := b.loadKnown(many); err != nil {
		return err
	}
	return b.loadRemoved(some)
}

// loadKnown reads what the feeds with these ids have.
func (b *batch) loadKnown(ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	var known []feeds.Known
	var list []byte
	row := b.w.items
	return rowsOf(row, func() (err error) {
		n := row.ColumnLen(1)
		list = slices.Grow(list[:0], n)[:n]
		row.ColumnBytes(1, list)
		if known, err = appendKnown(known[:0], list); err != nil {
			return err
		}
		m := make(map[feeds.Key]uint64, len(known))
		for _, k := range known {
			m[k.Key] = k.Hash
		}
		b.feeds[row.ColumnInt64(0)].known = m
		return nil
	}, idList(ids))
}

// loadRemoved reads what was removed from the feeds with these ids.
func (b *batch) loadRemoved(ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	b.removed = make(map[int64]map[feeds.Key]bool)
	row := b.w.removed
	return rowsOf(row, func() error {
		id := row.ColumnInt64(0)
		if b.removed[id] == nil {
			b.removed[id] = make(map[feeds.Key]bool)
		}
		var key feeds.Key
		row.ColumnBytes(1, key[:])
		b.removed[id][key] = true
		return nil
	}, idList(ids))
}
