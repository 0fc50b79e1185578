package feeds

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"testing"
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
	r := refresher(t, Options{Parser: ParserGofeed})
	r.Observe(d)
	good := r.Refresh(t.Context(), Job{ID: 7, URL: s.URL + "/feed"})
	bad := r.Refresh(t.Context(), Job{ID: 8, URL: s.URL + "/page"})
	if good.Class != OK || bad.Class != NotAFeed {
		t.Fatalf("got %s and %s, want a feed and none", good.Class, bad.Class)
	}
	want := []string{fmt.Sprintf("guard 7, %d bytes", len(body)), "parse 7", "read", "guard 8, 35 bytes", "read"}
	if !slices.Equal(d.lines, want) {
		t.Errorf("told\n%q, want\n%q", d.lines, want)
	}
	if d.bytes < int64(len(body))/2 || d.bytes > int64(len(body)) {
		t.Errorf("it was told of %d bytes of %d", d.bytes, len(body))
	}
	// One thread uses no more CPU time than passes, but for what two clocks
	// differ by: a tenth is far more. That of the process, or in another unit,
	// would be more still.
	if runtime.GOOS == "linux" && (good.Cost.ParseCPU <= 0 || good.Cost.ParseCPU > good.Cost.Parse*11/10) {
		t.Errorf("parsing took %v of CPU and %v in all", good.Cost.ParseCPU, good.Cost.Parse)
	}
}
