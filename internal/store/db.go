package store

import (
	"context"
	"iter"
	"time"

	"feedmill/internal/feeds"
)

// FeedColumns and ItemColumns are what every engine asks for of a Feed, and of an Item
// in items i with its feeds f, in this order.
const (
	FeedColumns = `id, url, title, link, category, class, detail, status, fails,
		next_due, coalesce(last_checked, 0), coalesce(last_success, 0), etag, last_modified, items,
		name, headers, interval, paused, told`
	ItemColumns = `i.id, f.id, f.url, coalesce(nullif(f.name, ''), f.title), f.category, i.seq, i.key, i.hash, i.first_seen, i.edits,
		coalesce(i.published, 0), coalesce(i.updated, 0), i.guid, i.link, i.title, i.author, i.image,
		i.categories, i.enclosures, i.summary, i.content`
)

// A DB is an open store, whichever engine keeps it. Its methods may be called
// from several goroutines. What each of them promises is said where SQLite's are,
// and storetest holds every engine to it.
type DB interface {
	// Path returns the store's name for people, without a password.
	Path() string

	// A round: what is due, what is known of it, what became of it.
	Due(context.Context, DueQuery) ([]feeds.Ref, error)
	Jobs(ctx context.Context, ids []int64) ([]feeds.Job, error)
	Save(context.Context, []feeds.Outcome) ([]feeds.Saved, error)
	Holds(ctx context.Context, now time.Time) (map[string]time.Time, error)
	BeginRun(context.Context, Run) (id int64, err error)
	EndRun(ctx context.Context, id int64, r RunResult) error
	Tell(ctx context.Context, failing, back []int64) error

	// What the user says of feeds.
	Subscribe(context.Context, []feeds.Subscription) ([]Subscribed, error)
	Import(context.Context, List) (Imported, error)
	Unsubscribe(ctx context.Context, urls []string) (int, error)
	Edit(ctx context.Context, ids []int64, c Change) error

	// What is there, and who has had it.
	Feeds(context.Context, FeedQuery) iter.Seq2[Feed, error]
	Items(context.Context, ItemQuery) iter.Seq2[Item, error]
	LastItem(context.Context) (int64, error)
	Cursors(context.Context) ([]Cursor, error)
	MoveCursor(context.Context, Cursor) error
	DropCursor(ctx context.Context, name string) (bool, error)
	Prune(context.Context, PruneQuery) (Pruned, error)

	// For a copy in another store. CopyOut returns all rows of the feeds with ids above
	// after and up to upTo. CopyIn makes rows all that there is of feeds with ids above
	// after, in one transaction; feeds that come later go, too: their items may have ids
	// of rows. CopyEnd notes the highest id that an item has had, and holds of domains.
	CopyOut(ctx context.Context, after, upTo int64) (CopyRows, error)
	CopyIn(ctx context.Context, after int64, rows CopyRows) error
	CopyEnd(ctx context.Context, lastItem int64, holds map[string]time.Time) error

	SetIndex(ctx context.Context, on bool) error
	Indexed(context.Context) (bool, error)
	Status(context.Context) (Status, error)
	Check(context.Context) error
	Close() error
}
