package main

import (
	"bytes"
	"context"
	"net/netip"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/origin"
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
		t.Errorf("it says %q, want 4 feeds differ", v)
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

// TestVerifyTakesGofeedForASecondOpinion: other texts and fewer items are counted,
// more items are a difference.
func TestVerifyTakesGofeedForASecondOpinion(t *testing.T) {
	first := map[string]store.Digest{
		"text":  {Class: feeds.OK, Items: 2, Sum: [32]byte{1}},
		"fewer": {Class: feeds.OK, Items: 2, Sum: [32]byte{1}},
	}
	got := map[string]store.Digest{
		"text":  {Class: feeds.OK, Items: 2, Sum: [32]byte{2}},
		"fewer": {Class: feeds.Truncated, Items: 1, Sum: [32]byte{2}},
	}
	from := map[string]string{"text": "http://example.org/text", "fewer": "http://example.org/fewer"}
	differ := make(map[string][]string)
	gofeed := way{"pipe", "gofeed"}
	if v := judgeDigests(first, got, gofeed, from, differ); v != "another opinion of 2 feeds" || len(differ) > 0 {
		t.Errorf("it says %q, differences %v; want another opinion of 2 feeds, and none", v, differ)
	}
	got["text"] = store.Digest{Class: feeds.OK, Items: 3}
	judgeDigests(first, got, gofeed, from, differ)
	if want := "pipe, reader gofeed: 3 items, ok, not 2, ok"; len(differ) != 1 || differ[from["text"]][0] != want {
		t.Errorf("differences %v, want %q", differ, want)
	}
}

// TestCollectKeepsEveryDocument: while documents still come, the reports of the
// first ones look for theirs. There are more feeds than a group commit holds.
func TestCollectKeepsEveryDocument(t *testing.T) {
	server, err := origin.New(origin.Options{Addr: "127.0.0.1:0", Feeds: 600, Hosts: 60, Items: 1})
	if err != nil {
		t.Fatal(err)
	}
	serving, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(serving) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	var stdout, stderr bytes.Buffer
	a := &app{stdout: &stdout, stderr: &stderr}
	v := &verify{quiet: true}
	v.fetch.allowNet.all, v.fetch.timeout = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, time.Minute
	v.runner.workers = 4
	in := &input{given: true, feeds: newGathering()}
	for u := range server.URLs() {
		in.feeds.add(feeds.Subscription{URL: u})
	}
	kept, err := a.collect(t.Context(), v, in, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if len(kept.names) != in.feeds.n || stdout.Len() > 0 {
		t.Errorf("%d documents of %d feeds were kept, and it says %q", len(kept.names), in.feeds.n, stdout.String())
	}
}
