package read

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"feedmill/internal/feeds"
)

// readerFeeds returns feeds to measure the readers with: the real ones that
// FEEDMILL_CORPUS names, without JSON, and generated ones.
func readerFeeds(tb testing.TB) map[string][][]byte {
	sets := map[string][][]byte{"generated": {generateRSS(20, 1500), generateRSS(50, 300), generateRSS(10, 20_000)}}
	for _, file := range corpusFiles() {
		if filepath.Ext(file) == ".json" {
			continue
		}
		body, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		sets["real"] = append(sets["real"], body)
	}
	return sets
}

// BenchmarkReaders shows the whole way of a document with each reader, and how
// many times as fast the fast one is: at least ten on real feeds. The readers
// take turns, and the fastest of each one's turns counts, so that it can be
// measured on a machine that has other things to do. Run it with GOMAXPROCS=1.
func BenchmarkReaders(b *testing.B) {
	for name, docs := range readerFeeds(b) {
		b.Run(name, func(b *testing.B) {
			size := 0
			for _, doc := range docs {
				size += len(doc)
			}
			best := make([][2]time.Duration, len(docs))
			for b.Loop() {
				for i, doc := range docs {
					for p := range best[i] {
						begin := time.Now()
						if _, err := readAs(feeds.Parser(p), doc, "", "https://gen.example/feed"); err != nil {
							b.Fatal(err)
						}
						if took := time.Since(begin); best[i][p] == 0 || took < best[i][p] {
							best[i][p] = took
						}
					}
				}
			}
			var took [2]time.Duration
			for i := range best {
				took[feeds.ParserAuto] += best[i][feeds.ParserAuto]
				took[feeds.ParserGofeed] += best[i][feeds.ParserGofeed]
			}
			b.ReportMetric(float64(size)/1e6/took[feeds.ParserAuto].Seconds(), "fast-MB/s")
			b.ReportMetric(float64(size)/1e6/took[feeds.ParserGofeed].Seconds(), "gofeed-MB/s")
			b.ReportMetric(took[feeds.ParserGofeed].Seconds()/took[feeds.ParserAuto].Seconds(), "times-as-fast")
			b.ReportMetric(allocsPerItem(b, docs), "allocs/item")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// allocsPerItem returns how many allocations the fast reader needs for an item
// of docs.
func allocsPerItem(tb testing.TB, docs [][]byte) float64 {
	items := 0
	allocs := testing.AllocsPerRun(5, func() {
		items = 0
		for _, doc := range docs {
			d, err := readAs(feeds.ParserAuto, doc, "", "https://gen.example/feed")
			if err != nil {
				tb.Fatal(err)
			}
			items += len(d.Items)
		}
	})
	return allocs / float64(items)
}

// TestFastReaderAllocatesLittle promises at most 4 allocations an item.
func TestFastReaderAllocatesLittle(t *testing.T) {
	if racing {
		t.Skip("allocations cannot be counted under the race detector")
	}
	for name, docs := range readerFeeds(t) {
		if got := allocsPerItem(t, docs); got > 4 {
			t.Errorf("%s feeds: got %.1f allocations an item, want at most 4", name, got)
		}
	}
}
