package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"feedmill/internal/feeds"
	"feedmill/internal/origin"
)

// TestAnotherPortNeedsTheUsersWord in every mode: a server that sends a feed to
// a port that no feed is at is not followed, until that is allowed.
func TestAnotherPortNeedsTheUsersWord(t *testing.T) {
	t.Parallel()
	s := serve(t, origin.Options{Feeds: 1})
	target := strings.TrimSpace(string(readFile(t, s.list)))
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	moved := httptest.NewServer(http.RedirectHandler(target, http.StatusFound))
	defer moved.Close()
	for _, mode := range modes {
		db := filepath.Join(t.TempDir(), "feeds.db")
		out := refreshed(t, db, "--mode", mode, moved.URL)
		out.want(t, exitFeeds)
		if l := out.feeds[0]; l.Class != feeds.BlockedAddress || !strings.Contains(l.Detail, "--allow-port "+u.Port()) {
			t.Errorf("%s: %s %s, want blocked_address and what allows it", mode, l.Class, l.Detail)
		}
		if n := s.Requests().Requests; n != 0 {
			t.Errorf("%s: the other port was asked %d times", mode, n)
		}
	}
	for _, mode := range modes {
		db := filepath.Join(t.TempDir(), "feeds.db")
		refreshed(t, db, "--mode", mode, "--allow-port", u.Port(), moved.URL).want(t, exitOK)
		// A feed of the same round at that port is as good.
		db = filepath.Join(t.TempDir(), "feeds.db")
		refreshed(t, db, "--mode", mode, moved.URL, target).want(t, exitOK)
	}
}

// TestAFeedThatMovedToAnotherPortIsFoundByItsOldName: the workers that were
// started for the port in its name are of no use then.
func TestAFeedThatMovedToAnotherPortIsFoundByItsOldName(t *testing.T) {
	t.Parallel()
	s := serve(t, origin.Options{Feeds: 1})
	target := strings.TrimSpace(string(readFile(t, s.list)))
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	old := httptest.NewServer(http.RedirectHandler(target, http.StatusMovedPermanently))
	defer old.Close()
	for _, mode := range modes {
		db := filepath.Join(t.TempDir(), "feeds.db")
		for range 2 { // a second run believes it
			refreshed(t, db, "--mode", mode, "--allow-port", u.Port(), old.URL).want(t, exitOK)
		}
		out := refreshed(t, db, "--mode", mode, old.URL)
		out.want(t, exitOK)
		if l := out.feeds[0]; l.URL != target || l.Class != feeds.NotModified {
			t.Errorf("%s: %s ended as %s, want %s and not_modified", mode, l.URL, l.Class, target)
		}
	}
}
