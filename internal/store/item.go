package store

import (
	"fmt"
	"time"

	"feedmill/internal/feeds"
)

// An Item is a stored item.
type Item struct {
	feeds.Item
	ID        int64 // grows by arrival over all feeds, and is never given twice
	FeedID    int64
	FeedURL   string
	FeedLabel string    // see Feed.Label; empty when that is the URL
	Category  string    // of the feed, see Feed.Category
	Seq       int64     // grows by arrival within the feed
	FirstSeen time.Time // when it arrived
	Edits     int       // times its content was replaced
}

// Text returns all that an item says on one line, for comparing.
func (it *Item) Text() string {
	return fmt.Sprintf("%q %q %q %q %q %q %q %d %d %q %+v", it.GUID, it.Link, it.Title, it.Author, it.Summary, it.Content, it.Image,
		it.Published, it.Updated, it.Categories, it.Enclosures)
}

// An ItemQuery chooses items. The zero value chooses all of them, in the order
// in which they arrived.
type ItemQuery struct {
	FeedIDs []int64   // only of these feeds; nil means any
	After   int64     // only with a higher Item.ID
	Until   int64     // only with no higher Item.ID; 0 means no limit
	Since   time.Time // only what arrived then or later
	Search  string    // only what this finds, in FTS5's language; needs an index, see SetIndex
	Newest  bool      // the last arrival first
	Onward  bool      // somebody goes on after the last of them, see After, and is to miss none
	Limit   int       // at most so many; 0 means no limit
}

// A PruneQuery chooses the items that are to go. An item goes only when every
// field lets it.
type PruneQuery struct {
	FeedIDs []int64   // of these feeds; nil means any
	Keep    int       // the last so many items of each feed stay
	Older   time.Time // only what arrived before; zero means any time
	UpTo    int64     // only what has no higher Item.ID
	DryRun  bool      // count, and delete nothing
}

// A Pruned says what went, or would.
type Pruned struct {
	Items, Feeds int // and of how many feeds
}

// A Cursor says up to which item somebody has had all.
type Cursor struct {
	Name string
	At   int64 // an Item.ID; -1 when a file of that name keeps it
}
