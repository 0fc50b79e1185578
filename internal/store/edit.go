package store

import (
	"cmp"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"feedmill/internal/feeds"
)

// ErrTaken says that a feed cannot have a URL because another feed has it.
var ErrTaken = errors.New("another feed has that URL")

// A Change is what the user says anew of feeds. What is nil stays.
type Change struct {
	Name, Category, URL *string
	Headers             []Header
	Interval            *time.Duration // whole seconds; 0 as for all feeds
	Paused              *bool
}

// A Header is one of a request's, by its canonical name. An empty value takes it
// away.
type Header struct{ Name, Value string }

// A Subscribed is what became of one subscription.
type Subscribed struct {
	ID    int64 // the feed's, new or old
	Added bool  // whether it is new
	// Changed says that a feed that was there has another name or category now.
	Changed bool
}

// A List is subscriptions that are to be believed, of which only one need be in
// memory at a time.
type List struct {
	Feeds   iter.Seq2[feeds.Subscription, error] // each URL once; it may be walked again
	Folders bool                                 // some of them are in folders
}

// An Imported counts what became of a list.
type Imported struct {
	Added, Known int
	Changed      int // of those known
}

// Count counts one of them.
func (i *Imported) Count(s Subscribed) {
	switch {
	case s.Added:
		i.Added++
		return
	case s.Changed:
		i.Changed++
	}
	i.Known++
}

// WithHeaders returns a feed's headers, a line each, with change made to them.
func WithHeaders(have string, change []Header) string {
	lines := strings.Split(have, "\n")
	for _, h := range change {
		lines = slices.DeleteFunc(lines, func(l string) bool { return l == "" || strings.HasPrefix(l, h.Name+": ") })
		if h.Value != "" {
			lines = append(lines, h.Name+": "+h.Value)
		}
	}
	return strings.Join(lines, "\n")
}

// A Choice says what becomes of the name and category that a feed has when a list
// says others.
type Choice func(have, said feeds.Subscription) feeds.Subscription

// Keep is the Choice of Subscribe: a feed keeps its name and category, unless it
// has none.
func Keep(have, said feeds.Subscription) feeds.Subscription {
	return feeds.Subscription{Title: cmp.Or(have.Title, said.Title), Category: cmp.Or(have.Category, said.Category)}
}

// Believe returns the Choice of Import for a list: what it says replaces what is
// there, and what it does not say stays. A list that has folders also says of a
// feed in none of them that it is in none.
func Believe(folders bool) Choice {
	return func(have, said feeds.Subscription) feeds.Subscription {
		said.Title = cmp.Or(said.Title, have.Title)
		if !folders {
			said.Category = have.Category
		}
		return said
	}
}

// Of returns what a feed is to have that has have, of which a list says said and
// whose own title is title, and whether that is a change.
func (c Choice) Of(have, said feeds.Subscription, title string) (want feeds.Subscription, changed bool) {
	want = c(have, said)
	if said.Title == title && want.Title == title { // as an exported list has it: no name of the user's
		want.Title = ""
	}
	return want, want.Title != have.Title || want.Category != have.Category
}
