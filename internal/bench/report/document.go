package report

import (
	"cmp"
	"strings"

	"feedmill/internal/bench"
	"feedmill/internal/bench/plot"
)

// A document is what a run has to say, in the order in which it is read, before
// it becomes text or a page: both say the same, but the text has no plots.
type document struct {
	Answer   answer
	Warnings []bench.Warning
	Sections []section
}

// A section is one subject.
type section struct {
	ID, Title string
	Blocks    []block
}

// A block is one of a paragraph, a table and a figure.
type block struct {
	Text   string
	Table  *table
	Figure *figure
	Quiet  bool // an aside: folded away on the page
	Title  string
}

func paragraph(s string) block { return block{Text: s} }

// say adds a paragraph, unless it is empty.
func (s *section) say(text string) {
	if text != "" {
		s.Blocks = append(s.Blocks, paragraph(text))
	}
}

func (s *section) tabulate(t table) {
	if len(t.Rows) > 0 {
		s.Blocks = append(s.Blocks, block{Table: &t})
	}
}

// fold adds a table that most readers can do without.
func (s *section) fold(title string, t table) {
	if len(t.Rows) > 0 {
		s.Blocks = append(s.Blocks, block{Table: &t, Quiet: true, Title: title})
	}
}

func (s *section) show(f figure) { s.Blocks = append(s.Blocks, block{Figure: &f}) }

// A table is drawn by the text and by the page alike.
type table struct {
	Caption string
	Columns []column
	Rows    []row
	Notes   []string
}

// A column says how its cells are set.
type column struct {
	Name   string
	Number bool // to the right, figures of one width
	Wrap   bool // may take more than one line
	Page   bool // only on the page: the text has no room
	Bare   bool // the text has room for no aside
}

// A row has one cell for each column.
type row struct {
	Cells []cell
	Sum   bool // ruled off from what is above
	Sub   bool // belongs to the row above
}

// A cell is a text and, less loud, the interval that it lies in or a remark.
type cell struct {
	Text, Aside string
	Mood        mood
	Colon       bool // between the two, where the text has them in a row
}

// A mood is the meaning of a cell beyond its words, which say it, too.
type mood string

const (
	good mood = "good"
	bad  mood = "bad"
	meh  mood = "meh"
)

func (c cell) String() string {
	if c.Aside == "" {
		return c.Text
	}
	if c.Text == "" {
		return c.Aside
	}
	if c.Colon {
		return c.Text + ": " + c.Aside
	}
	return c.Text + " " + c.Aside
}

// cells makes a row of plain cells.
func cells(texts ...string) row {
	r := row{}
	for _, t := range texts {
		r.Cells = append(r.Cells, cell{Text: t})
	}
	return r
}

// A figure is one chart at the two widths that the page shows it in.
type figure struct {
	plot.Info
	Caption string
	Chart   plot.Chart
}

// build makes the document of a run. Subjects that the run has nothing about
// are left out.
func build(run *bench.Run) document {
	d := document{Answer: makeAnswer(run), Warnings: run.Warnings}
	for _, of := range []func(*bench.Run) section{
		ledgerSection, buysSection, claimsSection, modesSection, breakEvenSection, modelSection, limitsSection, samplesSection, methodSection,
	} {
		if s := of(run); len(s.Blocks) > 0 {
			d.Sections = append(d.Sections, s)
		}
	}
	return d
}

// workName says what a work does, in the words of people.
func workName(w bench.Work) string {
	return map[bench.Work]string{bench.Round: "fetch, parse and ship", bench.Parse: "parse and ship", bench.Ship: "ship lists that are already parsed"}[w]
}

// doing is workName for the beginning of a sentence.
func doing(w bench.Work) string {
	return cmp.Or(map[bench.Work]string{bench.Round: "Fetching, parsing and shipping", bench.Parse: "Parsing and shipping",
		bench.Ship: "Shipping the parsed lists of"}[w], "Working on")
}

// sentence joins what is not empty with spaces.
func sentence(parts ...string) string {
	var kept []string
	for _, p := range parts {
		if p != "" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, " ")
}
