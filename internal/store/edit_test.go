package store

import (
	"testing"

	"feedmill/internal/feeds"
)

// TestHeadersAreChangedOneByOne: a name's new value replaces the old one, an empty one
// takes it away, and other names stay.
func TestHeadersAreChangedOneByOne(t *testing.T) {
	for _, c := range []struct {
		have   string
		change []Header
		want   string
	}{
		{"", nil, ""},
		{"", []Header{{"A", "1"}}, "A: 1"},
		{"A: 1", []Header{{"A", "2"}}, "A: 2"},
		{"A: 1\nAb: 2", []Header{{"A", ""}}, "Ab: 2"},
		{"A: 1", []Header{{"A", ""}}, ""},
		{"A: 1", []Header{{"B", ""}, {"C", "3"}}, "A: 1\nC: 3"},
	} {
		if got := WithHeaders(c.have, c.change); got != c.want {
			t.Errorf("%q with %v is %q, want %q", c.have, c.change, got, c.want)
		}
	}
}

// TestWhatAListSaysOfAFeed that is there: see Keep and Believe.
func TestWhatAListSaysOfAFeed(t *testing.T) {
	said := func(title, category string) feeds.Subscription {
		return feeds.Subscription{Title: title, Category: category}
	}
	flat, folders := Believe(false), Believe(true)
	for name, c := range map[string]struct {
		choose     Choice
		have, said feeds.Subscription
		want       feeds.Subscription
		changed    bool
	}{
		"kept":                       {Keep, said("a", "c"), said("b", "d"), said("a", "c"), false},
		"given where there was none": {Keep, said("", ""), said("b", "d"), said("b", "d"), true},
		"a category alone":           {Keep, said("a", ""), said("b", "d"), said("a", "d"), true},
		"a name alone":               {Keep, said("", "c"), said("b", "d"), said("b", "c"), true},
		"believed":                   {flat, said("a", "c"), said("b", ""), said("b", "c"), true},
		"not said":                   {flat, said("a", "c"), said("", ""), said("a", "c"), false},
		"in none of the folders":     {folders, said("a", "c"), said("a", ""), said("a", ""), true},
		"the feed's own title":       {flat, said("a", "c"), said("own", ""), said("", "c"), true},
		"the same as it is":          {flat, said("", "c"), said("own", ""), said("", "c"), false},
		"a name that is the title":   {Keep, said("own", ""), said("b", ""), said("own", ""), false},
		"a title that is kept":       {Keep, said("a", ""), said("own", ""), said("a", ""), false},
	} {
		if got, changed := c.choose.Of(c.have, c.said, "own"); got != c.want || changed != c.changed {
			t.Errorf("%s: got %+v, changed %v; want %+v, %v", name, got, changed, c.want, c.changed)
		}
	}
}

// TestALabelIsWhatPeopleKnow of a feed, and no password.
func TestALabelIsWhatPeopleKnow(t *testing.T) {
	for want, f := range map[string]Feed{
		"name": {Name: "name", Title: "title", URL: "http://h/"}, "title": {Title: "title", URL: "http://h/"}, "http://xxxxx@h/": {URL: "http://u:p@h/"},
	} {
		if got := f.Label(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
