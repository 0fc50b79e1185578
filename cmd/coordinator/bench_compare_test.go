package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	benchrun "feedmill/internal/bench/run"
)

// writeTestRun writes a run of one cell whose CPU time is about ns.
func writeTestRun(t *testing.T, name string, ns int, cpu string) string {
	t.Helper()
	r := &benchrun.Run{Schema: 2, Complete: true, Environment: benchrun.Environment{OS: "linux", CPU: cpu}, Settings: benchrun.Settings{Resamples: 1000},
		Cells: []benchrun.Cell{{Name: "ship/pipe", Work: benchrun.Ship, Mode: benchrun.Pipe, Workers: 2, Feeds: 10, Items: 1, Bytes: 1}}}
	for i := range 32 {
		d := time.Duration(ns + ns/200*(i%5))
		r.Samples = append(r.Samples, benchrun.Sample{Invocation: i / 8, Block: i % 8, Hash: "h", CPU: d, Wall: d})
	}
	path := filepath.Join(t.TempDir(), name)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := r.Write(f); err != nil {
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
		{[]string{old, old}, 0, "not seen", ""},
		{[]string{old, elsewhere}, 1, "", "--force"},
		{[]string{"--force", old, elsewhere}, 0, "different machines", ""},
		{[]string{"--threshold", "-1%", old, old}, 1, "", "no percentage"},
		{[]string{"before"}, 1, "", "saved-before.json"},
		{[]string{old, "no-such.json"}, 1, "", "no-such.json"},
	} {
		var stdout, stderr bytes.Buffer
		status := run(t.Context(), append([]string{"bench", "compare"}, tt.args...), strings.NewReader(""), &stdout, &stderr)
		if status != tt.status || !strings.Contains(stdout.String(), tt.stdout) || !strings.Contains(stderr.String(), tt.stderr) {
			t.Errorf("%q: got status %d, %q and %q, want %d with %q and %q", tt.args, status, stdout.String(), stderr.String(), tt.status, tt.stdout, tt.stderr)
		}
	}
}

// TestBenchSaveKeepsARunToCompareWith under its name, and nowhere else.
func TestBenchSaveKeepsARunToCompareWith(t *testing.T) {
	dir := filepath.Dir(writeTestRun(t, "run.json", 1e6, "a"))
	for _, tt := range []struct {
		args   []string
		status int
		stdout string
	}{
		{[]string{"save", "../before", "--out", dir}, 0, ""},
		{[]string{"compare", "before", "--out", dir}, 0, "not seen"},
		{[]string{"save", "before", "--out", filepath.Join(dir, "nowhere")}, 1, ""},
	} {
		var stdout, stderr bytes.Buffer
		status := run(t.Context(), append([]string{"bench"}, tt.args...), strings.NewReader(""), &stdout, &stderr)
		if status != tt.status || !strings.Contains(stdout.String(), tt.stdout) {
			t.Errorf("%q: got status %d, %q and %q, want %d and %q", tt.args, status, stdout.String(), stderr.String(), tt.status, tt.stdout)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "saved-before.json")); err != nil {
		t.Error(err)
	}
}

// TestBenchSaysWhatItWouldMeasure, and refuses what it cannot before it begins.
func TestBenchSaysWhatItWouldMeasure(t *testing.T) {
	for _, tt := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"--quick", "--dry-run", "--python", "none", "--seed", "5"}, 0, "seed 5"},
		{[]string{"--full", "--dry-run", "--feeds", "40"}, 0, "/feeds=40/"},
		{[]string{"--modes", "carrier-pigeon"}, 1, "carrier-pigeon"},
		{[]string{"--feeds", "-1"}, 1, "--feeds"},
		{[]string{"--dir", "no-such-folder"}, 1, "no feeds there"},
		{[]string{"--quick", "--full"}, 1, "quick"},
	} {
		var stdout, stderr bytes.Buffer
		status := run(t.Context(), append([]string{"bench"}, tt.args...), strings.NewReader(""), &stdout, &stderr)
		if got := stdout.String() + stderr.String(); status != tt.status || !strings.Contains(got, tt.want) {
			t.Errorf("%q: got status %d and %q, want %d and %q", tt.args, status, got, tt.status, tt.want)
		}
	}
}

// TestAFileIsReplacedWhole: one that cannot be written leaves the old one and
// nothing beside it.
func TestAFileIsReplacedWhole(t *testing.T) {
	name := filepath.Join(t.TempDir(), "bench.txt")
	for _, step := range []struct {
		write func(io.Writer) error
		fails bool
		want  string
	}{
		{func(w io.Writer) error { _, err := io.WriteString(w, "old"); return err }, false, "old"},
		{func(w io.Writer) error { io.WriteString(w, "half"); return io.ErrShortWrite }, true, "old"},
		{func(w io.Writer) error { _, err := io.WriteString(w, "new"); return err }, false, "new"},
	} {
		err := replaceBy(name, step.write)
		got, _ := os.ReadFile(name)
		entries, _ := os.ReadDir(filepath.Dir(name))
		if (err != nil) != step.fails || string(got) != step.want || len(entries) != 1 {
			t.Errorf("got %v, %q and %d files, want failure %v, %q and 1", err, got, len(entries), step.fails, step.want)
		}
	}
}
