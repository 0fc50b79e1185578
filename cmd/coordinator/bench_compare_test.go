package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"feedmill/internal/bench"
)

// writeTestRun writes a run of one cell whose CPU time is about ns.
func writeTestRun(t *testing.T, name string, ns int, cpu string) string {
	t.Helper()
	run := &bench.Run{Schema: bench.Schema, Complete: true, Environment: bench.Environment{OS: "linux", CPU: cpu}, Settings: bench.Settings{Resamples: 1000},
		Cells: []bench.Cell{{Name: "ship/pipe", Work: bench.Ship, Mode: bench.Pipe, Workers: 2, Feeds: 10, Items: 1, Bytes: 1}}}
	for i := range 32 {
		d := time.Duration(ns + ns/200*(i%5))
		run.Samples = append(run.Samples, bench.Sample{Invocation: i / 8, Block: i % 8, Hash: "h", CPU: d, Wall: d})
	}
	path := filepath.Join(t.TempDir(), name)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := run.WriteTo(f); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestBenchCompareExitsByWhatItFinds: 3 for what is surely dearer than the
// threshold, 1 for runs that are not to be compared.
func TestBenchCompareExitsByWhatItFinds(t *testing.T) {
	old, dearer := writeTestRun(t, "old.json", 1e6, "a"), writeTestRun(t, "new.json", 1.1e6, "a")
	elsewhere := writeTestRun(t, "elsewhere.json", 1e6, "b")
	for _, tt := range []struct {
		args           []string
		status         int
		stdout, stderr string
	}{
		{[]string{old, dearer}, 3, "BEYOND", "1 of 1 cells take over 5% more CPU time"},
		{[]string{"--threshold", "20%", old, dearer}, 0, "higher", ""},
		{[]string{"--threshold=0.2", old, dearer}, 0, "higher", ""},
		{[]string{dearer, old}, 0, "lower", ""},
		{[]string{old, old}, 0, "no difference", ""},
		{[]string{old, elsewhere}, 1, "", "--force"},
		{[]string{"--force", old, elsewhere}, 0, "different machines", ""},
		{[]string{"--threshold", "-1%", old, old}, 1, "", "no percentage"},
		{[]string{old}, 1, "", "1 argument, want 2"},
		{[]string{old, "no-such.json"}, 1, "", "no-such.json"},
	} {
		var stdout, stderr bytes.Buffer
		status := run(t.Context(), append([]string{"bench", "compare"}, tt.args...), strings.NewReader(""), &stdout, &stderr)
		if status != tt.status || !strings.Contains(stdout.String(), tt.stdout) || !strings.Contains(stderr.String(), tt.stderr) {
			t.Errorf("%q: got status %d, %q and %q, want %d with %q and %q", tt.args, status, stdout.String(), stderr.String(), tt.status, tt.stdout, tt.stderr)
		}
	}
}
