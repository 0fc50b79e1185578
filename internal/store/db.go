package store

import (
	"context"
	"iter"
	"time"

	"feedmill/internal/feeds"
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

	SetIndex(ctx context.Context, on bool) error
	Indexed(context.Context) (bool, error)
	Status(context.Context) (Status, error)
	Check(context.Context) error
	Close() error
}
