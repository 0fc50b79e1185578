package ipc

import (
	"bytes"
	"fmt"
	"io"
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
// as nearly fill a frame.
var shapes = []struct{ n, content int }{
	{PieceSize * 9 / 10 / 250, 100}, {PieceSize * 9 / 10 / 2200, 2 << 10}, {PieceSize * 9 / 10 / (64 << 10), 64 << 10},
}

func BenchmarkEncode(b *testing.B) {
	for _, s := range shapes {
		b.Run(fmt.Sprintf("content=%d", s.content), func(b *testing.B) {
			m := &Items{ID: 1, Items: benchItems(s.n, s.content)}
			c := NewConn(strings.NewReader(""), io.Discard, Options{})
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
			payload := frameOf(b, &Items{ID: 1, Items: benchItems(s.n, s.content)})[headerSize:]
			b.SetBytes(int64(len(payload)))
			b.ReportAllocs()
			for b.Loop() {
				_, err := decodeMessage(kindItems, payload)
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*s.n), "ns/item")
		})
	}
}

// BenchmarkReceive is a frame's way in from memory: header, buffer, checksum and
// decoding.
func BenchmarkReceive(b *testing.B) {
	for _, s := range shapes {
		b.Run(fmt.Sprintf("content=%d", s.content), func(b *testing.B) {
			one := frameOf(b, &Items{ID: 1, Items: benchItems(s.n, s.content)})
			b.SetBytes(int64(len(one)))
			b.ReportAllocs()
			for b.Loop() {
				c := NewConn(bytes.NewReader(one), io.Discard, Options{})
				_, err := c.Recv()
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
