package fetch

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"feedmill/internal/feeds"
)

// BenchmarkNotModified refreshes feeds whose server answers 304, beside a bare
// client that makes the same requests, both over kept connections.
func BenchmarkNotModified(b *testing.B) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) }))
	defer s.Close()
	b.Run("bare", func(b *testing.B) {
		client := s.Client()
		b.ReportAllocs()
		for b.Loop() {
			req, err := http.NewRequest("GET", s.URL, nil)
			if err != nil {
				b.Fatal(err)
			}
			req.Header.Set("If-None-Match", `"x"`)
			resp, err := client.Do(req)
			if err != nil {
				b.Fatal(err)
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	})
	job := feeds.Job{ID: 1, URL: s.URL, Validators: feeds.Validators{ETag: `"x"`}}
	b.Run("refresh", func(b *testing.B) {
		r := refresher(b, feeds.Options{})
		b.ReportAllocs()
		for b.Loop() {
			if res := r.Refresh(b.Context(), job); res.Class != feeds.NotModified {
				b.Fatalf("%s: %s", res.Class, res.Detail)
			}
		}
	})
	b.Run("run", func(b *testing.B) {
		r := refresher(b, feeds.Options{})
		b.ReportAllocs()
		in := make(chan feeds.Job, 64)
		n := b.N
		go func() {
			defer close(in)
			for id := range n {
				job.ID = int64(id + 1)
				in <- job
			}
		}()
		r.Run(b.Context(), in, func(res feeds.Result) {
			if res.Class != feeds.NotModified {
				b.Errorf("%s: %s", res.Class, res.Detail)
			}
		})
	})
}

// BenchmarkUnchanged refreshes feeds whose server knows no validators and has
// nothing new.
func BenchmarkUnchanged(b *testing.B) {
	for _, items := range []int{10, 100} {
		body := feedBody(items)
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) }))
		b.Run(strconv.Itoa(items)+"-items", func(b *testing.B) {
			r := refresher(b, feeds.Options{})
			job := feeds.Job{ID: 1, URL: s.URL, BodyHash: bodyHash([]byte(body))}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if res := r.Refresh(b.Context(), job); res.Class != feeds.Unchanged {
					b.Fatalf("%s: %s", res.Class, res.Detail)
				}
			}
		})
		s.Close()
	}
}
