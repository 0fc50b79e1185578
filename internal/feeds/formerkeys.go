package feeds

import "net/url"

// ReadingVersion counts up when the readers make another thing of the same
// document: other texts, dates or identities. What is stored of a feed that an
// earlier version read is then replaced without being news, see store.Save.
//
// Before version 5 an element whose prefix is bound to nothing said nothing, attributes
// of HTML were told by XML's rules, a > in a srcset made absolute stayed one, and
// </RSS> ended <rss>.
const ReadingVersion = 5

// FormerKeys returns keys by which an item may have been removed from a store that
// an earlier version kept: before version 1 the id of an entry of Atom was
// respelled like a link, and an rdf:about, or an atom:id in RSS, was no guid, so
// that such an item was known by its link. Whatever is still stored is found by
// what it says.
func FormerKeys(it *Item) []Key {
	if it.GUID == "" {
		return nil
	}
	without := *it
	without.GUID = ""
	former := Rungs(&without)
	keys := former[:2]
	if u, err := url.Parse(it.GUID); err == nil {
		as := *it
		if as.GUID = u.String(); as.GUID != it.GUID {
			keys = append(keys, Identify(&as))
		}
	}
	return keys
}
