package main

import (
	"testing"

	"feedmill/internal/feeds"
)

// TestReportSaysWhoReadTheDocuments counts a document of each kind.
func TestReportSaysWhoReadTheDocuments(t *testing.T) {
	var r readers
	for _, res := range []feeds.Result{{Reader: feeds.ReaderFast}, {}, {Reader: feeds.ReaderGofeed}, {Reader: feeds.ReaderGofeed}} {
		r.count(&res)
	}
	if r.Fast != 1 || r.Gofeed != 2 {
		t.Errorf("got %d fast, %d gofeed; want 1, 2", r.Fast, r.Gofeed)
	}
}
