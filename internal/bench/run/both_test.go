//go:build linux

package run

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/read"
)

// The children of TestWhatAFuzzerMakes read "own,FOLDER,200,7": the document that is
// drawn of a folder's with seed 207, as this project reads, or "bare", as most do.
func init() {
	known := kill
	kill = func(name string) error {
		f := strings.Split(name, ",")
		if len(f) != 4 {
			return known(name)
		}
		var base, i uint64
		if _, err := fmt.Sscan(f[2]+" "+f[3], &base, &i); err != nil {
			return err
		}
		doc := damaged(f[1], base+i)
		if f[0] == "bare" {
			return errors.Join(readGofeed(string(doc)), readTree(string(doc)))
		}
		_, err := read.Read(&feeds.Body{Bytes: doc, ContentType: "application/xml", URL: "http://127.0.0.1/"})
		return err
	}
}

// damaged returns a real feed after some damage: pieces of it and of others that are
// put elsewhere, left out or, now and then, repeated up to some megabytes.
func damaged(folder string, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 0))
	files, _ := filepath.Glob(filepath.Join(folder, "*"))
	part := func(b []byte) []byte { // often from one < to another one
		from := r.IntN(len(b))
		to := min(len(b), from+1+r.IntN(1<<r.IntN(12)))
		if i, j := bytes.IndexByte(b[from:], '<'), bytes.IndexByte(b[to:], '<'); r.IntN(3) > 0 && i >= 0 && j > 0 {
			from, to = from+i, max(from+i, to+j)
		}
		return b[from:to]
	}
	load := func() []byte {
		b, _ := os.ReadFile(files[r.IntN(len(files))])
		return append([]byte("<"), b[:min(len(b), 64<<10)]...)[1:]
	}
	tokens := []string{"<![CDATA[", "]]>", "<!--", "<!DOCTYPE a [<!ENTITY b 'c'>", "&b;", "&#x1F;", "<a xmlns:b='c'>", "</item>", "<item>", "\x00", "\xff", "'", `"`, "<?xml encoding='utf-7'?>"}
	doc, other := load(), load()
	for range 1 + r.IntN(6) {
		at := r.IntN(len(doc) + 1)
		piece := part(append(slices.Clone(doc), '<'))
		switch r.IntN(5) {
		case 0:
			piece = part(append(other, '<'))
		case 1:
			piece = []byte(tokens[r.IntN(len(tokens))])
		case 2:
			piece = bytes.Repeat(piece, min(1<<r.IntN(21), 6<<20/max(len(piece), 1)))
		case 3:
			piece, doc = nil, slices.Delete(doc, at, min(len(doc), at+len(piece)))
		}
		doc = slices.Insert(doc, min(at, len(doc)), piece...)
	}
	return doc
}

// TestWhatAFuzzerMakes tells what damaged feeds do, FEEDMILL_FUZZ_BOTH (1h) for each
// way: to programs of goroutines and of processes, by this project's reader, which
// must stand all of them, and bare, by parsers with no guard.
func TestWhatAFuzzerMakes(t *testing.T) {
	lasts, err := time.ParseDuration(os.Getenv("FEEDMILL_FUZZ_BOTH"))
	corpus := os.Getenv("FEEDMILL_CORPUS")
	if err != nil || corpus == "" {
		t.Skip("FEEDMILL_FUZZ_BOTH=1h says for how long, and FEEDMILL_CORPUS where real feeds are")
	}
	self, _ := os.Executable()
	e := newExecutor(&Options{Settings: Quick(), Self: []string{self, "bench-child"}}, &Run{}, t.TempDir())
	const each = 200
	for _, way := range []string{"own goroutine", "own pipe", "bare goroutine", "bare pipe"} {
		t.Run(way, func(t *testing.T) {
			reader, mode, _ := strings.Cut(way, " ")
			ends, programs, left := make(map[feeds.Class]int), 0, 0
			seed := 0
			for began := time.Now(); time.Since(began) < lasts; seed += each {
				task := e.task(Cell{Work: Parse, Mode: mode, Workers: 1, Feeds: each})
				task.Killer, task.Place = fmt.Sprintf("%s,%s/real,%d", reader, corpus, seed), -1
				task.Errand.ParseCPU, task.Errand.Memory = ordealCPU, ordealMemory
				ctx, stop := context.WithTimeout(t.Context(), 10*time.Minute) // what hangs, and no slow machine
				c := e.o.telling(ctx, "rounds", task)
				var out, errs bytes.Buffer
				c.Stdout, c.Stderr = &out, &errs
				died := c.Run()
				stop()
				answered := 0
				for line := range bytes.Lines(out.Bytes()) {
					var f fate
					if json.Unmarshal(line, &f) != nil || f.ID == 0 {
						continue
					}
					answered++
					if ends[f.Class]++; f.Class != feeds.OK && f.Class != feeds.Parse {
						t.Logf("seed %d ends as %s", seed+int(f.ID)-1, f.Class)
					}
				}
				if died != nil {
					programs++
					t.Logf("%d of %d from seed %d on are answered: %v, %.80q", answered, each, seed, died, errs.String())
				}
				left += each - answered
			}
			t.Logf("%d documents: %d programs died, %d unanswered, the others ended as %v", seed, programs, left, ends)
			stood := ends[feeds.OK] + ends[feeds.Parse] + ends[feeds.WorkerCPU] // of a second for megabytes, which is not much
			if reader == "own" && stood < seed {
				t.Error("this project's reader does not stand that")
			}
		})
	}
}
