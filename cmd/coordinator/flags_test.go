package main

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"feedmill/internal/export"
	"feedmill/internal/version"
)

func TestSizesReadAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string]int64{"20MiB": 20 << 20, "500kB": 500_000, "1000": 1000, "1 GiB": 1 << 30} {
		var got size
		if err := got.Set(text); err != nil || int64(got) != want {
			t.Errorf("size %q = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-1", "much", "0", "99999TiB"} {
		var got size
		if err := got.Set(text); err == nil {
			t.Errorf("size %q = %d, want an error", text, got)
		}
	}
}

func TestAnAddressIsANetworkOfOne(t *testing.T) {
	got := list[netip.Prefix]{parse: parsePrefix}
	if err := got.Set("127.0.0.0/8,192.168.1.5"); err != nil {
		t.Fatal(err)
	}
	if err := got.Set("::1"); err != nil {
		t.Fatal(err)
	}
	want := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("192.168.1.5/32"), netip.MustParsePrefix("::1/128")}
	if !slices.Equal(got.all, want) {
		t.Errorf("prefixes = %v, want %v", got.all, want)
	}
	if err := got.Set("localhost"); err == nil {
		t.Error("a name was taken for a network")
	}
}

func TestAMomentIsADateOrSoLongAgo(t *testing.T) {
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"24h":                  now.Add(-24 * time.Hour),
		"7d":                   now.Add(-7 * 24 * time.Hour),
		"1w2d12h":              now.Add(-(9*24 + 12) * time.Hour),
		"today":                time.Date(2026, 5, 4, 0, 0, 0, 0, zone),
		"yesterday":            time.Date(2026, 5, 3, 0, 0, 0, 0, zone),
		"2026-01-31":           time.Date(2026, 1, 31, 0, 0, 0, 0, zone),
		"2026-01-31T08:00:00Z": time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC),
	} {
		m := moment{now: func() time.Time { return now }}
		if err := m.Set(text); err != nil || !m.Equal(want) {
			t.Errorf("moment %q = %v, %v, want %v", text, m.Time, err, want)
		}
	}
	for _, text := range []string{"tomorrow", "d", "-1d", "7d7", "99999999d", ""} {
		m := moment{now: func() time.Time { return now }}
		if err := m.Set(text); err == nil {
			t.Errorf("moment %q was taken", text)
		}
	}
}

func TestJSONHidesNoControls(t *testing.T) {
	var b strings.Builder
	in := "esc\x1b del\x7f c1\u009b31m dir\u202e tag\U000e0001 plain é & 漢"
	if err := export.JSON(&b, in); err != nil {
		t.Fatal(err)
	}
	want := `"esc\u001b del\u007f c1\u009b31m dir\u202e tag\udb40\udc01 plain é & 漢"` + "\n"
	if b.String() != want {
		t.Errorf("printed %s, want %s", b.String(), want)
	}
	var back string
	if err := json.Unmarshal([]byte(b.String()), &back); err != nil || back != in {
		t.Errorf("it reads back as %q, %v, want %q", back, err, in)
	}
}

func TestServersAreToldWhoAsks(t *testing.T) {
	t.Setenv(contactVariable, "https://example.org/cron")
	for _, c := range []struct{ name, agent, contact, want string }{
		{"nothing", "", "", "feedmill/" + version.Release() + " (+https://example.org/cron)"},
		{"a contact", "", "mailto:me@example.org", "feedmill/" + version.Release() + " (+mailto:me@example.org)"},
		{"a name", "curl/8", "", "curl/8"},
		{"two lines for a name", "a\nb", "", ""},
		{"two lines for a contact", "", "https://example.org/\nb", ""},
		{"the end of a comment", "", "https://example.org/) (b", ""},
		{"a password", "", "https://u:p@example.org/", ""},
		{"no URL", "", "me", ""},
	} {
		f := fetchFlags{timeout: time.Second, userAgent: c.agent, contact: c.contact}
		if err := f.check(); err != nil {
			if c.want != "" || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %v, want %q", c.name, err, c.want)
			}
		} else if got := f.agent(); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
