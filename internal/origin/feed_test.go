package origin

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"testing"
	"time"
)

// render returns the document of a feed without the network.
func render(s *Server, n int, f format, epoch, items, bytes int) []byte {
	return s.content.render(nil, view{number: n, format: f, version: s.content.version(n, epoch), items: items, bytes: bytes})
}

func TestBytesOfASeedAreFixed(t *testing.T) {
	// A change of these sums is a change of every benchmark's input: make it
	// only on purpose.
	want := map[format]string{
		rss:      "ad8f7ebc957c5121",
		atom:     "13279d4c54d140b8",
		rdf:      "fd83106757ad2f04",
		jsonFeed: "fd08827f2fe1a65b",
	}
	s := quiet(t, Options{Seed: 42})
	for f, sum := range want {
		h := sha256.New()
		for n := range 10 {
			h.Write(render(s, n, f, 3, 20, 1000))
		}
		if got := hex.EncodeToString(h.Sum(nil)[:8]); got != sum {
			t.Errorf("%s of seed 42: got %s, want %s", f, got, sum)
		}
	}
	other := quiet(t, Options{Seed: 43})
	if bytes.Equal(render(s, 0, rss, 0, 20, 1000), render(other, 0, rss, 0, 20, 1000)) {
		t.Error("feed 0 of seeds 42 and 43: got equal bytes, want others")
	}
}

func TestGeneratedFeedsAreWellFormed(t *testing.T) {
	s := quiet(t, Options{Seed: 7, NewsEvery: 3})
	for n := range 12 {
		for _, size := range []int{1, 300, 1000, 4000} {
			for _, f := range formats {
				doc := render(s, n, f, 5, 12, size)
				if got := countItems(t, f, doc); got != 12 {
					t.Fatalf("feed %d as %s with items of %d bytes: got %d items, want 12", n, f, size, got)
				}
			}
		}
	}
}

// countItems parses a document strictly and counts its items.
func countItems(t testing.TB, f format, doc []byte) int {
	t.Helper()
	if f == jsonFeed {
		var feed struct {
			Version string `json:"version"`
			Items   []struct {
				ID   string `json:"id"`
				HTML string `json:"content_html"`
				Date time.Time
			} `json:"items"`
		}
		if err := json.Unmarshal(doc, &feed); err != nil {
			t.Fatalf("parse %s: %v\n%s", f, err, doc)
		}
		return len(feed.Items)
	}
	d := xml.NewDecoder(bytes.NewReader(doc))
	count := 0
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return count
		} else if err != nil {
			t.Fatalf("parse %s: %v\n%s", f, err, doc)
		}
		if e, ok := tok.(xml.StartElement); ok && (e.Name.Local == "item" || e.Name.Local == "entry") {
			count++
		}
	}
}

func TestItemsAreAboutAsLargeAsAsked(t *testing.T) {
	s := quiet(t, Options{})
	for _, f := range formats {
		for _, size := range []int{700, 1000, 2000, 10_000} {
			total := 0
			for n := range 20 {
				total += len(render(s, n, f, 0, 40, size)) - len(render(s, n, f, 0, 0, size))
			}
			if got := total / (20 * 40); got < size*85/100 || got > size*115/100 {
				t.Errorf("item of %s: got %d bytes on average, want about %d", f, got, size)
			}
		}
	}
}

// itemIDs returns the guids of an RSS document in order.
func itemIDs(t testing.TB, doc []byte) []string {
	t.Helper()
	var feed struct {
		Items []struct {
			GUID string `xml:"guid"`
		} `xml:"channel>item"`
	}
	if err := xml.Unmarshal(doc, &feed); err != nil {
		t.Fatalf("parse RSS: %v", err)
	}
	var ids []string
	for _, it := range feed.Items {
		ids = append(ids, it.GUID)
	}
	return ids
}

func TestAnEpochAddsOneItemAtTheTop(t *testing.T) {
	s := quiet(t, Options{Feeds: 5})
	for n := range 5 {
		for e := range 4 {
			before, after := itemIDs(t, render(s, n, rss, e, 8, 600)), itemIDs(t, render(s, n, rss, e+1, 8, 600))
			if !slices.Equal(before[:7], after[1:]) || slices.Contains(before, after[0]) {
				t.Errorf("feed %d, epoch %d to %d: got %v after %v, want one new id first and the rest moved down", n, e, e+1, after, before)
			}
		}
	}
	if got := s.TotalNews(2, 5); got != 15 {
		t.Errorf("news of 5 feeds in 3 epochs: got %d, want 15", got)
	}
}

func TestNewsComesOnceInSoManyEpochs(t *testing.T) {
	const k = 4
	s := quiet(t, Options{Feeds: 400, NewsEvery: k})
	for n := range s.Feeds() {
		for e := range 20 {
			if got := s.News(n, e, e+k); got != 1 {
				t.Fatalf("feed %d, epochs %d to %d: got %d new items, want 1", n, e, e+k, got)
			}
			changed := !bytes.Equal(render(s, n, atom, e, 2, 100), render(s, n, atom, e+1, 2, 100))
			if news := s.News(n, e, e+1) == 1; news != changed {
				t.Fatalf("feed %d, epoch %d to %d: got changed %v, want %v", n, e, e+1, changed, news)
			}
		}
	}
	if got := s.TotalNews(0, 1); got < 60 || got > 140 {
		t.Errorf("feeds with news in one epoch: got %d of 400, want about 100", got)
	}
	if never := quiet(t, Options{NewsEvery: -1}); never.TotalNews(0, 50) != 0 {
		t.Errorf("news without any: got %d, want 0", never.TotalNews(0, 50))
	}
}
