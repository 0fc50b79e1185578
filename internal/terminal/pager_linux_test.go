package terminal

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// TestLongTablesGoToThePager on a terminal of 24 lines, and nothing else does.
func TestLongTablesGoToThePager(t *testing.T) {
	for _, c := range []struct {
		name, pager, term string
		lines             int
		want              string
	}{
		{"long", "sed s/row/paged/", "xterm", 24, strings.Repeat("paged\r\n", 24)},
		{"short", "sed s/row/paged/", "xterm", 23, strings.Repeat("row\r\n", 23)},
		{"left early", "head -n 1", "xterm", 30000, "row\r\n"},
		{"ended badly", "sed s/row/paged/; exit 3", "xterm", 24, strings.Repeat("paged\r\n", 24)},
		{"not there", "/nonexistent/pager 2>&-", "xterm", 24, strings.Repeat("row\r\n", 24)},
		{"none", "", "xterm", 24, strings.Repeat("row\r\n", 24)},
		{"cat", "cat", "xterm", 24, strings.Repeat("row\r\n", 24)},
		{"dumb terminal", "sed s/row/paged/", "dumb", 24, strings.Repeat("row\r\n", 24)},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, screen := newTerminal(t)
			t.Setenv("PAGER", c.pager)
			t.Setenv("TERM", c.term)
			err := Paged(&Output{Writer: out}, func(w io.Writer) error {
				_, err := io.WriteString(w, strings.Repeat("row\n", c.lines))
				return err
			})
			out.Close()
			if got := <-screen; got != c.want || err != nil {
				t.Errorf("PAGER=%q, %d lines: got %d bytes %.200q, %v, want %d bytes %.200q", c.pager, c.lines, len(got), got, err, len(c.want), c.want)
			}
		})
	}
}

// TestNoPagerElsewhere: what is no terminal gets all of it, and what was written
// before an error comes out, too.
func TestNoPagerElsewhere(t *testing.T) {
	t.Setenv("PAGER", "false")
	var out bytes.Buffer
	broken := errors.New("broken")
	err := Paged(&out, func(w io.Writer) error {
		io.WriteString(w, strings.Repeat("row\n", 100))
		return broken
	})
	if want := strings.Repeat("row\n", 100); out.String() != want || err != broken {
		t.Errorf("got %d bytes and %v, want %d and %v", out.Len(), err, len(want), broken)
	}
	tty, screen := newTerminal(t)
	err = Paged(tty, func(w io.Writer) error {
		io.WriteString(w, "row\n")
		return broken
	})
	tty.Close()
	if got := <-screen; got != "row\r\n" || err != broken {
		t.Errorf("a terminal: got %q and %v, want %q and %v", got, err, "row\r\n", broken)
	}
}
