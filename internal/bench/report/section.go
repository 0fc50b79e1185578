package report

import (
	"slices"
	"strings"
)

// A document is what there is to say, in the order in which it is read, before
// it becomes Markdown or a page: both say the same, but the text has no charts.
type document struct {
	Headline string
	Doubts   []string // why the figures are not to be relied on
	Answer   []string
	Sections []section
}

// A section is one subject. More is folded away on the page.
type section struct {
	ID, Title  string
	Text       []string
	Chart      *chart
	Table      *table
	After      []string
	More       *table
	Code, List []string
}

// A table has a caption, and a cell for each column in every row.
type table struct {
	Caption string
	Columns []string
	Rows    [][]string
}

func (t *table) add(cells ...string) { t.Rows = append(t.Rows, cells) }

// Number reports whether a column is set to the right: its cells are numbers.
func (t *table) Number(i int) bool {
	return i > 0 && !slices.ContainsFunc(t.Rows, func(r []string) bool {
		return r[i] != "" && !strings.ContainsRune("0123456789+−–", []rune(r[i])[0])
	})
}
