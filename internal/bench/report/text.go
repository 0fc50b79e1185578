package report

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode/utf8"

	"feedmill/internal/bench"
)

// columns is how wide a line of the text may be.
const columns = 100

// Text writes the run for people at a terminal: what the page says, without its
// plots, no line wider than 100 columns.
func Text(w io.Writer, run *bench.Run) error {
	d := build(run)
	b := bufio.NewWriter(w)
	t := &text{w: b}
	t.paragraph(d.Answer.Headline, "")
	for _, doubt := range d.Answer.Doubts {
		t.paragraph("! "+doubt, "  ")
	}
	for _, f := range d.Answer.Figures {
		t.line(fmt.Sprintf("  %14s  %s %s", plain(f.Value), plain(f.Label), plain(f.Aside)))
	}
	t.line("")
	for _, l := range d.Answer.Lines {
		t.paragraph(l, "")
	}
	if len(d.Warnings) > 0 {
		t.heading("Warnings")
		for _, warning := range d.Warnings {
			t.paragraph("! "+warning.Kind+": "+warning.Text, "  ")
		}
	}
	for _, s := range d.Sections {
		t.section(s)
	}
	return b.Flush()
}

// text writes lines. An error of the writer below stays with it until Flush.
type text struct{ w *bufio.Writer }

func (t *text) line(s string) {
	fmt.Fprintln(t.w, strings.ReplaceAll(strings.TrimRight(s, " "), "\u00a0", " "))
}

func (t *text) heading(s string) {
	t.line("")
	t.line(s)
	t.line(strings.Repeat("=", utf8.RuneCountInString(s)))
}

func (t *text) section(s section) {
	t.heading(s.Title)
	for _, b := range s.Blocks {
		switch {
		case b.Table != nil:
			t.line("")
			t.table(*b.Table)
		case b.Figure != nil: // has a table
		case b.Title == commandBlock:
			t.line("")
			t.line("    " + b.Text) // whole, though it may be wide: it is to be pasted
		default:
			t.line("")
			t.paragraph(b.Text, "")
		}
	}
}

// paragraph writes s in lines of at most 100 columns, those after the first
// indented.
func (t *text) paragraph(s, indent string) {
	for i, l := range wrap(plain(s), columns-utf8.RuneCountInString(indent)) {
		if i > 0 {
			l = indent + l
		}
		t.line(l)
	}
}

// gap is what stands between two columns.
const gap = 2

func (t *text) table(tb table) {
	var show []int
	for i, c := range tb.Columns {
		if !c.Page {
			show = append(show, i)
		}
	}
	widths := fit(tb, show)
	t.line(tb.Caption)
	total := -gap
	header := row{}
	for _, c := range tb.Columns {
		header.Cells = append(header.Cells, cell{Text: c.Name})
	}
	for _, w := range widths {
		total += w + gap
	}
	t.row(tb, header, show, widths)
	t.line(strings.Repeat("-", total))
	for i, r := range tb.Rows {
		if r.Sum && i > 0 {
			t.line(strings.Repeat("-", total))
		}
		t.row(tb, r, show, widths)
	}
	for n, i := range show {
		if n == 0 && tb.Columns[i].Bare { // what had no room in the cells
			for _, r := range tb.Rows {
				if a := r.Cells[i].Aside; a != "" {
					t.paragraph("  "+r.Cells[i].Text+": "+a, "    ")
				}
			}
		}
	}
	for _, n := range tb.Notes {
		t.paragraph(n, "")
	}
}

// row writes one row, in as many lines as its fullest cell needs.
func (t *text) row(tb table, r row, show, widths []int) {
	lines := make([][]string, len(show))
	most := 0
	for n, i := range show {
		lines[n] = wrap(plain(tb.text(r, i)), widths[n])
		most = max(most, len(lines[n]))
	}
	for l := range most {
		var b strings.Builder
		for n, i := range show {
			s := ""
			if l < len(lines[n]) {
				s = lines[n][l]
			}
			pad := strings.Repeat(" ", max(0, widths[n]-utf8.RuneCountInString(s)))
			if tb.Columns[i].Number {
				s = pad + s
			} else {
				s += pad
			}
			if n > 0 {
				b.WriteString(strings.Repeat(" ", gap))
			}
			b.WriteString(s)
		}
		t.line(b.String())
	}
}

// text is cell number i of a row.
func (tb table) text(r row, i int) string {
	if tb.Columns[i].Bare {
		return r.Cells[i].Text
	}
	return r.Cells[i].String()
}

// fit gives each column the width it asks for, and then takes from the widest
// until the line is short enough: first from those that may wrap, then from any.
func fit(tb table, show []int) []int {
	widths, least := make([]int, len(show)), make([]int, len(show))
	total := gap * (len(show) - 1)
	for n, i := range show {
		texts := []string{tb.Columns[i].Name}
		for _, r := range tb.Rows {
			texts = append(texts, plain(tb.text(r, i)))
		}
		for _, s := range texts {
			widths[n] = max(widths[n], utf8.RuneCountInString(s))
			for word := range words(s) {
				least[n] = max(least[n], min(utf8.RuneCountInString(word), 24))
			}
		}
		total += widths[n]
	}
	for _, wrapping := range []bool{true, false} {
		for total > columns {
			widest := -1
			for n, i := range show {
				if (tb.Columns[i].Wrap || !wrapping) && widths[n] > least[n] && (widest < 0 || widths[n] > widths[widest]) {
					widest = n
				}
			}
			if widest < 0 {
				break
			}
			widths[widest]--
			total--
		}
	}
	return widths
}

// wrap breaks s at spaces so that no line is wider than width, and a word that
// is wider by itself wherever it must.
func wrap(s string, width int) (lines []string) {
	indent := s[:len(s)-len(strings.TrimLeft(s, " "))]
	line, n := indent, utf8.RuneCountInString(indent)
	empty := true
	for word := range words(s) {
		w := utf8.RuneCountInString(word)
		if !empty && n+1+w > width {
			lines, line, n, empty = append(lines, line), "", 0, true
		}
		for n+w > width && w > 1 {
			cut := cutAt(word, max(1, width-n))
			if slash := strings.LastIndexByte(word[:cut], '/'); slash > 0 {
				cut = slash + 1 // names of cells break where their factors do
			}
			lines = append(lines, line+word[:cut])
			word = word[cut:]
			line, n, w, empty = "", 0, utf8.RuneCountInString(word), true
		}
		if !empty {
			line, n = line+" ", n+1
		}
		line, n, empty = line+word, n+w, false
	}
	return append(lines, line)
}

// cutAt is the byte at which the rune number n of s begins.
func cutAt(s string, n int) int {
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}

// words are what a line may be broken between: not a number and its unit, which
// a no-break space joins until the line is printed.
func words(s string) iter.Seq[string] {
	return strings.FieldsFuncSeq(s, func(r rune) bool { return r == ' ' })
}

// plain replaces what a terminal may show badly.
var plain = strings.NewReplacer("\u202f", "\u00a0", "’", "'", "“", `"`, "”", `"`).Replace
