package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"html"
	"io"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"feedmill/internal/bench/analyse"
	"feedmill/internal/bench/run"
	"feedmill/internal/bench/stats"
)

// madeUp returns a run in which everything occurs that a run can hold. Its
// numbers are made up, the same each time, and fit each other well enough to look
// at.
func madeUp() *run.Run {
	o := &run.Options{Settings: run.Full(), Coordinator: "coordinator", Worker: "worker",
		Pythons: []run.Python{{Name: "CPython 3.11.7"}, {Name: "CPython 3.14.0t", Free: true}}}
	o.Settings.Seed, o.Settings.Resamples, o.Settings.Folder = 7, 300, "feeds"
	o.Settings.Modes = []string{"goroutine", "locked-pipe", "manager", "pipe", "queue", "shm"}
	r := &run.Run{Schema: 3, Settings: o.Settings, Cells: run.Plan(o), Complete: true,
		Command: []string{"coordinator", "bench", "--full", "--out", "a folder/out", "--seed=7"},
		Started: time.Date(2026, 11, 28, 9, 30, 0, 0, time.UTC), Elapsed: 5*time.Minute + 3*time.Second,
		Environment: run.Environment{OS: "linux", Arch: "amd64", Kernel: "6.18.44", CPU: "AMD EPYC 9R14", CPUs: 2, Memory: 25_000_000_000,
			Virtual: true, Go: "go1.26.8", Build: "v0.0.0-20261128 (modified)", LoadAverage: 0.31, Pythons: o.Pythons},
		Warnings: []run.Warning{{Kind: "missing-mode", Text: "something was not there"}},
	}
	r.Prices.Switch = stats.Interval{Estimate: 500, Low: 450, High: 600}
	r.Prices.Fault, r.Prices.Clock = r.Prices.Switch, r.Prices.Switch
	random := rand.New(rand.NewPCG(7, 7))
	for i := range 25 {
		for id, c := range r.Cells {
			ns := map[bool]float64{true: 7e5, false: 4e4}[c.Work.Real()]
			ns *= map[string]float64{run.Goroutine: 0.9, run.Codec: 0.95, run.LocalPipe: 1.1, run.Pipe: 1.2, "manager": 3, run.PythonThreads: 0.3}[c.Mode] + 0.1
			s := run.Sample{Cell: id, Invocation: i / 5, Block: i % 5, Order: len(r.Samples), Hash: "9f86d081884c7d65", PSS: 24_000_000 + int64(ns),
				CPU: time.Duration(ns * float64(c.Feeds) * (1 + 0.02*random.NormFloat64())), MinorFaults: 900, Switches: 300, Foreign: 0.01}
			if c.Work.Real() && c.Mode == run.Pipe {
				s.CPU += 9 * time.Millisecond // to start the workers
			}
			s.Wall = s.CPU*6/10 + c.Latency*20
			if c.Clocked {
				s.Stages = []run.Stage{{Name: "encode", Side: "worker", CPU: s.CPU / 5, Count: 300}, {Name: "gc", Side: "worker", CPU: s.CPU / 9, Count: 3}}
			}
			r.Samples = append(r.Samples, s)
		}
	}
	for i := range 13 {
		killer := ""
		if i > 0 {
			killer = run.Killers[i%3].Name
		}
		r.Deaths = append(r.Deaths, run.Death{Killer: killer, Mode: run.Goroutine, Feeds: 1000, Lost: i * 71 % 900, Wall: time.Second, Survived: i == 0},
			run.Death{Killer: killer, Mode: run.Pipe, Feeds: 1000, Deaths: 2, Wall: 2 * time.Second, Survived: true, Class: "worker_crash"})
	}
	for i := range 4 {
		for _, mode := range []string{run.Goroutine, run.Pipe} {
			for _, document := range []string{"", "slow", "large"} {
				r.Burdens = append(r.Burdens, run.Death{Killer: document, Mode: mode, Repeat: i, Survived: true,
					Tail: time.Duration(20+7*i+100*len(document)) * time.Millisecond, Kept: int64(10_000_000 * (1 + len(document)))})
			}
		}
	}
	r.Kits = []run.Kit{{Mode: run.Goroutine, Cases: 217, Answered: 217, Survived: true}, {Mode: run.Pipe, Cases: 217, Answered: 217, Survived: true}}
	r.Tears = []run.Tear{{Language: "go", Frames: 1000, Torn: 353}, {Language: "go", Locked: true, Frames: 1000}, {Language: "go", Readers: 2, Frames: 500}}
	return r
}

// both returns the text and the page of findings.
func both(t *testing.T, f *analyse.Findings) map[string]string {
	t.Helper()
	var text, html bytes.Buffer
	if err := errors.Join(Text(&text, f), page(&html, f)); err != nil {
		t.Fatal(err)
	}
	return map[string]string{"text": text.String(), "page": html.String()}
}

// TestTheSameRunMakesTheSameBytes, in every file, from the run as it is in
// memory and as it was read back.
func TestTheSameRunMakesTheSameBytes(t *testing.T) {
	var written bytes.Buffer
	if err := madeUp().Write(&written); err != nil {
		t.Fatal(err)
	}
	again, err := run.Read(&written)
	if err != nil {
		t.Fatal(err)
	}
	for name, write := range Files {
		var x, y bytes.Buffer
		if err := errors.Join(write(&x, analyse.Run(madeUp())), write(&y, analyse.Run(again))); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(x.Bytes(), y.Bytes()) || x.Len() == 0 {
			t.Errorf("%s: %d and %d bytes, want the same and some", name, x.Len(), y.Len())
		}
	}
}

// TestTheAnswerComesFirst: before any table, in sentences with figures of this
// run, stands when one notices, what one pays, what it saves and for whom.
func TestTheAnswerComesFirst(t *testing.T) {
	for name, got := range both(t, analyse.Run(madeUp())) {
		table := strings.Index(got, map[string]string{"text": "\n|", "page": "<table"}[name])
		first := strings.Join(strings.Fields(got[:table]), " ")
		for _, want := range []string{"To refresh 300 new feeds, processes take 3", "where a program waits: from servers 100 ms away", "You pay in CPU time", "paid once, to start", "in 12 of 12 rounds", "0 of 12 died, and they lost none", "for those who parse what strangers wrote"} {
			if !strings.Contains(strings.ReplaceAll(first, "\u00a0", " "), want) {
				t.Errorf("the %s does not say %q before its first table:\n%s", name, want, first)
			}
		}
	}
}

// TestTheAnswerFollowsTheFigures: a run in which processes are slow where a
// program waits says so, and one that sees no difference does not claim one.
func TestTheAnswerFollowsTheFigures(t *testing.T) {
	for name, tt := range map[string]struct {
		factor float64
		want   string
	}{"slow": {3, "You notice them even where a program waits"}, "equal": {1, "cost nothing that this run could see"}} {
		r := madeUp()
		base := make(map[string]time.Duration)
		for i := range r.Samples {
			s, c := &r.Samples[i], r.Cells[r.Samples[i].Cell]
			key := fmt.Sprint(c.Work, c.Latency, c.OneCPU, c.Feeds, s.Order/len(r.Cells))
			if c.Work.Real() && c.Mode == run.Goroutine {
				base[key] = s.CPU
			} else if c.Work.Real() {
				s.CPU = time.Duration(float64(base[key]) * tt.factor)
				s.Wall = s.CPU
			}
			if c.Work.Real() {
				s.Wall = s.CPU
			}
		}
		got := both(t, analyse.Run(r))["text"]
		if !strings.Contains(strings.Join(strings.Fields(got), " "), tt.want) {
			t.Errorf("%s: no %q in\n%.1500s", name, tt.want, got)
		}
	}
}

// TestTheAnswersWordsAreThoseOfItsFigures: given measurements make given sentences,
// and a verdict that was not seen is claimed by none.
func TestTheAnswersWordsAreThoseOfItsFigures(t *testing.T) {
	took := func(ratio float64, v analyse.Verdict) analyse.Measure {
		return analyse.Measure{Ratio: stats.Interval{Estimate: ratio, Low: ratio - 0.05, High: ratio + 0.05}, Verdict: v}
	}
	pair := func(w run.Work, latency time.Duration, cpu, wall analyse.Measure) analyse.Pair {
		return analyse.Pair{Cell: run.Cell{Work: w, Latency: latency, Feeds: 300, Mode: run.Pipe}, CPU: cpu, Wall: wall}
	}
	same := took(1.02, analyse.NotSeen)
	for _, tt := range []struct {
		name   string
		rounds []analyse.Pair
		losses []analyse.Loss
		want   []string // the headline first
	}{
		{"nothing measured", nil, nil, []string{"No answer: the real program was not measured."}},
		{"no difference", []analyse.Pair{pair(run.AllNew, 0, same, same)}, nil, []string{
			"To refresh 300 new feeds, processes cost nothing that this run could see.",
			"You pay in CPU time: no more CPU time that could be seen [0.97×, 1.07×] when every feed is new."}},
		{"dearer", []analyse.Pair{pair(run.AllNew, 0, took(1.16, analyse.Higher), same), pair(run.NothingNew, 0, took(2.5, analyse.Higher), same)}, nil, []string{
			"To refresh 300 new feeds, processes take 16 % more CPU time and no more time on the clock that could be seen.",
			"You pay in CPU time: 16 % more CPU time [1.11×, 1.21×] when every feed is new; 2.50 times the CPU time [2.45×, 2.55×] when nothing is new."}},
		{"perhaps dearer", []analyse.Pair{pair(run.AllNew, 0, took(1.16, analyse.Higher), took(1.08, analyse.AtTheEdge))}, nil, []string{
			"To refresh 300 new feeds, processes take 16 % more CPU time and perhaps 8 % more time on the clock."}},
		{"cheaper", []analyse.Pair{pair(run.AllNew, 0, took(0.9, analyse.Lower), took(0.8, analyse.Lower))}, nil, []string{
			"To refresh 300 new feeds, processes take 10 % less CPU time and 20 % less time on the clock."}},
		{"far away", []analyse.Pair{pair(run.AllNew, 100*time.Millisecond, same, took(1.3, analyse.Higher))}, nil, []string{
			"No answer: the real program was not measured.",
			"You notice them even where a program waits: from servers 100 ms away a refresh takes 30 % more time [1.25×, 1.35×]."}},
		{"killed", nil, []analyse.Loss{{Killer: "stack", Mode: run.Goroutine, Runs: 3, Died: 2, Lost: []int{0, 7, 90}, Feeds: 999}, {Killer: "stack", Mode: run.Pipe, Runs: 3, Lost: []int{0, 0, 1}, Feeds: 999}}, []string{
			"No answer: the real program was not measured.",
			"in 2 of 3 rounds the program of goroutines died or hung, and left 0 to 90 of 999 innocent feeds (half of the times more than 7) without an answer. Of the programs with processes 0 of 3 died, and they lost at most 1."}},
	} {
		f := &analyse.Findings{Run: &run.Run{Settings: run.Settings{Feeds: 300}}, Rounds: tt.rounds, Losses: tt.losses}
		got := strings.ReplaceAll(strings.Join(append([]string{headline(f)}, answer(f)...), "\n"), "\u00a0", " ")
		if !strings.HasPrefix(got, tt.want[0]) {
			t.Errorf("%s: got %q, want first %q", tt.name, got, tt.want[0])
		}
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %q in\n%s", tt.name, want, got)
			}
		}
	}
}

// TestChartsKeepEveryMarkInside, at its place between the others.
func TestChartsKeepEveryMarkInside(t *testing.T) {
	c := chart{{Marks: []stats.Interval{{Estimate: 1.5, Low: 1.2, High: 2}, {Estimate: 3, Low: 2, High: 5}}}, {Marks: []stats.Interval{{Estimate: 1.1, Low: 1, High: 1.2}}}}
	for v, want := range map[float64]string{1: "1.00%", 5: "99.00%", 3: "50.00%"} {
		if got := c.At(v); got != want {
			t.Errorf("%v is at %s, want %s", v, got, want)
		}
	}
	if got := chart(nil).At(1); got != "1.00%" {
		t.Errorf("of nothing: got %s, want the left edge", got)
	}
}

// TestACommandCanBePasted: words that a shell would take apart are quoted.
func TestACommandCanBePasted(t *testing.T) {
	got := strings.Join(quoted([]string{"bench", "--out=a/b", "--dir=my feeds", "it's", "", "$HOME"}), " ")
	if want := `bench --out=a/b '--dir=my feeds' 'it'\''s' '' '$HOME'`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestAComparisonSaysWhatIsWrongWithIt: the doubts of both runs and other machines
// stand before the figures, and what only one run has after them.
func TestAComparisonSaysWhatIsWrongWithIt(t *testing.T) {
	old, new := analyse.Run(madeUp()), analyse.Run(madeUp())
	old.NotForPublication, new.NotForPublication, new.Environment.CPU = []string{"the old load"}, []string{"the new noise"}, "another"
	change := analyse.Pair{Cell: run.Cell{Name: "ship/pipe"}, CPU: analyse.Measure{Ratio: stats.Interval{Estimate: 1.2, Low: 1.15, High: 1.25}, P: 0.001, Verdict: analyse.Higher},
		Wall: analyse.Measure{Ratio: stats.Interval{Estimate: 1, Low: 0.9, High: 1.1}}}
	for threshold, verdict := range map[float64]string{0.05: "BEYOND", 0.2: "higher"} {
		var b bytes.Buffer
		if err := Compare(&b, old, new, []analyse.Pair{change}, []string{"parse/shm (old)"}, threshold); err != nil {
			t.Fatal(err)
		}
		got, at := strings.ReplaceAll(b.String(), "\u00a0", " "), 0
		for _, want := range []string{"the old run: the old load.", "the new run: the new noise.", "different machines", "| ship/pipe | 1.20× [1.15, 1.25] | 1.00× [0.90, 1.10] | " + verdict + ", p = 0.001", "Only in one run: parse/shm (old)."} {
			i := strings.Index(got, want)
			if i < at {
				t.Errorf("no %q after %q in\n%s", want, got[:at], got)
			}
			at = max(at, i)
		}
	}
}

// TestADelayIsBetterOrWorseOnlyWhereItIsSeen: where the intervals of both modes have
// anything in common, the next run may say the opposite.
func TestADelayIsBetterOrWorseOnlyWhereItIsSeen(t *testing.T) {
	f := analyse.Run(madeUp())
	for answer, in := range map[string]stats.Interval{
		"yes": {Estimate: 1.6e9, Low: 1.5e9, High: 1.8e9}, "no": {Estimate: 0.5e9, Low: 0.4e9, High: 0.6e9}, "not seen": {Estimate: 1.6e9, Low: 1.1e9, High: 1.8e9},
	} {
		f.Beside = []analyse.Beside{
			{Document: "slow", Mode: run.Goroutine, Runs: 12, Later: in},
			{Document: "slow", Mode: run.Pipe, Runs: 12, Later: stats.Interval{Estimate: 1.1e9, Low: 1e9, High: 1.2e9}},
		}
		rows := questions(f).Table.Rows
		i := slices.IndexFunc(rows, func(r []string) bool { return r[0] == "meets a document that takes half a second" })
		if i < 0 || rows[i][1] != answer {
			t.Errorf("held up by %v in goroutines: got %q in %q, want %q", in, rows[max(i, 0)], rows, answer)
		}
	}
}

// TestPeoplesQuestionsAreAnswered at the top, each with a figure of this run.
func TestPeoplesQuestionsAreAnswered(t *testing.T) {
	s := questions(analyse.Run(madeUp()))
	for who, answer := range map[string]string{
		"parses 10,000 files with a library that may crash": "yes",
		"has some hundred feeds and one core":               "if a parser may die",
		"asks every quarter of an hour, mostly for nothing": "if a parser may die",
		"has 100,000 feeds":                                 "if a parser may die",
		"has little memory":                                 "no",
		"has a parser that looks before it parses":          "as an insurance",
		"meets a document that takes half a second":         "not seen",
		"is in Go and should be faster":                     "no",
		"is in CPython 3.11.7 and should be faster":         "yes",
		"sends large results between its parts":             "not for that",
	} {
		i := slices.IndexFunc(s.Table.Rows, func(r []string) bool { return r[0] == who })
		if i < 0 {
			t.Errorf("nobody answers who %q", who)
		} else if r := s.Table.Rows[i]; r[1] != answer || !strings.ContainsAny(r[2], "0123456789") {
			t.Errorf("%q: got %q, want %q and a figure", who, r[1:], answer)
		}
	}
}

// TestNothingDoubtfulIsHidden: every warning and doubt is in the text and on
// the page, and in the benchmark format what forbids publication is.
func TestNothingDoubtfulIsHidden(t *testing.T) {
	r := madeUp()
	r.Complete, r.Environment.LoadAverage = false, 3
	r.Samples[0].Failed = "it did not work"
	f := analyse.Run(r)
	var format bytes.Buffer
	if err := goBench(&format, f); err != nil {
		t.Fatal(err)
	}
	for name, got := range both(t, f) {
		got = strings.Join(strings.Fields(got), " ")
		for _, w := range f.Warnings {
			if !strings.Contains(got, w.Kind+": "+w.Text) {
				t.Errorf("the %s does not say %q", name, w.Text)
			}
		}
		for _, why := range f.NotForPublication {
			if !strings.Contains(got, why) || !strings.Contains(format.String(), why) {
				t.Errorf("the %s or bench.txt does not say %q", name, why)
			}
		}
	}
	if len(f.NotForPublication) < 2 {
		t.Errorf("got %q, want that it was interrupted and the load", f.NotForPublication)
	}
}

// TestRowsThatDisagreeAreShownOneByOne, with what was tried.
func TestRowsThatDisagreeAreShownOneByOne(t *testing.T) {
	f := analyse.Run(madeUp())
	apart := 0
	for _, r := range f.Ledger.Rows {
		if !r.Meets() {
			apart++
			for name, got := range both(t, f) {
				if !strings.Contains(strings.Join(strings.Fields(html.UnescapeString(got)), " "), strings.Join(strings.Fields(r.Tried), " ")) {
					t.Errorf("the %s does not say what was tried for %s", name, r.Name)
				}
			}
		}
	}
	if got := strings.Count(both(t, f)["page"], "do not meet"); apart == 0 || got < apart {
		t.Errorf("%d rows are said not to meet, want %d at least", got, apart)
	}
}

// TestWhatOthersPayForADocumentIsARow, each with its interval, in all modes.
func TestWhatOthersPayForADocumentIsARow(t *testing.T) {
	f := analyse.Run(madeUp())
	rows := beside(f).Table.Rows
	if len(rows) != 4 {
		t.Fatalf("got %v, want two documents in two modes", rows)
	}
	if got, want := strings.Join(rows[3], "|"), "large|processes|4|530\u00a0ms [524,\u00a0538]|+500\u00a0ms [500,\u00a0500]|+50.0\u00a0MB [50.0,\u00a050.0]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestRunsWithoutFindingsCanBeRead: an interrupted run has what it has.
func TestRunsWithoutFindingsCanBeRead(t *testing.T) {
	whole := madeUp()
	for name, r := range map[string]*run.Run{
		"nothing at all": {Schema: 2},
		"cells alone":    {Schema: 2, Settings: whole.Settings, Environment: whole.Environment, Cells: whole.Cells},
		"one sample":     {Schema: 2, Settings: whole.Settings, Environment: whole.Environment, Cells: whole.Cells, Samples: whole.Samples[:1]},
		"one block":      {Schema: 2, Settings: whole.Settings, Environment: whole.Environment, Cells: whole.Cells, Samples: whole.Samples[:len(whole.Cells)]},
		"deaths alone":   {Schema: 2, Deaths: whole.Deaths},
	} {
		for kind, got := range both(t, analyse.Run(r)) {
			if regexp.MustCompile(`NaN|Inf\b|%!`).MatchString(got) {
				t.Errorf("%s: a number is none in the %s:\n%s", name, kind, got)
			}
		}
	}
}

// TestTextIsAtMost100ColumnsWide, but for tables and the command, which is to be
// pasted; and it is Markdown whose tables have as many cells in every row.
func TestTextIsAtMost100ColumnsWide(t *testing.T) {
	cells := 0
	for line := range strings.Lines(both(t, analyse.Run(madeUp()))["text"]) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "|") {
			if n := strings.Count(line, "|"); cells != 0 && n != cells {
				t.Errorf("%d cells after rows of %d: %s", n-1, cells-1, line)
			} else {
				cells = n
			}
			continue
		}
		cells = 0
		if n := utf8.RuneCountInString(line); n > 100 && !strings.HasPrefix(line, "    coordinator") && !strings.HasPrefix(line, "# ") {
			t.Errorf("%d columns: %s", n, line)
		}
		if strings.TrimRight(line, " ") != line {
			t.Errorf("space at the end of %q", line)
		}
	}
}

// TestThePageNeedsNothingElse: no script, no host, no file, by its text. The
// links of its foot are to what lies beside it.
func TestThePageNeedsNothingElse(t *testing.T) {
	page := both(t, analyse.Run(madeUp()))["page"]
	if m := regexp.MustCompile(`(?i)<script|javascript:|<link rel="stylesheet|<img|<iframe|@import|url\(| src=|<[^>]* on[a-z]+=`).FindString(page); m != "" {
		t.Errorf("the page has %s", m)
	}
	for _, m := range regexp.MustCompile(`[a-z]+://[^"'<\s]*`).FindAllString(page, -1) {
		if m != "http://www.w3.org/2000/svg" { // a name, which nobody asks for
			t.Errorf("the page has the address %s", m)
		}
	}
	for _, m := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if !slices.Contains([]string{"data:,", RunFile, textFile, goBenchFile}, m[1]) {
			t.Errorf("link to %q", m[1])
		}
	}
}

// TestNothingInARunIsMarkup: names, figures and machines are text, and ids are
// unique.
func TestNothingInARunIsMarkup(t *testing.T) {
	r := madeUp()
	const evil = `"><script>alert(1)</script>'`
	r.Environment.CPU, r.Command, r.Warnings[0].Text, r.Environment.Pythons[0].Name = evil, []string{evil}, evil, evil
	f := analyse.Run(r)
	f.Lists[0].Cell.Mode, f.Ledger.Rows[0].What, f.Claims[0].Says, f.Claims[0].Verdicts[0].Figure = evil, evil, evil, evil
	page := both(t, f)["page"]
	if i := strings.Index(page, "<script"); i >= 0 {
		t.Errorf("markup came through: %s", page[max(0, i-100):i+50])
	}
	seen := make(map[string]bool)
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		e, ok := token.(xml.StartElement)
		for _, a := range e.Attr {
			if ok && a.Name.Local == "id" {
				if seen[a.Value] {
					t.Errorf("two elements are %q", a.Value)
				}
				seen[a.Value] = true
			}
		}
	}
	if len(seen) < 10 { // a section each
		t.Errorf("only %d ids were found", len(seen))
	}
}

// TestGoBenchIsWhatBenchstatReads: every sample that may be compared has a line,
// with its factors and figures, goroutines first; names that differ stay apart.
func TestGoBenchIsWhatBenchstatReads(t *testing.T) {
	r := madeUp()
	r.Samples[3].Failed = "torn"
	f := analyse.Run(r)
	var text bytes.Buffer
	if err := goBench(&text, f); err != nil {
		t.Fatal(err)
	}
	want, names, lines := make(map[string]int), make(map[string]string), 0
	for _, s := range r.Samples {
		if c := r.Cells[s.Cell]; s.Failed == "" && !c.Clocked {
			key := fmt.Sprintf("%s-2 %d %s cpu-ns/op", goName(c), c.Feeds, strconv.FormatFloat(float64(s.CPU)/float64(c.Feeds), 'f', -1, 64))
			want[key]++
			if other, ok := names[goName(c)]; ok && other != c.Name {
				t.Errorf("%s and %s are both %s", other, c.Name, goName(c))
			}
			names[goName(c)] = c.Name
			lines++
		}
	}
	form := regexp.MustCompile(`^BenchmarkRefresh(/[a-z-]+=[^/ ]+)+-2 \d+( [\d.]+ [A-Za-z-]+(/op)?)+$`)
	first := true
	for line := range strings.Lines(text.String()) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "Benchmark") {
			if !regexp.MustCompile(`^(#|Unit [^ ]+ better=lower$|(goos|goarch|pkg|cpu): )`).MatchString(line) {
				t.Errorf("line %q is of no kind that benchstat would pass over", line)
			}
			continue
		}
		if !form.MatchString(line) {
			t.Errorf("line %q is none of Go's format", line)
		}
		if first && !strings.Contains(line, "/mode=goroutine/") {
			t.Errorf("the first line is %q, want goroutines: what comes first is compared with", line)
		}
		first = false
		fields := strings.Fields(line)
		want[strings.Join(fields[:4], " ")]--
		lines--
	}
	for key, n := range want {
		if n != 0 {
			t.Errorf("%d lines missing of %s", n, key)
		}
	}
	if lines != 0 {
		t.Errorf("%d lines are missing", lines)
	}
}

// TestAFullDiskIsSaid: no writer here swallows the error of the one below.
func TestAFullDiskIsSaid(t *testing.T) {
	f := analyse.Run(madeUp())
	for name, write := range Files {
		if err := write(failing{}, f); !errors.Is(err, errFull) {
			t.Errorf("%s: got %v, want %v", name, err, errFull)
		}
	}
}

var errFull = errors.New("no space left on device")

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errFull }

func TestNumbersHaveThreeFiguresAndTheirUnit(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{duration.format(34_560), "34.6 µs"},
		{duration.format(999.96), "1.00 µs"},
		{duration.format(0), "0 ns"},
		{duration.signed(-1_234_567), "−1.23 ms"},
		{size.format(1_050_000), "1.05 MB"},
		{figures(1234567), "1,234,567"},
		{figures(-12345), "−12,345"},
		{figures(-0.0001), "0"},
		{percent(1.384), "38 % more"},
		{percent(0.951), "5 % less"},
		{percent(3.2), "3.20 times the"},
		{many(1, "feed"), "1 feed"},
		{many(5000, "feed"), "5,000 feeds"},
		{ratio(stats.Interval{Estimate: 1.384, Low: 1.341, High: 1.423}), "1.38× [1.34, 1.42]"},
		{duration.difference(stats.Interval{Estimate: 20, Low: -1400, High: 1440}), "+0.020 µs [−1.40, 1.44]"},
	} {
		if got := strings.ReplaceAll(tt.got, "\u00a0", " "); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

// TestTablesOfADocumentAreThoseOfTheRun, as often as they are put in; the rest
// stays as it is.
func TestTablesOfADocumentAreThoseOfTheRun(t *testing.T) {
	f := analyse.Run(madeUp())
	const document = "# Title\n\n<!-- bench rounds -->\nold\n<!-- /bench -->\n\nbetween\n\n<!-- bench answer -->\n<!-- /bench -->\nend\n"
	once, err := Into(document, f)
	if err != nil {
		t.Fatal(err)
	}
	twice, err := Into(once, f)
	if err != nil || twice != once {
		t.Errorf("%v: the second time it is another document", err)
	}
	for _, want := range []string{"# Title\n\n<!-- bench rounds -->\n", "| all feeds new ", "\n<!-- /bench -->\n\nbetween\n", "You pay in CPU time", "<!-- /bench -->\nend\n"} {
		if !strings.Contains(once, want) {
			t.Errorf("no %q in\n%s", want, once)
		}
	}
	if strings.Contains(once, "old") {
		t.Error("what was there before is there still")
	}
	for _, bad := range []string{"<!-- bench nothing -->\n<!-- /bench -->", "<!-- bench rounds -->\n"} {
		if got, err := Into(bad, f); err == nil {
			t.Errorf("%q: got %q, want an error", bad, got)
		}
	}
}
