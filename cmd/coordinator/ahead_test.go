package main

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
)

// TestWorkersThatStartedForNothingAreNotBilled: all that was named is gone,
// which only the store knows, and they are started before it does.
func TestWorkersThatStartedForNothingAreNotBilled(t *testing.T) {
	gone := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }))
	defer gone.Close()
	for _, mode := range modes {
		db := filepath.Join(t.TempDir(), "feeds.db")
		refreshed(t, db, "--mode", mode, gone.URL).want(t, exitFeeds)
		out := refreshed(t, db, "--mode", mode, gone.URL)
		out.want(t, exitOK)
		if s := out.summary; mode != goroutineMode && (s.Feeds != 0 || s.Sandbox != "" || s.WorkerDeaths != 0) {
			t.Errorf("%s: %d feeds, sandbox %q and %d deaths, want none of them", mode, s.Feeds, s.Sandbox, s.WorkerDeaths)
		}
	}
}
