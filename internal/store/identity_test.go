package store

import (
	"testing"

	"feedmill/internal/feeds"
)

// TestWhatIsTakenForAnItemsFormerSelf: after an upgrade of the reader as much as must
// be, and no more, or one item would overwrite another.
func TestWhatIsTakenForAnItemsFormerSelf(t *testing.T) {
	const hours = 3600
	for name, c := range map[string]struct {
		stored Stored
		now    feeds.Item
		want   bool
	}{
		"date and title":               {Stored{Title: "t", Published: 1}, feeds.Item{Title: "t", Published: 1, GUID: "g"}, true},
		"date and link":                {Stored{Title: "t", Link: "l", Published: 1}, feeds.Item{Title: "u", Link: "l", Published: 1}, true},
		"date and guid":                {Stored{GUID: "g", Published: 1}, feeds.Item{GUID: "g", Published: 1}, true},
		"the date alone":               {Stored{Title: "t", Link: "l", Published: 1}, feeds.Item{Title: "u", Link: "m", Published: 1}, false},
		"no title is none in common":   {Stored{Published: 1}, feeds.Item{Published: 1}, false},
		"title and link, no dates":     {Stored{Title: "t", Link: "l"}, feeds.Item{Title: "t", Link: "l"}, true},
		"title and link, one date":     {Stored{Title: "t", Link: "l"}, feeds.Item{Title: "t", Link: "l", Published: 1}, true},
		"title and guid, one date":     {Stored{Title: "t", GUID: "g", Published: 1}, feeds.Item{Title: "t", GUID: "g"}, true},
		"a zone away":                  {Stored{Title: "t", Link: "l", Published: 1}, feeds.Item{Title: "t", Link: "l", Published: 1 + 14*hours}, true},
		"a zone back":                  {Stored{Title: "t", Link: "l", Published: 1 + 14*hours}, feeds.Item{Title: "t", Link: "l", Published: 1}, true},
		"more than a zone away":        {Stored{Title: "t", Link: "l", Published: 1}, feeds.Item{Title: "t", Link: "l", Published: 2 + 14*hours}, false},
		"more than a zone back":        {Stored{Title: "t", Link: "l", Published: 2 + 14*hours}, feeds.Item{Title: "t", Link: "l", Published: 1}, false},
		"the title of a bare item":     {Stored{Title: "t"}, feeds.Item{Title: "t", Link: "l"}, true},
		"the title of one with a link": {Stored{Title: "t", Link: "l"}, feeds.Item{Title: "t", Link: "m"}, false},
		"the title of one with a guid": {Stored{Title: "t", GUID: "g"}, feeds.Item{Title: "t", GUID: "h"}, false},
		"the link alone":               {Stored{Title: "t", Link: "l"}, feeds.Item{Title: "u", Link: "l"}, false},
		"a title that is readable":     {Stored{Title: "a\uFFFD", Published: 1}, feeds.Item{Title: "a\xff", Published: 1}, true},
	} {
		if got := c.stored.reread(&c.now); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

// TestWhatIsTheSameItemWithAnotherGUID: title, date and link are the same.
func TestWhatIsTheSameItemWithAnotherGUID(t *testing.T) {
	stored := Stored{GUID: "g", Link: "http://www.pond.example/1", Title: "t", Published: 1}
	for name, c := range map[string]struct {
		stored Stored
		now    feeds.Item
		want   bool
	}{
		"the same":      {stored, feeds.Item{GUID: "h", Link: "https://pond.example/1", Title: "t", Published: 1}, true},
		"another title": {stored, feeds.Item{GUID: "h", Link: stored.Link, Title: "u", Published: 1}, false},
		"another date":  {stored, feeds.Item{GUID: "h", Link: stored.Link, Title: "t", Published: 2}, false},
		"another link":  {stored, feeds.Item{GUID: "h", Link: stored.Link + "/", Title: "t", Published: 1}, false},
		"no link":       {Stored{Title: "t", Published: 1}, feeds.Item{Title: "t", Published: 1}, false},
	} {
		if got := c.stored.again(&c.now); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

// TestLinksThatSayTheSame in other spellings, or relative to something.
func TestLinksThatSayTheSame(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"https://pond.example/a", "http://www.pond.example/a", true},
		{"https://pond.example/%C3%BC b", "https://pond.example/üb\u200b", true},
		{"https://pond.example/%zz", "https://pond.example/%zz", true},
		{"https://pond.example/a/b", "a/b", true}, {"a/b", "https://pond.example/a/b", true}, {"/a/b", "https://pond.example/a/b", true},
		{"https://pond.example/a", "https://else.example/a", true}, {"https://pond.example/b/a", "https://x.example/a", true},
		{"https://pond.example/ba", "a", false}, {"https://pond.example/a", "https://pond.example/b", false},
		{"https://pond.example/", "https://pond.example/", true}, {"https://pond.example/", "https://else.example/", false},
		{"https://pond.example/", "https://pondsexample/", false},
		{"", "", false}, {"a", "", false}, {"", "a", false}, {"/", "a/", false},
	} {
		if got := alike(c.a, c.b); got != c.want {
			t.Errorf("%q and %q: got %v, want %v", c.a, c.b, got, c.want)
		}
	}
}
