package terminal

import (
	"bufio"
	"io"
	"iter"
	"strings"
)

// columnGap is how many columns of the terminal are between two of a table.
const columnGap = 2

// A Column is one of a table's.
type Column struct {
	Name  string
	Least int // cells may be cut to so many columns of the terminal; 0: never
	Drop  int // left out where there is no room, the lowest number first; 0: never
}

// A Table prints rows whose columns line up on a terminal, whatever script their
// cells are in, and no blanks at the end of a line.
//
// Rejected: text/tabwriter, for which every character is as wide as another.
type Table struct {
	Columns []Column
	Width   int // of the terminal; 0: as wide as it comes

	// Rows yields the rows, each with as many cells as there are columns. They are
	// not kept: those of a million feeds are 1.3 GB. It is walked twice, and a cell
	// that is longer the second time is cut.
	Rows iter.Seq[[]string]
}

// Print writes the names of the columns and all rows; nothing where there is no row,
// since a job that has nothing to say should be silent.
func (t *Table) Print(w io.Writer) error {
	var names []string
	widths := make([]int, len(t.Columns))
	for i, c := range t.Columns {
		names = append(names, c.Name)
		widths[i] = columns(c.Name)
	}
	empty := true
	for row := range t.Rows {
		empty = false
		for i, cell := range row {
			widths[i] = max(widths[i], columns(cell))
		}
	}
	if empty {
		return nil
	}
	t.fit(widths)
	out := bufio.NewWriter(w)
	printRow(out, names, widths)
	for row := range t.Rows {
		if err := printRow(out, row, widths); err != nil {
			return err
		}
	}
	return out.Flush()
}

// printRow writes a row without its columns of width 0.
func printRow(out *bufio.Writer, row []string, widths []int) error {
	blanks := 0
	for i, cell := range row {
		if widths[i] == 0 {
			continue
		}
		cell = clip(cell, widths[i])
		if cell != "" {
			out.WriteString(strings.Repeat(" ", blanks))
			out.WriteString(cell)
			blanks = 0
		}
		blanks += widths[i] - columns(cell) + columnGap
	}
	return out.WriteByte('\n')
}

// fit makes columns narrower, or leaves them out with a width of 0, until they go
// into the table's width.
func (t *Table) fit(widths []int) {
	if t.Width == 0 {
		return
	}
	for {
		excess, room := -columnGap-t.Width, 0
		for i, w := range widths {
			if w > 0 {
				excess += w + columnGap
			}
			if least := t.Columns[i].Least; least > 0 {
				room += max(0, w-least)
			}
		}
		if excess <= 0 {
			return
		}
		if gone := t.dropped(widths); room < excess && gone >= 0 {
			widths[gone] = 0
			continue
		}
		// Of the widest cells one column each time: they have most to lose.
		widest := -1
		for i, w := range widths {
			if least := t.Columns[i].Least; least > 0 && w > least && (widest < 0 || w > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		widths[widest]--
	}
}

// dropped returns which column is to be left out next, -1 for none.
func (t *Table) dropped(widths []int) int {
	next := -1
	for i, c := range t.Columns {
		if widths[i] > 0 && c.Drop > 0 && (next < 0 || c.Drop < t.Columns[next].Drop) {
			next = i
		}
	}
	return next
}
