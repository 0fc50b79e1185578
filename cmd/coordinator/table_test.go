package main

import (
	"strings"
	"testing"
)

// TestTablesLineUpOnATerminal: a character of two columns counts as two, a mark
// as none, and no line ends in blanks.
func TestTablesLineUpOnATerminal(t *testing.T) {
	var tab table
	tab.row("FEED", "TITLE", "ERROR")
	tab.row("한국", "plain", "")
	tab.row("e\u0301te\u0301", "", "gone")
	tab.row("🚲 up", "Zürich", "")
	tab.row("", "", "")
	var out strings.Builder
	if err := tab.print(&out); err != nil {
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
