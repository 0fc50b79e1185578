package main

import (
	"cmp"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"feedmill/internal/export"
	"feedmill/internal/feeds"
	"feedmill/internal/store"
	"feedmill/internal/terminal"
)

// A feedLine is the line of one feed as --json prints it.
type feedLine struct {
	Type     string      `json:"type"` // "feed"
	URL      string      `json:"url"`
	Class    feeds.Class `json:"class"`
	Detail   string      `json:"detail"`
	Status   int         `json:"status"`
	New      int         `json:"new"`
	Updated  int         `json:"updated"`
	Items    int         `json:"items"` // that the store now has of the feed
	Bytes    int64       `json:"bytes"` // of the body, as they came
	MS       int64       `json:"ms"`    // fetch and parse
	Attempts int         `json:"attempts"`
	Fails    int         `json:"fails"`              // in a row, this one included
	MovedTo  string      `json:"moved_to,omitempty"` // the feed's new URL from now on

	id   int64 // the feed's; 0 for what could not be subscribed
	told bool  // the user knew before that it is failing
}

// A summaryLine is the last line of a round as --json prints it. Feeds is
// OK + NotModified + Unchanged + Failed + Cancelled.
type summaryLine struct {
	Type         string     `json:"type"` // "summary"
	Mode         string     `json:"mode"`
	Workers      int        `json:"workers"`
	Feeds        int        `json:"feeds"`
	OK           int        `json:"ok"`
	NotModified  int        `json:"not_modified"`
	Unchanged    int        `json:"unchanged"`
	Failed       int        `json:"failed"`
	Cancelled    int        `json:"cancelled"` // not asked or not finished; still due
	New          int        `json:"new"`
	Updated      int        `json:"updated"`
	WallMS       int64      `json:"wall_ms"`
	CPUMS        perProcess `json:"cpu_ms"`
	Bytes        byteCounts `json:"bytes"`
	PeakRSS      peaks      `json:"peak_rss"`
	Readers      readers    `json:"readers"`
	WorkerDeaths int        `json:"worker_deaths"`
	Sandbox      string     `json:"sandbox"`
	Seed         uint64     `json:"seed"` // of the order in which hosts were asked
	DB           string     `json:"db"`
}

type byteCounts struct {
	Body     int64 `json:"body"`     // of all bodies, as they came
	Sent     int64 `json:"sent"`     // to workers; 0 where there are none
	Received int64 `json:"received"` // from workers
}

// readers counts documents by who read them.
type readers struct {
	Fast   int `json:"fast"`
	Gofeed int `json:"gofeed"`
}

// count counts the reader that read the document of a result, if there was one.
func (r *readers) count(res *feeds.Result) {
	switch res.Reader {
	case feeds.ReaderFast:
		r.Fast++
	case feeds.ReaderGofeed:
		r.Gofeed++
	}
}

// perProcess is what the coordinator took, and all workers together.
type perProcess struct {
	Coordinator int64 `json:"coordinator"`
	Workers     int64 `json:"workers"`
}

// peaks is the most memory, in bytes, of the coordinator and of the largest
// worker; 0 where it is unknown.
type peaks struct {
	Coordinator int64 `json:"coordinator"`
	Worker      int64 `json:"worker"`
}

// What of a round is shown to people. The first one is the default.
const (
	showAll     = "all"     // news, failures and a summary
	showNew     = "new"     // feeds with news
	showFailing = "failing" // feeds that have begun to fail, or are back: each once
	showSummary = "summary" // the summary alone
	showNothing = "nothing"
)

// A report prints results, one line a feed and a summary last. It is used
// from one goroutine at a time.
type report struct {
	out      io.Writer
	json     bool
	show     string // to people
	err      error  // the first failed write: whoever read is gone, the round goes on
	counts   map[feeds.Class]int
	readers  readers
	failures failures
	back     failureKind // of showFailing
	teller   teller
}

func newReport(out io.Writer, asJSON bool) *report {
	return &report{out: out, json: asJSON, show: showAll, counts: make(map[feeds.Class]int), failures: make(failures), back: failureKind{class: "back"}}
}

// feed prints the line of one feed. For people only news and failures are
// worth one, and failures wait for the summary, where those of a kind are one.
func (r *report) feed(l feedLine) {
	r.counts[l.Class]++
	if r.json {
		l.Type = "feed"
		r.object(l)
		return
	}
	switch r.show {
	case showFailing:
		fail, back := r.teller.hear(l.id, l.Class, l.Fails, l.told)
		if fail && l.id != 0 {
			r.failures.add(l)
		}
		if back {
			r.back.add(feedLine{URL: l.URL})
		}
		return
	case showAll:
		if !l.Class.OK() && l.Class != feeds.Cancelled {
			r.failures.add(l)
		}
	case showSummary, showNothing:
		return
	}
	if l.Class.OK() && l.New+l.Updated > 0 {
		r.line("%-16s %s\n", news(l.New, l.Updated), terminal.Printable(l.URL))
	}
	if l.MovedTo != "" {
		r.line("%-16s %s  now at %s\n", "moved", terminal.Printable(l.URL), terminal.Printable(l.MovedTo))
	}
}

// items prints the lines of new items, as they are in the store.
func (r *report) items(all iter.Seq2[store.Item, error]) {
	for it, err := range all {
		if err != nil {
			r.err = cmp.Or(r.err, err)
			return
		}
		l := export.NewLine(&it)
		l.Type = "item"
		r.object(l)
	}
}

func news(added, updated int) string {
	switch {
	case updated == 0:
		return fmt.Sprintf("+%d", added)
	case added == 0:
		return fmt.Sprintf("~%d", updated)
	}
	return fmt.Sprintf("+%d ~%d", added, updated)
}

// summary prints what the round came to.
func (r *report) summary(s summaryLine) {
	if r.json {
		s.Type = "summary"
		r.object(s)
		return
	}
	r.failures.print(r.line)
	r.back.print(r.line)
	if r.show != showAll && r.show != showSummary {
		return
	}
	cancelled := ""
	if s.Cancelled > 0 {
		cancelled = fmt.Sprintf(", %d cancelled and still due", s.Cancelled)
	}
	r.line("%s in %s: %d ok, %d not modified, %d unchanged, %d failed%s\n",
		count(s.Feeds, "feed"), seconds(s.WallMS), s.OK, s.NotModified, s.Unchanged, s.Failed, cancelled)
	if s.Feeds == 0 {
		return
	}
	if s.Failed > 0 {
		r.line("failed: %s\n", r.byClass())
	}
	r.line("items: %d new, %d updated\n", s.New, s.Updated)
	size := func(n int64) string { return humanize.IBytes(uint64(n)) }
	r.line("cost: %s of bodies, cpu %s coordinator + %s workers\n", size(s.Bytes.Body), seconds(s.CPUMS.Coordinator), seconds(s.CPUMS.Workers))
	r.line("memory: %s coordinator + %s largest worker, at the peak\n", size(s.PeakRSS.Coordinator), size(s.PeakRSS.Worker))
	r.line("mode: %s, %s, %s sent, %s received, %s\n", s.Mode, count(s.Workers, "worker"), size(s.Bytes.Sent), size(s.Bytes.Received), count(s.WorkerDeaths, "death"))
	r.line("sandbox: %s, seed %d\n", cmp.Or(s.Sandbox, "not needed"), s.Seed)
}

// byClass lists the classes of failure, the most frequent first.
func (r *report) byClass() string {
	all := slices.SortedFunc(maps.Keys(r.counts), func(a, b feeds.Class) int {
		return cmp.Or(cmp.Compare(r.counts[b], r.counts[a]), cmp.Compare(a, b))
	})
	var list []string
	for _, c := range all {
		if !c.OK() && c != feeds.Cancelled {
			list = append(list, fmt.Sprintf("%d %s", r.counts[c], c))
		}
	}
	return strings.Join(list, ", ")
}

// count says how many things there are.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func seconds(ms int64) string { return fmt.Sprintf("%.2fs", float64(ms)/1000) }

func (r *report) object(v any) {
	if r.err != nil {
		return
	}
	r.err = export.JSON(r.out, v)
}

func (r *report) line(format string, args ...any) {
	if r.err == nil {
		_, r.err = fmt.Fprintf(r.out, format, args...)
	}
}
