package main

import (
	"testing"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

// TestVerifyNamesWhatDiffers: a list that is shorter, another class, another
// text, a feed that is missing.
func TestVerifyNamesWhatDiffers(t *testing.T) {
	digest := func(class feeds.Class, items int, text byte) store.Digest {
		return store.Digest{Class: class, Items: items, Sum: [32]byte{text}}
	}
	first := map[string]store.Digest{
		"same": digest(feeds.OK, 2, 1), "text": digest(feeds.OK, 2, 1), "items": digest(feeds.OK, 2, 1),
		"class": digest(feeds.OK, 2, 1), "missing": digest(feeds.OK, 2, 1),
	}
	got := map[string]store.Digest{
		"same": digest(feeds.OK, 2, 1), "text": digest(feeds.OK, 2, 9), "items": digest(feeds.OK, 1, 9),
		"class": digest(feeds.Truncated, 2, 9),
	}
	from := make(map[string]string)
	for u := range first {
		from[u] = "http://example.org/" + u
	}
	differ := make(map[string][]string)
	if v := judgeDigests(first, got, way{"shm", "auto"}, from, differ); v != "4 feeds differ" {
		t.Errorf("verdict %q, want 4 feeds differ", v)
	}
	for u, want := range map[string]string{
		"text":    "shm, reader auto: other text",
		"items":   "shm, reader auto: 1 items, ok, not 2, ok",
		"class":   "shm, reader auto: 2 items, truncated, not 2, ok",
		"missing": "shm, reader auto: 0 items, missing, not 2, ok",
	} {
		if ways := differ[from[u]]; len(ways) != 1 || ways[0] != want {
			t.Errorf("%s: %q, want %q", u, ways, want)
		}
	}
	if len(differ) != 4 {
		t.Errorf("%d feeds differ, want 4: %v", len(differ), differ)
	}
}
