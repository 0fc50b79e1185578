package main

import (
	"bufio"
	"io"
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// columnGap is how many columns of the terminal are between two of a table.
const columnGap = 2

// A table prints rows whose columns line up on a terminal, whatever script their
// cells are in, and no blanks at the end of a line. It keeps all rows until
// print. The zero value is ready to use.
//
// Rejected: text/tabwriter, for which every character is as wide as another.
type table struct{ rows [][]string }

// row adds a row. All rows have as many cells as the first one.
func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

// print writes all rows.
func (t *table) print(w io.Writer) error {
	var widths []int
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], columns(cell))
		}
	}
	out := bufio.NewWriter(w)
	blanks := 0
	for _, row := range t.rows {
		for i, cell := range row {
			if cell != "" {
				out.WriteString(strings.Repeat(" ", blanks))
				out.WriteString(cell)
				blanks = 0
			}
			blanks += widths[i] - columns(cell) + columnGap
		}
		out.WriteByte('\n')
		blanks = 0
	}
	return out.Flush()
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
