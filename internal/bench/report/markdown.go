package report

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"feedmill/internal/bench/analyse"
)

// Text writes findings as Markdown: paragraphs of at most 100 columns, and tables
// whose columns are aligned where they are narrow enough to be read as they are.
func Text(w io.Writer, f *analyse.Findings) error {
	d := build(f)
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "# %s\n", d.Headline)
	for _, p := range d.Doubts {
		paragraph(b, "**"+p+"**")
	}
	for _, p := range d.Answer {
		paragraph(b, p)
	}
	for _, s := range d.Sections {
		fmt.Fprintf(b, "\n## %s\n", s.Title)
		for _, p := range s.Text {
			paragraph(b, p)
		}
		s.Table.markdown(b)
		for _, p := range s.After {
			paragraph(b, p)
		}
		s.More.markdown(b)
		for _, p := range s.List {
			paragraph(b, "- "+p)
		}
		for _, c := range s.Code {
			fmt.Fprintf(b, "\n    %s\n", c)
		}
	}
	return b.Flush()
}

// paragraph writes s in lines. A no-break space is none to break at.
func paragraph(w io.Writer, s string) {
	const columns = 100
	line := ""
	for word := range strings.SplitSeq(s, " ") {
		if line != "" && utf8.RuneCountInString(line+" "+word) > columns {
			fmt.Fprint(w, "\n"+line)
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	fmt.Fprint(w, "\n"+line+"\n")
}

// markdown writes a table; a nil one or one without rows is none.
func (t *table) markdown(w io.Writer) {
	if t == nil || len(t.Rows) == 0 {
		return
	}
	const wide = 60 // a column beyond this is text, and not padded
	rows := slices.Concat([][]string{t.Columns, make([]string, len(t.Columns))}, t.Rows)
	fmt.Fprintf(w, "\n%s:\n\n", t.Caption)
	for n, r := range rows {
		for i, c := range r {
			width := 3
			for _, r := range rows {
				width = min(wide, max(width, utf8.RuneCountInString(r[i])))
			}
			pad := strings.Repeat(" ", max(0, width-utf8.RuneCountInString(c)))
			switch {
			case n == 1 && t.Number(i):
				c = strings.Repeat("-", width-1) + ":"
			case n == 1:
				c = strings.Repeat("-", width)
			case t.Number(i):
				c = pad + c
			default:
				c += pad
			}
			fmt.Fprintf(w, "| %s ", c)
		}
		fmt.Fprintln(w, "|")
	}
}

// Compare writes what changed from one run to another, with every doubt that
// either has about itself. Changes beyond the threshold, a fraction, are marked.
func Compare(w io.Writer, old, new *analyse.Findings, changes []analyse.Pair, unmatched []string, threshold float64) error {
	b := bufio.NewWriter(w)
	for i, f := range []*analyse.Findings{old, new} {
		for _, why := range f.NotForPublication {
			paragraph(b, fmt.Sprintf("Not for publication, the %s run: %s.", []string{"old", "new"}[i], why))
		}
	}
	if a, c := old.Environment.Machine(), new.Environment.Machine(); a != c {
		paragraph(b, fmt.Sprintf("The runs are of different machines: %s; %s. What follows is about the machines as much as about the code.", a, c))
	}
	t := &table{Caption: "New over old; the runs are not paired, and what differs between days is in no interval", Columns: []string{"cell", "CPU", "clock", "verdict"}}
	for _, c := range changes {
		verdict := string(c.CPU.Verdict)
		if c.CPU.Beyond(threshold) {
			verdict = "BEYOND"
		}
		t.add(c.Cell.Name, ratio(c.CPU.Ratio), ratio(c.Wall.Ratio), fmt.Sprintf("%s, p = %.3f", verdict, c.CPU.P))
	}
	t.markdown(b)
	if len(unmatched) > 0 {
		paragraph(b, "Only in one run: "+strings.Join(unmatched, ", ")+".")
	}
	return b.Flush()
}

// Into replaces, in a document in Markdown, what stands between the lines
//
//	<!-- bench NAME -->
//	<!-- /bench -->
//
// by what findings have to say on that: the answer, or the table of a section.
// So what a document shows is of the run that it names. Names of nothing, and a
// line that never ends, are errors.
func Into(text string, f *analyse.Findings) (string, error) {
	d := build(f)
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "<!-- bench ")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		name, rest, ok := strings.Cut(rest, " -->\n")
		_, after, ok2 := strings.Cut(rest, "<!-- /bench -->")
		i := slices.IndexFunc(d.Sections, func(s section) bool { return s.ID == name })
		if !ok || !ok2 || i < 0 && name != "answer" {
			return "", fmt.Errorf("bench %q in a document: there is no such section, or no end", name)
		}
		fmt.Fprintf(&out, "<!-- bench %s -->\n", name)
		if i < 0 {
			for _, p := range d.Answer {
				paragraph(&out, p)
			}
		} else {
			d.Sections[i].Table.markdown(&out)
		}
		out.WriteString("\n<!-- /bench -->")
		text = after
	}
}
