package report

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"golang.org/x/perf/benchfmt"

	"feedmill/internal/bench"
)

// TestGoBenchIsReadBackWhole: golang.org/x/perf reads every sample that may be
// compared, with its factors and figures, and the file has no key by which
// benchstat would take the samples apart.
func TestGoBenchIsReadBackWhole(t *testing.T) {
	run := madeUp(2, 3)
	run.Samples[3].Failed = "torn"
	var text bytes.Buffer
	if err := GoBench(&text, run); err != nil {
		t.Fatal(err)
	}
	var want []bench.Sample
	for _, s := range run.Samples {
		if s.Failed == "" && !run.Cells[s.Cell].Clocked {
			want = append(want, s)
		}
	}
	slices.SortStableFunc(want, func(a, b bench.Sample) int { return a.Cell - b.Cell })
	slices.SortStableFunc(want, func(a, b bench.Sample) int { // goroutines first
		base := map[bool]int{true: -1}
		return base[run.Cells[a.Cell].Mode == bench.Goroutine] - base[run.Cells[b.Cell].Mode == bench.Goroutine]
	})
	keys := make(map[string]string)
	n := 0
	for reader := benchfmt.NewReader(bytes.NewReader(text.Bytes()), "bench.txt"); reader.Scan(); {
		switch r := reader.Result().(type) {
		case *benchfmt.SyntaxError:
			t.Fatal(r)
		case *benchfmt.Result:
			if n == len(want) {
				t.Fatalf("more than %d results", n)
			}
			sameResult(t, r, want[n], run.Cells[want[n].Cell])
			for _, c := range r.Config {
				keys[c.Key] = string(c.Value)
			}
			n++
		}
	}
	if n != len(want) {
		t.Errorf("got %d results, want %d", n, len(want))
	}
	if got, want := slices.Sorted(maps.Keys(keys)), []string{"bench-schema", "cpu", "goarch", "goos", "pkg"}; !slices.Equal(got, want) {
		t.Errorf("keys of the file: got %q, want %q", got, want)
	}
	if !strings.Contains(text.String(), "# Not for publication: its numbers are made up.\n") {
		t.Error("the file does not say what is doubtful")
	}
}

func sameResult(t *testing.T, r *benchfmt.Result, s bench.Sample, c bench.Cell) {
	t.Helper()
	_, parts := r.Name.Parts()
	mode := slices.ContainsFunc(parts, func(p []byte) bool { return string(p) == "/mode="+c.Mode })
	if !mode || string(r.Name.Base()) != "Refresh" {
		t.Errorf("name %s is not of mode %s", r.Name, c.Mode)
	}
	if r.Iters != c.Feeds {
		t.Errorf("%s: got %d iterations, want %d, one for each feed", r.Name, r.Iters, c.Feeds)
	}
	for unit, want := range map[string]float64{"cpu-ns/op": float64(s.CPU) / float64(c.Feeds), "ns/op": float64(s.Wall) / float64(c.Feeds),
		"pss-bytes": float64(s.PSS), "wire-B/op": float64(s.WireBytes) / float64(c.Feeds)} {
		if got, ok := original(r, unit); !ok || got != want {
			t.Errorf("%s: got %v %s (%v), want %v", r.Name, got, unit, ok, want)
		}
	}
}

// original is a value in the unit that the file has, before x/perf made
// seconds of nanoseconds.
func original(r *benchfmt.Result, unit string) (float64, bool) {
	for _, v := range r.Values {
		if v.OrigUnit == unit {
			return v.OrigValue, true
		}
		if v.Unit == unit {
			return v.Value, true
		}
	}
	return 0, false
}

// TestNamesThatDifferStayApart: cells that differ in a factor have different
// names, or benchstat would take them for one.
func TestNamesThatDifferStayApart(t *testing.T) {
	seen := make(map[string]bench.Cell)
	for _, c := range madeUp(1, 1).Cells {
		if c.Clocked { // left out
			continue
		}
		name := goName(c)
		if other, ok := seen[name]; ok {
			t.Errorf("cells %d and %d are both %s", other.ID, c.ID, name)
		}
		if strings.ContainsAny(name, " \t\n") {
			t.Errorf("name %q has a space in it", name)
		}
		seen[name] = c
	}
}

// TestAFullDiskIsSaid: no writer here swallows the error of the one below.
func TestAFullDiskIsSaid(t *testing.T) {
	run := madeUp(2, 1)
	full := errors.New("no space left on device")
	for name, write := range map[string]func() error{
		"text":    func() error { return Text(failing{full}, run) },
		"page":    func() error { return Page(failing{full}, run) },
		"gobench": func() error { return GoBench(failing{full}, run) },
		"csv":     func() error { return CSV(failing{full}, run) },
		"plot":    func() error { return Plot(failing{full}, run) },
	} {
		if err := write(); !errors.Is(err, full) {
			t.Errorf("%s: got %v, want %v", name, err, full)
		}
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
