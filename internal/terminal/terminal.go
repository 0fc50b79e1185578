package terminal

import (
	"io"
	"os"
	"strconv"

	"golang.org/x/term"
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
