package feeds

import "slices"

// Diff returns those of items that known does not hold with the same content,
// in their order, and how many of them known does not hold at all. An item whose
// Known.Hash is 0 is left alone whatever it says.
//
// An item that is stored by another key gets that one: by a higher rung of [Rungs],
// where known has it or says by [SharedKey] that the lower one is shared; or by a
// guid, or a link in its place, that differs in the scheme or in "www." alone, which
// is no news.
//
// items must have their Key and Hash set and each key only once, as
// [AssignKeys] leaves them; known may be in any order. When everything
// changed, the returned slice is items itself. The cost is linear, and the
// memory grows with items, not with known: a feed that shows its newest twenty
// out of a hundred thousand stored ones is compared cheaply.
func Diff(items []Item, known []Known) (changed []Item, added int) {
	if len(known) == 0 {
		return items, len(items)
	}
	index := make(map[Key]int, len(items))
	for i := range items {
		index[items[i].Key] = i
	}
	states := make([]itemState, len(items))
	for i := range known {
		at, ok := index[known[i].Key]
		switch {
		case !ok:
		case known[i].Hash == 0 || known[i].Hash == items[at].Hash:
			states[at] = itemSame
		default:
			states[at] = itemUpdated
		}
	}
	reconcile(items, known, index, states)
	same := 0
	for _, s := range states {
		switch s {
		case itemAdded:
			added++
		case itemSame:
			same++
		}
	}
	switch same {
	case len(items):
		return nil, 0
	case 0:
		return items, added
	}
	changed = make([]Item, 0, len(items)-same)
	for i, s := range states {
		if s != itemSame {
			changed = append(changed, items[i])
		}
	}
	return changed, added
}

// An itemState is what Diff found out about an item; the zero value is what
// holds until a known item says otherwise.
type itemState uint8

const (
	itemAdded itemState = iota
	itemUpdated
	itemSame
)

// A candidate is an item that is not stored as it is by the key that it has.
type candidate struct {
	at     int
	rungs  [3]Key
	shared [2]Key   // the notes that the first two of them are
	others []string // spellings of what it is known by
}

// reconcile finds the items that are not the same by the keys that they have under
// others. index says which item has a key.
func reconcile(items []Item, known []Known, index map[Key]int, states []itemState) {
	var all []candidate
	found := make(map[Key]int) // which of known, from 1; 0 for none
	want := func(key Key) { found[key] = 0 }
	for i, s := range states {
		if s == itemSame {
			continue
		}
		c := candidate{at: i, rungs: Rungs(&items[i])}
		for n, key := range c.rungs {
			want(key)
			if n < 2 {
				c.shared[n] = SharedKey(key)
				want(c.shared[n])
			}
		}
		if s == itemAdded {
			c.others = spellings(identifier(&items[i]))
			for _, other := range c.others {
				want(respelled(&items[i], other).Key)
			}
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return
	}
	for i := range known {
		if _, ok := found[known[i].Key]; ok {
			found[known[i].Key] = i + 1
		}
	}
	has := func(key Key) bool { return found[key] > 0 }
	for i := range all {
		c := &all[i]
		it := &items[c.at]
		key := c.choose(it.Key, has)
		if at, taken := index[key]; taken && at != c.at {
			continue
		}
		hash := it.Hash
		if states[c.at] == itemAdded && !has(key) {
			for _, other := range c.others {
				as := respelled(it, other)
				if _, taken := index[as.Key]; !taken && has(as.Key) {
					key = as.Key
					if stored := known[found[key]-1].Hash; sameBut(as, stored) {
						hash = stored
					}
					break
				}
			}
		}
		if key == it.Key {
			continue
		}
		it.Key, index[key] = key, c.at
		switch {
		case !has(key):
			states[c.at] = itemAdded
		case known[found[key]-1].Hash == 0 || known[found[key]-1].Hash == hash:
			states[c.at] = itemSame
		default:
			states[c.at] = itemUpdated
		}
	}
}

// choose returns the key of an item that has the key now, where has says what is
// known.
func (c *candidate) choose(now Key, has func(Key) bool) Key {
	level := slices.Index(c.rungs[:], now)
	switch {
	case level < 0:
		return now // its text was cut after it got the key
	case has(c.rungs[2]):
		return c.rungs[2]
	}
	for level < 2 && has(c.shared[level]) {
		level++
	}
	if level == 0 && !has(now) && has(c.rungs[1]) {
		level = 1 // stored before there were such notes
	}
	return c.rungs[level]
}

// identifier returns what Identify knows it by.
func identifier(it *Item) string {
	if it.GUID != "" {
		return it.GUID
	}
	return it.Link
}

// respelled returns it as it is known by another spelling of its identifier.
func respelled(it *Item, other string) *Item {
	as := *it
	if it.GUID != "" {
		as.GUID = other
	} else {
		as.Link = other
	}
	as.Key = Identify(&as)
	return &as
}

// sameBut reports whether an item whose guid is respelled has that hash, with its
// link as it is or respelled too.
func sameBut(it *Item, hash uint64) bool {
	if ContentHash(it) == hash {
		return true
	}
	link := *it
	for _, other := range spellings(it.Link) {
		link.Link = other
		if ContentHash(&link) == hash {
			return true
		}
	}
	return false
}
