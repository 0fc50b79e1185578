package read

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mmcdole/gofeed"

	"feedmill/internal/feeds"
)

// corpusFiles returns the real feeds in the folder that FEEDMILL_CORPUS names;
// none when it names none.
func corpusFiles() []string {
	dir := os.Getenv("FEEDMILL_CORPUS")
	if dir == "" {
		return nil
	}
	files, _ := filepath.Glob(filepath.Join(dir, "real", "*"))
	return files
}

// TestCorpusGivesWhatGofeedGives reads real feeds and compares the number of
// items with gofeed's. What differs is argued for here.
func TestCorpusGivesWhatGofeedGives(t *testing.T) {
	files := corpusFiles()
	if len(files) == 0 {
		t.Skip("FEEDMILL_CORPUS names no folder with real feeds")
	}
	type outcome struct {
		class feeds.Class
		items int // -1: as many as gofeed finds
		notes []string
	}
	argued := map[string]outcome{
		"ScriptingNews.json":   {feeds.OK, 50, nil},                        // RSS in JSON; gofeed finds a feed without items
		"allthis-partial.json": {feeds.Truncated, 2, nil},                  // cut off before its version; gofeed drops it all
		"rose.json":            {feeds.OK, 84, []string{"types repaired"}}, // tags as a string; gofeed refuses it
	}
	for _, file := range files {
		name := filepath.Base(file)
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, ok := argued[name]
		if !ok {
			want = outcome{feeds.OK, -1, nil}
		}
		if want.items < 0 {
			feed, err := gofeed.NewParser().Parse(bytes.NewReader(body))
			if err != nil {
				t.Fatalf("%s: gofeed says %v", name, err)
			}
			want.items = len(feed.Items)
		}
		got := outcome{class: feeds.OK}
		d, err := readAs(feeds.ParserAuto, body, "", "https://example.org/feed")
		if err != nil {
			got.class = err.(*feeds.Failure).Class
		}
		if d != nil {
			got.items, got.notes = len(d.Items), d.Notes
		}
		if got.class != want.class || got.items != want.items || !slices.Equal(got.notes, want.notes) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}
