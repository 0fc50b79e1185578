package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

// manyShown is how many of several feeds an error names.
const manyShown = 5

// namedFeeds returns the feeds that each of args names: by its id, by a URL that
// it has or had, or by a part of its URL, name or title that fits no other. All of
// them are found, or none.
func namedFeeds(ctx context.Context, db store.DB, args []string) ([]store.Feed, error) {
	fits := make([]fitting, len(args))
	parts := false
	for i, arg := range args {
		var err error
		if fits[i], err = exactly(ctx, db, arg); err != nil {
			return nil, err
		}
		if fits[i].n == 0 && !isNumber(arg) {
			fits[i].part, parts = strings.ToLower(arg), true
		}
	}
	if parts {
		if err := fitParts(ctx, db, fits); err != nil {
			return nil, err
		}
	}
	var found []store.Feed
	for i, arg := range args {
		f, err := fits[i].only(arg)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(found, func(g store.Feed) bool { return g.ID == f.ID }) {
			found = append(found, f)
		}
	}
	return found, nil
}

// isNumber reports whether an argument is an id, whether or not a feed has it. As a
// part of a URL it would be some other feed, which is then removed.
func isNumber(arg string) bool {
	_, err := strconv.ParseUint(arg, 10, 64)
	return err == nil
}

// A fitting is the feeds that an argument fits, of which no more are kept than are
// shown.
type fitting struct {
	part  string // that is looked for; empty when a feed was named exactly
	n     int
	shown []store.Feed
}

func (t *fitting) add(f store.Feed) {
	if t.n++; len(t.shown) < manyShown {
		t.shown = append(t.shown, f)
	}
}

// only returns the one feed that arg fits.
func (t *fitting) only(arg string) (store.Feed, error) {
	switch t.n {
	case 0:
		return store.Feed{}, usage("see coordinator feeds list", "not subscribed: %s", feeds.RedactURL(arg))
	case 1:
		return t.shown[0], nil
	}
	var some []string
	for _, f := range t.shown {
		some = append(some, fmt.Sprintf("%d %s", f.ID, feeds.RedactURL(f.URL)))
	}
	if t.n > len(t.shown) {
		some = append(some, "…")
	}
	return store.Feed{}, usage("name one by its id or URL: "+strings.Join(some, ", "), "%q fits %d feeds", arg, t.n)
}

// exactly returns the feed that has arg as its id, or has or had it as its URL.
func exactly(ctx context.Context, db store.DB, arg string) (t fitting, err error) {
	var queries []store.FeedQuery
	if id, err := strconv.ParseInt(arg, 10, 64); err == nil {
		queries = append(queries, store.FeedQuery{IDs: []int64{id}})
	}
	for _, guess := range []string{arg, "https://" + arg} {
		if url, err := feeds.SubscriptionURL(guess); err == nil {
			queries = append(queries, store.FeedQuery{URLs: []string{url}})
		}
	}
	for _, q := range queries {
		for f, err := range db.Feeds(ctx, q) {
			if err != nil {
				return t, err
			}
			t.add(f)
			return t, nil
		}
	}
	return t, nil
}

// fitParts looks through all feeds for those of which an argument is a part that
// named none exactly.
func fitParts(ctx context.Context, db store.DB, fits []fitting) error {
	for f, err := range db.Feeds(ctx, store.FeedQuery{}) {
		if err != nil {
			return err
		}
		texts := [...]string{strings.ToLower(f.URL), strings.ToLower(f.Name), strings.ToLower(f.Title)}
		for i := range fits {
			fitsIn := func(text string) bool { return strings.Contains(text, fits[i].part) }
			if fits[i].part != "" && slices.ContainsFunc(texts[:], fitsIn) {
				fits[i].add(f)
			}
		}
	}
	return nil
}

// inFolder reports whether a feed of this category is in a folder, or in one
// within that.
func inFolder(category, folder string) bool {
	return slices.ContainsFunc(strings.Split(category, "\n"), func(path string) bool {
		return path == folder || strings.HasPrefix(path, folder+"/")
	})
}
