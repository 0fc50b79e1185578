package report

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"feedmill/internal/bench"
)

// TestComparisonSaysWhatIsBeyondAndWhatIsDoubtful, within 100 columns.
func TestComparisonSaysWhatIsBeyondAndWhatIsDoubtful(t *testing.T) {
	old, new := madeUp(2, 3), madeUp(2, 3)
	new.Environment.CPU = "another one"
	c := Comparison{Old: old, New: new, Threshold: 0.05, Unmatched: []string{"ship/x (new)"}, Changes: []bench.Change{
		{Name: "ship/" + strings.Repeat("long/", 20), CPU: bench.Interval{Estimate: 1.2, Low: 1.1, High: 1.3}, Wall: bench.Interval{Estimate: 1.1, Low: 1, High: 1.2}, Holm: 0.01, Verdict: bench.Higher},
		{Name: "ship/near", CPU: bench.Interval{Estimate: 1.2, Low: 1.04, High: 1.3}, Holm: 0.01, Verdict: bench.Higher},
		{Name: "ship/same", CPU: bench.Interval{Estimate: 1, Low: 0.9, High: 1.1}, Holm: 1, Verdict: bench.NoDifference},
	}}
	var b bytes.Buffer
	if err := Compare(&b, c); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(b.String()), " ")
	for _, want := range []string{"another one", "! The runs are of different machines", "Not for publication: its numbers are made up.",
		"2 warnings: noisy, too-few-runs", "1.20× [1.10, 1.30]", "BEYOND p = 0.010", "higher p = 0.010", "no difference p = 1.000", "threshold of 5.0 %", "only in one run: ship/x (new)"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if n := strings.Count(text, "BEYOND p"); n != 1 {
		t.Errorf("%d cells are beyond, want the one whose whole interval is", n)
	}
	for line := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 100 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}
