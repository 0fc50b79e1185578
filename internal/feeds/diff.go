package feeds

// Diff returns those of items that known does not hold with the same content,
// in their order, and how many of them known does not hold at all (added) and
// holds with another content (updated). An item whose Known.Hash is 0 is left
// alone whatever it says.
//
// items must have their Key and Hash set and each key only once, as
// [ReadDocument] returns them; known may be in any order. When everything
// changed, the returned slice is items itself. The cost is linear, and the
// memory grows with items, not with known: a feed that shows its newest twenty
// out of a hundred thousand stored ones is compared cheaply.
func Diff(items []Item, known []Known) (changed []Item, added, updated int) {
	if len(known) == 0 {
		return items, len(items), 0
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
	for _, s := range states {
		switch s {
		case itemAdded:
			added++
		case itemUpdated:
			updated++
		}
	}
	switch added + updated {
	case 0:
		return nil, 0, 0
	case len(items):
		return items, added, updated
	}
	changed = make([]Item, 0, added+updated)
	for i, s := range states {
		if s != itemSame {
			changed = append(changed, items[i])
		}
	}
	return changed, added, updated
}

// An itemState is what Diff found out about an item; the zero value is what
// holds until a known item says otherwise.
type itemState uint8

const (
	itemAdded itemState = iota
	itemUpdated
	itemSame
)
