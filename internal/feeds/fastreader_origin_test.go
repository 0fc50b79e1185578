package feeds

import (
	"context"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"feedmill/internal/origin"
)

// startOrigin runs a feed server for the length of the test.
func startOrigin(t *testing.T, o origin.Options) *origin.Server {
	t.Helper()
	s, err := origin.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("origin: %v", err)
		}
	})
	return s
}

// TestReadersAgreeOverEpochs refreshes generated feeds that move on, once with all
// that makes it fast and once with gofeed and no memory of the last time.
func TestReadersAgreeOverEpochs(t *testing.T) {
	s := startOrigin(t, origin.Options{Feeds: 26, Hosts: 13, Items: 12, Bytes: 600, NewsEvery: 2})
	fast, slow := refresher(t, Options{PerHost: 2}), refresher(t, Options{PerHost: 2, Parser: ParserGofeed})
	jobs := map[string]Job{}
	for u := range s.URLs() {
		jobs[u] = Job{ID: int64(len(jobs) + 1), URL: u}
	}
	readers, remembered := map[Reader]int{}, 0
	for epoch := range 6 {
		s.SetEpoch(epoch)
		for u, job := range jobs {
			got := fast.Refresh(t.Context(), job)
			job.Spans, remembered = "", remembered+len(job.Spans)
			want := slow.Refresh(t.Context(), job)
			readers[got.Reader]++
			job.Spans, job.BodyHash = got.Spans, got.BodyHash
			if got.Class != OK {
				job.Spans = jobs[u].Spans
			}
			for _, it := range got.Items {
				job.Known = append(job.Known, Known{it.Key, it.Hash})
			}
			jobs[u] = job
			for _, res := range []*Result{&got, &want} {
				res.Cost, res.Reader, res.Declined, res.Spans, res.Validators = Cost{}, 0, 0, "", Validators{}
			}
			if !got.Class.OK() || !reflect.DeepEqual(got, want) {
				t.Fatalf("epoch %d, %s: got\n%+v, want\n%+v", epoch, u, got, want)
			}
		}
	}
	if readers[ReaderFast] < 26 || remembered == 0 {
		t.Errorf("read by %v, %d bytes remembered", readers, remembered)
	}
}

// TestReadersAgreeOnHostileDocuments compares both readers on what the hostile
// origin serves, as far as it comes at once.
func TestReadersAgreeOnHostileDocuments(t *testing.T) {
	s := startOrigin(t, origin.Options{Feeds: -1})
	client := &http.Client{Timeout: 5 * time.Second}
	compared, size := 0, int64(1<<20)
	if racing {
		size = 1 << 17 // gofeed takes its time
	}
	for _, c := range origin.Hostile() {
		if !strings.HasPrefix(c.Want, "ok") && !strings.HasPrefix(c.Want, "parse") && !strings.HasPrefix(c.Want, "truncated") {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			resp, err := client.Get(s.HostileURL(c.Name))
			if err != nil {
				return // there is no document, which others test
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(io.LimitReader(resp.Body, size))
			if err != nil {
				return // nor a whole one
			}
			if d := compareReaders(t, body, resp.Header.Get("Content-Type"), s.HostileURL(c.Name)); d != 0 {
				t.Logf("declined: %v", d)
			}
			compared++
		})
	}
	if compared < 20 {
		t.Errorf("%d documents compared, want at least 20", compared)
	}
}
