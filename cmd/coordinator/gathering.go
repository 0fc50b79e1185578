package main

import (
	"bufio"
	"encoding/json"
	"hash/maphash"
	"io"
	"iter"
	"os"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/subs"
)

// A gathering is the feeds of lists, each once and in the order of the lists. Beyond
// what there is room for they lie in a file that nobody else sees, so that a list of a
// million takes the memory of their fingerprints; what is said of a feed again is kept
// beside it.
//
// Rejected: writing them into the store as they are read. A list that comes slowly, or
// breaks off, would hold everybody's lock. Rejected: encoding/gob for the file, which
// takes a third of a millisecond to start, of every command.
type gathering struct {
	room    int // how many are kept in memory
	first   []feeds.Subscription
	n       int
	folders bool // some of them are in folders

	seed maphash.Seed
	seen map[uint64]struct{}           // the fingerprints of their URLs
	more map[uint64]feeds.Subscription // what lists say of a feed after its first outline

	file *os.File // nil while there is room
	rest *bufio.Writer
	json *json.Encoder
}

// gatheredInMemory is how many feeds of lists are kept in memory.
const gatheredInMemory = 2000

func newGathering() *gathering {
	return &gathering{room: gatheredInMemory, seed: maphash.MakeSeed(), seen: make(map[uint64]struct{}), more: make(map[uint64]feeds.Subscription)}
}

// fingerprint stands for a URL. That two of a million have the same happens to one list
// in thirty million, and no list knows the seed.
func (g *gathering) fingerprint(url string) uint64 { return maphash.String(g.seed, url) }

// add adds a feed, or what is said of it to what was said.
func (g *gathering) add(s feeds.Subscription) error {
	g.folders = g.folders || s.Category != ""
	key := g.fingerprint(s.URL)
	if _, ok := g.seen[key]; ok {
		if s.Title != "" || s.Category != "" {
			g.more[key] = subs.Join(g.more[key], s)
		}
		return nil
	}
	g.seen[key] = struct{}{}
	g.n++
	if len(g.first) < g.room {
		g.first = append(g.first, s)
		return nil
	}
	if g.file == nil {
		file, err := os.CreateTemp("", "feedmill-list-")
		if err != nil {
			return err
		}
		os.Remove(file.Name()) // where that may be while it is open; else close does
		g.file, g.rest = file, bufio.NewWriter(file)
		g.json = json.NewEncoder(g.rest)
	}
	return g.json.Encode(s)
}

// all yields the feeds, as often as it is walked. Nothing may be added after.
func (g *gathering) all() iter.Seq2[feeds.Subscription, error] {
	return func(yield func(feeds.Subscription, error) bool) {
		for _, s := range g.first {
			if !yield(g.whole(s), nil) {
				return
			}
		}
		if g.file == nil {
			return
		}
		err := g.rest.Flush()
		if err == nil {
			_, err = g.file.Seek(0, io.SeekStart)
		}
		rest := json.NewDecoder(g.file)
		for range g.n - len(g.first) {
			var s feeds.Subscription
			if err == nil {
				err = rest.Decode(&s)
			}
			if !yield(g.whole(s), err) || err != nil {
				return
			}
		}
	}
}

// whole returns a feed with all that was said of it.
func (g *gathering) whole(s feeds.Subscription) feeds.Subscription {
	if more, ok := g.more[g.fingerprint(s.URL)]; ok {
		return subs.Join(s, more)
	}
	return s
}

// collected returns all of what is short, or is kept in memory anyway.
func collected[T any](all iter.Seq2[T, error]) (list []T, err error) {
	for one, err := range all {
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, nil
}

// close gives up the file and the memory. How many feeds there were stays known.
func (g *gathering) close() {
	if g.file != nil {
		g.file.Close()
		os.Remove(g.file.Name())
	}
	*g = gathering{n: g.n}
}
