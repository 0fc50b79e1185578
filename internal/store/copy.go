package store

// A Kind says how a column's values are spelt in a CopyRow.
type Kind byte

// The kinds. All but integers are never nil.
const (
	Int   Kind = iota // int64, or nil for NULL
	Text              // string
	Bytes             // string, of any bytes
	Flag              // int64, 0 or 1
)

// A CopyTable is a table of feeds, or of what belongs to one.
type CopyTable struct {
	Name string
	Feed string // the column with the feed's id
	By   string // the columns that order a feed's rows, texts by their bytes
	Cols []CopyColumn
}

// Names returns the names of the columns.
func (t CopyTable) Names() (names []string) {
	for _, c := range t.Cols {
		names = append(names, c.Name)
	}
	return names
}

// A CopyColumn is a column that every engine has.
type CopyColumn struct {
	Name string
	Kind Kind
}

// CopyTables are the tables that a store is copied by, feeds first.
var CopyTables = []CopyTable{
	{"feeds", "id", "id", columns(Int, "id", Text, "url", "title", "link", Int, "next_due", Text, "class", "detail", Int, "status", "fails",
		"last_checked", "last_success", "last_full", Bytes, "etag", "last_modified", Text, "validators_url", Int, "body_hash",
		Text, "moved_to", Int, "moved_run", "seq", "items", "ttl", "skip_hours", "skip_days", "reader",
		Text, "name", "category", "headers", Int, "interval", Flag, "paused", "told")},
	{"items", "feed_id", "id", columns(Int, "id", "feed_id", "seq", Bytes, "key", Int, "hash", "first_seen", "edits", "published", "updated",
		Text, "guid", "link", "title", "author", "image", "categories", "enclosures", "summary", "content")},
	{"removed", "feed_id", "feed_id, key", columns(Int, "feed_id", Bytes, "key", Int, "seq")},
	{"shared", "feed_id", "feed_id, key", columns(Int, "feed_id", Bytes, "key")},
	{"moved", "feed_id", "feed_id, url", columns(Text, "url", Int, "feed_id")},
}

// columns makes columns of names, each of the last kind before it.
func columns(list ...any) (all []CopyColumn) {
	kind := Int
	for _, v := range list {
		switch v := v.(type) {
		case Kind:
			kind = v
		case string:
			all = append(all, CopyColumn{v, kind})
		}
	}
	return all
}

// CopyRows are rows of each of CopyTables.
type CopyRows [][][]any
