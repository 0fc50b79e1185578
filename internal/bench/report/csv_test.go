package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"slices"
	"strconv"
	"testing"
)

// TestCSVHoldsEveryFigureOfEverySample: the names are those of run.json, and
// the values, too. What is not known has no line.
func TestCSVHoldsEveryFigureOfEverySample(t *testing.T) {
	run := madeUp(2, 1)
	var text bytes.Buffer
	if err := CSV(&text, run); err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(&text).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) int { return slices.Index(records[0], name) }
	got := make(map[string]map[string]string) // by order, by metric
	for _, r := range records[1:] {
		order := r[at("order")]
		if got[order] == nil {
			got[order] = make(map[string]string)
		}
		got[order][r[at("metric")]] = r[at("value")]
	}
	if len(got) != len(run.Samples) {
		t.Errorf("got %d samples, want %d", len(got), len(run.Samples))
	}
	for _, s := range run.Samples {
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(text, &fields); err != nil {
			t.Fatal(err)
		}
		for name, v := range fields {
			number, ok := v.(float64)
			if !ok || slices.Contains([]string{"cell", "invocation", "block", "order"}, name) {
				continue
			}
			line, ok := got[strconv.Itoa(s.Order)][name]
			if number == -1 {
				if ok {
					t.Errorf("sample %d: %s is not known and yet %s", s.Order, name, line)
				}
				continue
			}
			if value, err := strconv.ParseFloat(line, 64); err != nil || value != number {
				t.Errorf("sample %d: %s is %q, want %v", s.Order, name, line, number)
			}
		}
	}
}
