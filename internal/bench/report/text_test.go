package report

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"feedmill/internal/bench"
)

var update = flag.Bool("update", false, "write testdata anew")

// golden is a run.json as this version of the format was first written. It is
// never to be changed: what comes later must go on reading it.
func golden(t *testing.T) *bench.Run {
	t.Helper()
	name := filepath.Join("testdata", "run.json")
	if *update {
		writeGolden(t, name, func(b *bytes.Buffer) error { _, err := madeUp(2, 1).WriteTo(b); return err })
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	run, err := bench.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func writeGolden(t *testing.T, name string, write func(*bytes.Buffer) error) {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestTextOfTheGoldenRun shows what a change does to the text, for a person to
// judge; go test -run Golden -update takes it over.
func TestTextOfTheGoldenRun(t *testing.T) {
	run, name := golden(t), filepath.Join("testdata", TextFile)
	if *update {
		writeGolden(t, name, func(b *bytes.Buffer) error { return Text(b, run) })
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := Text(&got, run); err != nil {
		t.Fatal(err)
	}
	a, b := strings.Split(got.String(), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			t.Fatalf("line %d:\n got %q\nwant %q", i+1, a[i], b[i])
		}
	}
	if len(a) != len(b) {
		t.Errorf("got %d lines, want %d", len(a), len(b))
	}
}

// TestTextIsAtMost100ColumnsWide, but for the command, which is to be pasted.
func TestTextIsAtMost100ColumnsWide(t *testing.T) {
	run := madeUp(5, 10)
	run.Cells[4].Name = strings.Repeat("a-very-long-name", 12)
	run.Claims[0].Says = strings.Repeat("word ", 80)
	run.Warnings[0].Text = strings.Repeat("reason ", 60)
	var text bytes.Buffer
	if err := Text(&text, run); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text.String()) {
		line = strings.TrimRight(line, "\n")
		if n := utf8.RuneCountInString(line); n > 100 && !strings.HasPrefix(line, "    coordinator") {
			t.Errorf("%d columns: %s", n, line)
		}
		if strings.TrimRight(line, " ") != line {
			t.Errorf("space at the end of %q", line)
		}
	}
}

// TestNothingDoubtfulIsHidden: every warning and doubt is in the text and on
// the page, and in the benchmark format what forbids publication is.
func TestNothingDoubtfulIsHidden(t *testing.T) {
	run := madeUp(2, 3)
	run.Complete = false
	run.NotForPublication = []string{"--quick was asked for", "the machine was busy"}
	run.Warnings = nil
	for _, kind := range []string{"unequal-work", "noisy", "throttled", "steal", "too-few-runs", "no-python", "missing-mode", "failed-sample", "interrupted", "residue"} {
		run.Warnings = append(run.Warnings, bench.Warning{Kind: kind, Text: "about-" + kind})
	}
	var text, page bytes.Buffer
	if err := Text(&text, run); err != nil {
		t.Fatal(err)
	}
	if err := Page(&page, run); err != nil {
		t.Fatal(err)
	}
	want := []string{"--quick was asked for", "the machine was busy", "interrupted", "did NOT all hash the same"}
	for _, w := range run.Warnings {
		want = append(want, w.Kind, w.Text)
	}
	for _, w := range want {
		for name, got := range map[string]string{"text": text.String(), "page": page.String()} {
			if !strings.Contains(strings.Join(strings.Fields(got), " "), w) {
				t.Errorf("the %s does not say %q", name, w)
			}
		}
	}
}

// TestRunsWithoutFindingsCanBeRead: an interrupted run has what it has.
func TestRunsWithoutFindingsCanBeRead(t *testing.T) {
	whole := madeUp(1, 1)
	for name, run := range map[string]*bench.Run{
		"nothing at all": {Schema: bench.Schema},
		"samples alone":  {Schema: bench.Schema, Cells: whole.Cells, Samples: whole.Samples},
		"empty findings": {Schema: bench.Schema, Cells: whole.Cells, Ledgers: []bench.Ledger{{}}, Fits: []bench.Fit{{}}, Buys: []bench.Buy{{}},
			BreakEven: &bench.BreakEven{}, Claims: []bench.Claim{{}}, Limits: []bench.Limit{{}}, Summaries: []bench.Summary{{}}, Comparisons: []bench.Comparison{{Sweep: "headline"}}},
	} {
		var text, page bytes.Buffer
		if err := Text(&text, run); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := Page(&page, run); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := text.String() + page.String(); strings.Contains(got, "NaN") || strings.Contains(got, "Inf") {
			t.Errorf("%s: a number is none in\n%s", name, text.String())
		}
	}
}

func TestNumbersHaveThreeFiguresAndTheirUnit(t *testing.T) {
	for _, tt := range []struct {
		got, want string
	}{
		{duration.format(34_560), "34.6 µs"},
		{duration.format(999.96), "1.00 µs"},
		{duration.format(0), "0 ns"},
		{duration.signed(-1_234_567), "−1.23 ms"},
		{size.format(1_050_000), "1.05 MB"},
		{size.exact(1500), "1.5 kB"},
		{inUnit("ns/item").format(301), "301 ns/item"},
		{times.format(2.5), "2.50×"},
		{figures(1234567, 0), "1 234 567"},
		{more(1.384), "38 % more"},
		{more(0.951), "4.9 % less"},
		{times.measured(bench.Interval{Estimate: 1.384, Low: 1.341, High: 1.423}).String(), "1.38× [1.34, 1.42]"},
		{durationFeed.difference(bench.Interval{Estimate: 0, Low: -600, High: 600}).String(), "0 ns/feed [−600, 600]"},
		{duration.difference(bench.Interval{Estimate: 20, Low: -1400, High: 1440}).String(), "+0.02 µs [−1.40, 1.44]"},
	} {
		if got := strings.NewReplacer("\u00a0", " ", "\u202f", " ").Replace(tt.got); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
