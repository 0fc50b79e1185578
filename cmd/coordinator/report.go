package main

import (
	"cmp"
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/dustin/go-humanize"

	"feedmill/internal/feeds"
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
	MovedTo  string      `json:"moved_to,omitempty"` // the feed's new URL from now on
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

// readers counts documents by who read them, and those that the fast reader
// left to gofeed by the reason.
type readers struct {
	Fast     int            `json:"fast"`
	Gofeed   int            `json:"gofeed"`
	Declined map[string]int `json:"declined"`
}

// count takes in the document of a result, if there was one.
func (r *readers) count(res *feeds.Result) {
	switch res.Reader {
	case feeds.ReaderFast:
		r.Fast++
	case feeds.ReaderGofeed:
		r.Gofeed++
	}
	if res.Declined != 0 {
		r.Declined[res.Declined.String()]++
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

// A report prints results, one line a feed and a summary last. It is used
// from one goroutine at a time.
type report struct {
	out     io.Writer
	json    bool
	brief   bool  // only the summary, of what is for people
	quiet   bool  // no summary of a round without news and failures
	err     error // the first failed write: whoever read is gone, the round goes on
	counts  map[feeds.Class]int
	readers readers
}

func newReport(out io.Writer, asJSON bool) *report {
	return &report{out: out, json: asJSON, counts: make(map[feeds.Class]int), readers: readers{Declined: make(map[string]int)}}
}

// feed prints the line of one feed. For people only news and failures are
// worth one.
func (r *report) feed(l feedLine) {
	r.counts[l.Class]++
	if r.json {
		l.Type = "feed"
		r.object(l)
		return
	}
	switch {
	case r.brief || l.Class == feeds.Cancelled:
	case !l.Class.OK():
		r.line("%-16s %s  %s\n", l.Class, printable(l.URL), printable(l.Detail))
	case l.New > 0 || l.Updated > 0:
		r.line("%-16s %s\n", news(l.New, l.Updated), printable(l.URL))
	}
	if l.MovedTo != "" {
		r.line("%-16s %s  now at %s\n", "moved", printable(l.URL), printable(l.MovedTo))
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
	if r.quiet && s.New+s.Updated+s.Failed+s.Cancelled == 0 {
		return
	}
	r.line("%s in %s: %d ok, %d not modified, %d unchanged, %d failed%s\n",
		count(s.Feeds, "feed"), seconds(s.WallMS), s.OK, s.NotModified, s.Unchanged, s.Failed, cancelled(s.Cancelled))
	if s.Failed > 0 {
		r.line("failed: %s\n", r.failures())
	}
	r.line("items: %d new, %d updated\n", s.New, s.Updated)
	r.line("cost: %s of bodies, cpu %s coordinator + %s workers, peak memory %s + %s\n",
		humanize.IBytes(uint64(s.Bytes.Body)), seconds(s.CPUMS.Coordinator), seconds(s.CPUMS.Workers),
		humanize.IBytes(uint64(s.PeakRSS.Coordinator)), humanize.IBytes(uint64(s.PeakRSS.Worker)))
	r.line("mode: %s, %s, %s sent, %s received, %s, sandbox: %s, seed %d\n",
		s.Mode, count(s.Workers, "worker"), humanize.IBytes(uint64(s.Bytes.Sent)), humanize.IBytes(uint64(s.Bytes.Received)), count(s.WorkerDeaths, "death"), cmp.Or(s.Sandbox, "not needed"), s.Seed)
}

// failures lists the classes of failure, the most frequent first.
func (r *report) failures() string {
	var all []feeds.Class
	for c := range r.counts {
		if !c.OK() && c != feeds.Cancelled {
			all = append(all, c)
		}
	}
	sort.Slice(all, func(i, j int) bool {
		if a, b := r.counts[all[i]], r.counts[all[j]]; a != b {
			return a > b
		}
		return all[i] < all[j]
	})
	var b strings.Builder
	for i, c := range all {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%d %s", r.counts[c], c)
	}
	return b.String()
}

func cancelled(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", %d cancelled and still due", n)
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
	r.err = printJSON(r.out, v)
}

func (r *report) line(format string, args ...any) {
	if r.err == nil {
		_, r.err = fmt.Fprintf(r.out, format, args...)
	}
}
