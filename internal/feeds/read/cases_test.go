package read

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"feedmill/internal/feeds"
)

// caseFolder returns the folder of documents with right values that stands beside
// the corpus; empty when there is none.
func caseFolder() string {
	dir := filepath.Join(os.Getenv("FEEDMILL_CORPUS"), "..", "cases", "reader")
	if _, err := os.Stat(filepath.Join(dir, "want.json")); err != nil || os.Getenv("FEEDMILL_CORPUS") == "" {
		return ""
	}
	return dir
}

// TestCasesHaveTheirRightValues reads the documents beside the corpus.
func TestCasesHaveTheirRightValues(t *testing.T) {
	dir := caseFolder()
	if dir == "" {
		t.Skip("no folder of cases beside the one that FEEDMILL_CORPUS names")
	}
	text, err := os.ReadFile(filepath.Join(dir, "want.json"))
	if err != nil {
		t.Fatal(err)
	}
	var checks []struct {
		File   string
		Items  *int
		Item   int
		Column string
		Want   any
	}
	if err := json.Unmarshal(text, &checks); err != nil {
		t.Fatal(err)
	}
	for _, c := range checks {
		body, err := os.ReadFile(filepath.Join(dir, c.File))
		if err != nil {
			t.Fatal(err)
		}
		d, err := readAs(feeds.ParserAuto, body, "", "http://ex.org/feed.xml")
		if d == nil {
			t.Errorf("%s: %v", c.File, err)
			continue
		}
		if c.Items != nil {
			if len(d.Items) != *c.Items {
				t.Errorf("%s: got %d items, want %d", c.File, len(d.Items), *c.Items)
			}
			continue
		}
		at := c.Item
		if at < 0 {
			at += len(d.Items)
		}
		if at < 0 || at >= len(d.Items) {
			t.Errorf("%s: got %d items and no item %d", c.File, len(d.Items), c.Item)
			continue
		}
		it := &d.Items[at]
		got := map[string]any{
			"guid": it.GUID, "link": it.Link, "title": it.Title, "author": it.Author, "summary": it.Summary, "content": it.Content,
			"image": it.Image, "published": float64(it.Published), "updated": float64(it.Updated),
		}[c.Column]
		if c.Column == "categories" {
			list := []any{}
			for _, category := range it.Categories {
				list = append(list, category)
			}
			if want, _ := c.Want.([]any); !slices.Equal(list, want) {
				t.Errorf("%s: got %q, want %q", c.File, list, want)
			}
			continue
		}
		if s, ok := got.(string); ok && (c.Column == "content" || c.Column == "summary") {
			got = sameHTML(s)
			c.Want = sameHTML(c.Want.(string))
		}
		if got != c.Want {
			t.Errorf("%s: %s: got %q, want %q", c.File, c.Column, got, c.Want)
		}
	}
}

// sameHTML spells HTML in one of the ways that mean the same.
func sameHTML(s string) string {
	return strings.NewReplacer("/>", ">", "></br>", ">", "></img>", ">", "&gt;", ">").Replace(s)
}
