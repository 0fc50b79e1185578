// Package terminal writes for people: text that no terminal obeys, tables that
// fit it, bars, and a pager for what is longer than its window. It never writes
// to what it was not given, and knows no command.
package terminal

import (
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/term"
	"golang.org/x/text/width"
)

// An Output is a stream of results that remembers the first error of writing
// there, so that no command must look for it everywhere, and takes nothing after it.
type Output struct {
	io.Writer
	err error
}

func (o *Output) Write(b []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.Writer.Write(b)
	o.err = err
	return n, err
}

// Err returns the first error of writing, if there was one.
func (o *Output) Err() error { return o.err }

// fileOf returns the file that w writes to, if it is one.
func fileOf(w io.Writer) (*os.File, bool) {
	if o, ok := w.(*Output); ok {
		w = o.Writer
	}
	f, ok := w.(*os.File)
	return f, ok
}

// isTerminal reports whether w is a file that is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := fileOf(w)
	return ok && term.IsTerminal(int(f.Fd()))
}

// size returns the columns and lines of the terminal that w is; 0 when it is
// none, or does not say.
func size(w io.Writer) (columns, lines int) {
	if !isTerminal(w) {
		return 0, 0
	}
	f, _ := fileOf(w)
	columns, lines, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0, 0
	}
	return columns, lines
}

// Width returns how many columns the terminal has that w is, or what COLUMNS
// says for whoever is no terminal; 0 when that is unknown.
func Width(w io.Writer) int {
	if n, _ := size(w); n > 0 {
		return n
	}
	n, err := strconv.Atoi(os.Getenv("COLUMNS"))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// Printable returns s with everything that could move a terminal's cursor,
// change its colours or reorder its text made visible: what a feed says is
// shown, never obeyed.
func Printable(s string) string {
	clean := func(r rune) bool {
		if r < 0x7f { // nearly all: the others are looked up in tables
			return r >= ' '
		}
		return unicode.IsPrint(r) && !unicode.Is(unicode.Cf, r) && r != unicode.ReplacementChar
	}
	if strings.IndexFunc(s, func(r rune) bool { return !clean(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case clean(r):
			b.WriteRune(r)
		case r == '\t' || r == '\n' || r == '\r' || unicode.IsSpace(r):
			b.WriteByte(' ')
		default:
			b.WriteRune(unicode.ReplacementChar)
		}
	}
	return b.String()
}

// PrintableLines makes each line of a text Printable, and keeps its line feeds.
func PrintableLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = Printable(lines[i])
	}
	return strings.Join(lines, "\n")
}

// clip shortens s to at most so many columns, the last one an ellipsis.
func clip(s string, n int) string {
	if columns(s) <= n {
		return s
	}
	used := 0
	for i, r := range s {
		if used += columns(string(r)); used > n-1 {
			return s[:i] + "…"
		}
	}
	return s
}

// columns returns how many columns of a terminal a printable text takes: two
// for the characters of East Asia and for most pictures, none for marks that
// stand on the one before.
func columns(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case r < 0x300: // before all marks and wide characters
			n++
		case unicode.In(r, unicode.Mn, unicode.Me):
		default:
			n++
			if k := width.LookupRune(r).Kind(); k == width.EastAsianWide || k == width.EastAsianFullwidth {
				n++
			}
		}
	}
	return n
}
