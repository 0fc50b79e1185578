package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"feedmill/internal/origin"
)

// TestARoundOfOneHostStartsOneWorker, whatever number is allowed: its feeds are
// with one worker, and another process would only cost.
func TestARoundOfOneHostStartsOneWorker(t *testing.T) {
	s := serve(t, origin.Options{Feeds: 1, Hosts: 1, Items: 2, Bytes: 50})
	for range 5 {
		db := filepath.Join(t.TempDir(), "feeds.db")
		cmd := exec.Command(filepath.Join(programs, "coordinator"), "refresh", "--verbose", "--quiet", "--db", db,
			"--workers", "8", "--allow-net", "127.0.0.0/8", "--list", s.list)
		log, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, log)
		}
		if n := strings.Count(string(log), "worker ready"); n != 1 {
			t.Errorf("got %d workers, want 1:\n%s", n, log)
		}
	}
}
