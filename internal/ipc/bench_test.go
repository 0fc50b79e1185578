package ipc

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"feedmill/internal/feeds"
)

// benchItems returns n items whose content has the given length.
func benchItems(n, content int) []feeds.Item {
	items := make([]feeds.Item, n)
	for i := range items {
		items[i] = feeds.Item{
			Key: feeds.Key{byte(i), byte(i >> 8)}, Hash: uint64(i) + 1,
			GUID: fmt.Sprintf("https://example.org/?p=%d", i), Link: fmt.Sprintf("https://example.org/%d", i),
			Title: "A title of ordinary length, as they are", Author: "Ann", Published: 1767225600,
			Content: strings.Repeat("x", content), Categories: []string{"news", "go"},
		}
	}
	return items
}

// shapes are the sizes that benchmarks try: items by their content, and as many
// as fill a frame.
var shapes = []struct{ n, content int }{{1000, 100}, {120, 2 << 10}, {4, 64 << 10}}

func BenchmarkEncode(b *testing.B) {
	for _, s := range shapes {
		b.Run(fmt.Sprintf("content=%d", s.content), func(b *testing.B) {
			m := &Message{Items: &Items{ID: 1, Items: benchItems(s.n, s.content)}}
			c := NewConn(strings.NewReader(""), io.Discard, 0)
			b.SetBytes(int64(len(frameOf(b, m))))
			b.ReportAllocs()
			for b.Loop() {
				if err := c.Send(m); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*s.n), "ns/item")
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, s := range shapes {
		b.Run(fmt.Sprintf("content=%d", s.content), func(b *testing.B) {
			payload := frameOf(b, &Message{Items: &Items{ID: 1, Items: benchItems(s.n, s.content)}})[headerSize:]
			b.SetBytes(int64(len(payload)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := decodeMessage(kindItems, payload); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*s.n), "ns/item")
		})
	}
}

// BenchmarkReceive is a frame's way in from memory: header, buffer, checksum
// and decoding.
func BenchmarkReceive(b *testing.B) {
	one := frameOf(b, &Message{Items: &Items{ID: 1, Items: benchItems(120, 2<<10)}})
	b.SetBytes(int64(len(one)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := NewConn(bytes.NewReader(one), io.Discard, 0).Recv(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPipe is a frame's way through a real pipe, from one goroutine to
// another, with the raw pipe beside it: the same number of bytes in writes of
// the same length, read into one buffer.
func BenchmarkPipe(b *testing.B) {
	m := &Message{Items: &Items{ID: 1, Items: benchItems(120, 2<<10)}}
	size := len(frameOf(b, m))
	b.Run("frames", func(b *testing.B) {
		r, w := pipe(b)
		from, to := NewConn(strings.NewReader(""), w, 0), NewConn(r, io.Discard, 0)
		done := make(chan error, 1)
		b.SetBytes(int64(size))
		go func() {
			defer w.Close()
			for range b.N {
				if err := from.Send(m); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
		b.ResetTimer()
		for range b.N {
			if _, err := to.Recv(); err != nil {
				b.Fatal(err)
			}
		}
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	})
	b.Run("raw", func(b *testing.B) {
		r, w := pipe(b)
		done := make(chan error, 1)
		buf := make([]byte, size)
		b.SetBytes(int64(size))
		go func() {
			defer w.Close()
			out := make([]byte, size)
			for range b.N {
				if _, err := w.Write(out); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
		b.ResetTimer()
		for range b.N {
			if _, err := io.ReadFull(r, buf); err != nil {
				b.Fatal(err)
			}
		}
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	})
}

func pipe(b *testing.B) (r, w *os.File) {
	b.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}
