package terminal

import (
	"slices"
	"strings"
	"testing"
)

// TestTablesLineUpOnATerminal: a character of two columns counts as two, a mark
// as none, and no line ends in blanks.
func TestTablesLineUpOnATerminal(t *testing.T) {
	tab := Table{Columns: []Column{{Name: "FEED"}, {Name: "TITLE"}, {Name: "ERROR"}}}
	tab.Rows = slices.Values([][]string{{"한국", "plain", ""}, {"e\u0301te\u0301", "", "gone"}, {"🚲 up", "Zürich", ""}, {"", "", ""}})
	var out strings.Builder
	if err := tab.Print(&out); err != nil {
		t.Fatal(err)
	}
	want := "FEED   TITLE   ERROR\n" +
		"한국   plain\n" +
		"e\u0301te\u0301            gone\n" +
		"🚲 up  Zürich\n" +
		"\n"
	if got := out.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestATableWithoutRowsIsNothing: cron mails whatever a job prints.
func TestATableWithoutRowsIsNothing(t *testing.T) {
	var out strings.Builder
	if err := (&Table{Columns: []Column{{Name: "ID"}}, Rows: slices.Values([][]string{})}).Print(&out); err != nil || out.Len() > 0 {
		t.Errorf("got %q, %v, want nothing", out.String(), err)
	}
}

// TestTablesFitTheTerminal: what may be left out goes first, then cells are cut,
// the widest first, by the columns that they take.
func TestTablesFitTheTerminal(t *testing.T) {
	for width, want := range map[int]string{
		0:  "ID  FEED            URL        ERROR\n1   한국한국한국한  http://x/  no answer\n",
		30: "ID  FEED     URL       ERROR\n1   한국한…  http://…  no ans…\n",
		20: "ID  FEED     ERROR\n1   한국한…  no ans…\n",
		5:  "ID  FEED  ERROR\n1   한…   no a…\n",
	} {
		tab := Table{Width: width, Columns: []Column{{Name: "ID"}, {Name: "FEED", Least: 4}, {Name: "URL", Least: 8, Drop: 1}, {Name: "ERROR", Least: 5}}}
		tab.Rows = slices.Values([][]string{{"1", "한국한국한국한", "http://x/", "no answer"}})
		var out strings.Builder
		if err := tab.Print(&out); err != nil || out.String() != want {
			t.Errorf("width %d: got %v\n%swant\n%s", width, err, out.String(), want)
		}
		for line := range strings.Lines(out.String()) {
			if n := columns(strings.TrimSuffix(line, "\n")); width > 15 && n > width {
				t.Errorf("width %d: a line of %d Columns: %s", width, n, line)
			}
		}
	}
}

func TestPrintableNeverMovesTheCursor(t *testing.T) {
	for in, want := range map[string]string{
		"plain – ünïcode":    "plain – ünïcode",
		"a\x1b[2Jb":          "a\uFFFD[2Jb",
		"two\nlines\tand\r":  "two lines and ",
		"right\u202Eto-left": "right\uFFFDto-left",
		"bad\xffbyte":        "bad\uFFFDbyte",
		"nul\x00":            "nul\uFFFD",
	} {
		if got := Printable(in); got != want {
			t.Errorf("Printable(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestClipKeepsWholeRunes(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{{"short", 10, "short"}, {"exactly", 7, "exactly"}, {"much too long", 5, "much…"}, {"ünïcödé", 4, "ünï…"}} {
		if got := clip(c.in, c.n); got != c.want {
			t.Errorf("clip(%q, %d) = %q, want %q", c.in, c.n, got, c.want)
		}
	}
}
