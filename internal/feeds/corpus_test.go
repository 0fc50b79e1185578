package feeds

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mmcdole/gofeed"
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
		class Class
		items int // -1: as many as gofeed finds
		notes []string
	}
	argued := map[string]outcome{
		"ScriptingNews.json":   {NotAFeed, 0, nil},                      // RSS in the shape of JSON; gofeed takes any object for a feed
		"allthis-partial.json": {Truncated, 2, nil},                     // cut off before its version; gofeed drops it all
		"rose.json":            {OK, 84, []string{"types repaired"}},    // tags as a string; gofeed refuses it
		"scriptingNews.rss":    {OK, 48, []string{"2 duplicate items"}}, // two items are there twice, guid and link
	}
	for _, file := range files {
		name := filepath.Base(file)
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, ok := argued[name]
		if !ok {
			want = outcome{OK, -1, nil}
		}
		if want.items < 0 {
			feed, err := gofeed.NewParser().Parse(bytes.NewReader(body))
			if err != nil {
				t.Fatalf("%s: gofeed says %v", name, err)
			}
			want.items = len(feed.Items)
		}
		got := outcome{class: OK}
		d, err := ReadDocument(body, "", "https://example.org/feed")
		if err != nil {
			got.class = err.(*Failure).Class
		}
		if d != nil {
			got.items, got.notes = len(d.Items), d.Notes
		}
		if got.class != want.class || got.items != want.items || !slices.Equal(got.notes, want.notes) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}
