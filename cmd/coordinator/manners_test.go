package main

import (
	"path/filepath"
	"testing"
	"time"

	"feedmill/internal/origin"
)

// TestAHostHasOneRequestAtATimeInEveryMode, as its server sees it: also where
// workers take their jobs from a queue.
func TestAHostHasOneRequestAtATimeInEveryMode(t *testing.T) {
	for _, mode := range everyMode() {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := serve(t, origin.Options{Feeds: 160, Hosts: 10, Items: 2, Latency: 3 * time.Millisecond})
			out := refreshed(t, filepath.Join(t.TempDir(), "feeds.db"), "--list", s.list, "-n", "4", "--mode", mode)
			out.want(t, exitOK)
			if got := s.Requests(); got.MaxPerHost != 1 || got.Requests < 160 {
				t.Errorf("%d requests, up to %d for a host at a time, want 160 and one", got.Requests, got.MaxPerHost)
			}
		})
	}
}
