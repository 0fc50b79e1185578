package feeds

import (
	"crypto/sha256"
	"encoding/binary"
)

// What an item's key was made from. The byte is hashed with the value, so that
// a guid and a link of the same spelling are different keys. Stored keys depend
// on these bytes: they do not change.
const (
	keyGUID      = 'g' // the guid
	keyLink      = 'l' // no guid: the link
	keyEnclosure = 'e' // neither: the first enclosure's URL
	keyContent   = 'c' // none of them: what the item says

	keyGUIDLink  = 'G' // a guid that several items share, and the link
	keyLinkTitle = 'L' // a link that several items without guid share, and the title
	keyFileTitle = 'E' // the same for an enclosure
)

// Identify returns the key of it taken by itself: of its guid, else of its
// link, else of its first enclosure's URL, else of its title, author, summary,
// content and date of publication. Values count byte for byte as the document
// has them after trimming; the time of the fetch never does.
//
// Within a document [ReadDocument] may give an item another key than this, see
// assignKeys.
func Identify(it *Item) Key {
	switch {
	case it.GUID != "":
		return makeKey(keyGUID, it.GUID)
	case it.Link != "":
		return makeKey(keyLink, it.Link)
	case len(it.Enclosures) > 0 && it.Enclosures[0].URL != "":
		return makeKey(keyEnclosure, it.Enclosures[0].URL)
	}
	var published [8]byte
	binary.LittleEndian.PutUint64(published[:], uint64(it.Published))
	return makeKey(keyContent, it.Title, it.Author, it.Summary, it.Content, string(published[:]))
}

// identifyRepeat returns the key of an item that shares what Identify looked at
// with another item of its document.
func identifyRepeat(it *Item) Key {
	switch {
	case it.GUID != "":
		return makeKey(keyGUIDLink, it.GUID, it.Link)
	case it.Link != "":
		return makeKey(keyLinkTitle, it.Link, it.Title)
	case len(it.Enclosures) > 0 && it.Enclosures[0].URL != "":
		return makeKey(keyFileTitle, it.Enclosures[0].URL, it.Title)
	}
	return Identify(it)
}

// makeKey hashes the values, each with its length.
func makeKey(kind byte, values ...string) Key {
	var room [512]byte // enough for nearly all
	b := append(room[:0], kind)
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, uint64(len(v)))
		b = append(b, v...)
	}
	sum := sha256.Sum256(b)
	return Key(sum[:len(Key{})])
}

// assignKeys sets the Key of every item and returns those that are left after
// duplicates are dropped, in their order, in the same array. items are in the
// document's order, the newest first, and of equal ones the first stays.
//
// A guid that items with different links share does not tell them apart. All
// of them then get a key of guid and link, none keeps that of the guid alone.
// Rejected: letting the first or the last of them keep it. Whichever is first
// or last changes as items are added on top and drop off at the end, and an
// item that inherits another one's key would overwrite it in the store. The
// price is that an item whose guid was its own when it was stored comes a second
// time, once, when another one first uses that guid. Items that are there
// twice, with the same guid and link, do not count as sharing.
//
// Only a document can show that a guid is shared. In a feed that has one item at
// a time, all with the same guid, each is an edit of the one before and replaces
// it, whatever its link: links of honest items change too, and a guid is there
// to say that they are still the same.
//
// A link, or an enclosure, that items without guid share is told apart by the
// title in the same way. repeated says whether there was anything to tell apart
// or to drop; if not, every key is the one of Identify.
func assignKeys(items []Item) (kept []Item, repeated bool) {
	first := make(map[Key]int, len(items)) // where each key comes first
	for i := range items {
		items[i].Key = Identify(&items[i])
		if _, ok := first[items[i].Key]; !ok {
			first[items[i].Key] = i
		}
	}
	if len(first) == len(items) {
		return items, false
	}
	repeats := make([]Key, len(items)) // each made once: a title may be very long
	for i := range items {
		repeats[i] = identifyRepeat(&items[i])
	}
	shared := make(map[Key]bool)
	for i := range items {
		if key := items[i].Key; repeats[i] != repeats[first[key]] {
			shared[key] = true
		}
	}
	kept = items[:0]
	taken := make(map[Key]bool, len(items))
	for i := range items {
		key := items[i].Key
		if shared[key] {
			key = repeats[i]
		}
		if taken[key] {
			continue
		}
		taken[key] = true
		kept = append(kept, items[i])
		kept[len(kept)-1].Key = key
	}
	clear(items[len(kept):])
	return kept, true
}
