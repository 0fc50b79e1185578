package main

import (
	"maps"
	"testing"

	"feedmill/internal/feeds"
)

// TestReadersSayWhyTheFastOneDeclined counts a document of each kind.
func TestReadersSayWhyTheFastOneDeclined(t *testing.T) {
	r := readers{Declined: make(map[string]int)}
	for _, res := range []feeds.Result{
		{Reader: feeds.ReaderFast}, {}, {Reader: feeds.ReaderGofeed},
		{Reader: feeds.ReaderGofeed, Declined: feeds.DeclineMarkup},
		{Reader: feeds.ReaderGofeed, Declined: feeds.DeclineJSON},
		{Reader: feeds.ReaderGofeed, Declined: feeds.DeclineMarkup},
	} {
		r.count(&res)
	}
	want := map[string]int{"markup": 2, "json": 1}
	if r.Fast != 1 || r.Gofeed != 4 || !maps.Equal(r.Declined, want) {
		t.Errorf("got %d fast, %d gofeed, %v; want 1, 4, %v", r.Fast, r.Gofeed, r.Declined, want)
	}
}
