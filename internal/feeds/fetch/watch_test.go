package fetch

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"

	"feedmill/internal/feeds"
)

// A diary is an Observer that writes down what it is told.
type diary struct {
	lines []string
	bytes int64
}

func (d *diary) Guarding(job int64, body []byte) {
	d.lines = append(d.lines, fmt.Sprintf("guard %d, %d bytes", job, len(body)))
}
func (d *diary) Parsing(job int64)  { d.lines = append(d.lines, fmt.Sprintf("parse %d", job)) }
func (d *diary) Parsed(bytes int64) { d.bytes = bytes }
func (d *diary) Read()              { d.lines = append(d.lines, "read") }

func TestAnObserverIsToldOfEveryDocument(t *testing.T) {
	body := feedBody(300)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/feed" {
			io.WriteString(w, body)
		} else {
			io.WriteString(w, "<html><title>no feed</title></html>")
		}
	})
	d := &diary{}
	r := refresher(t, feeds.Options{Parser: feeds.ParserGofeed})
	r.Observe(d)
	good := r.Refresh(t.Context(), feeds.Job{ID: 7, URL: s.URL + "/feed"})
	bad := r.Refresh(t.Context(), feeds.Job{ID: 8, URL: s.URL + "/page"})
	if good.Class != feeds.OK || bad.Class != feeds.NotAFeed {
		t.Fatalf("got %s and %s, want a feed and none", good.Class, bad.Class)
	}
	want := []string{fmt.Sprintf("guard 7, %d bytes", len(body)), "parse 7", "read", "guard 8, 35 bytes", "read"}
	if !slices.Equal(d.lines, want) {
		t.Errorf("told\n%q, want\n%q", d.lines, want)
	}
	if d.bytes < int64(len(body))/2 || d.bytes > int64(len(body)) {
		t.Errorf("it was told of %d bytes of %d", d.bytes, len(body))
	}
}
