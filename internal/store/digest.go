package store

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"

	"feedmill/internal/feeds"
)

// A Digest is a feed in a form that can be compared: two stores that have come
// to the same have the same digests. It covers all that a refresh decides and
// nothing that says when: the class, detail, status, title, home page and
// validators of the feed, and of every item its place, its key, its hash and all
// that it says.
type Digest struct {
	Class feeds.Class // how the last refresh ended
	Items int
	Sum   [sha256.Size]byte
}

// Digests returns the digest of every feed of a store by its URL.
func Digests(ctx context.Context, db DB) (map[string]Digest, error) {
	all := make(map[string]Digest)
	sums := make(map[string]hash.Hash)
	for f, err := range db.Feeds(ctx, FeedQuery{}) {
		if err != nil {
			return nil, err
		}
		h := sha256.New()
		fmt.Fprintf(h, "%q %q %q %q %d %q %q\n", f.Class, f.Detail, f.Title, f.Link, f.Status, f.Validators.ETag, f.Validators.LastModified)
		all[f.URL], sums[f.URL] = Digest{Class: f.Class, Items: f.Items}, h
	}
	for it, err := range db.Items(ctx, ItemQuery{}) {
		if err != nil {
			return nil, err
		}
		h := sums[it.FeedURL]
		if h == nil {
			return nil, &CorruptError{Path: db.Path(), Err: fmt.Errorf("item %d of %s belongs to no feed", it.Seq, it.FeedURL)}
		}
		fmt.Fprintf(h, "%d %x %x %s\n", it.Seq, it.Key, it.Hash, it.Text())
	}
	for url, h := range sums {
		d := all[url]
		h.Sum(d.Sum[:0])
		all[url] = d
	}
	return all, nil
}
