package feeds

import (
	"bytes"
	"strings"
)

// Dates that gofeed would try late or long.

// readDate takes in a piece of text where gofeed may look for a date, and reports
// whether it is replaced. A common one is put in the form that gofeed tries
// first, and one too long or too many in no common form is left out.
func (g *guard) readDate() (replaced bool) {
	top := len(g.open) - 1
	name := g.open[top].name.local()
	if !isDateName(name) {
		return false
	}
	if top > 0 && (g.open[top-1].role == roleLeaf || g.open[top-1].role == roleForeign) {
		return false // an element of that name in the markup of a text
	}
	if date, ok := plainDate(g.text); ok {
		if replaced = len(name) == len("pubDate") && name[0]|0x20 == 'p'; replaced {
			g.edits.replace(g.start, g.pos, date)
		}
	} else if text := bytes.TrimSpace(g.text); isOddDate(text) {
		g.oddDates++
		if replaced = g.oddDates > maxOddDates || len(text) > maxDate; replaced {
			g.edits.replace(g.start, g.pos, "")
		}
	}
	return replaced
}

// isOddDate reports whether text is no date of a common form; nothing is none.
func isOddDate(text []byte) bool {
	_, common := commonDate(string(text))
	return !common && len(text) > 0
}

// isDateName reports whether gofeed takes the text of an element with that name,
// in one of its vocabularies, for a date.
func isDateName(local []byte) bool {
	var name string
	switch local[0] | 0x20 {
	case 'p':
		if name = "pubdate"; len(local) != len(name) {
			name = "published"
		}
	case 'u':
		name = "updated"
	case 'd':
		name = "date"
	case 'l':
		name = "lastbuilddate"
	case 'i':
		name = "issued"
	case 'c':
		name = "created"
	case 'm':
		name = "modified"
	}
	return len(local) == len(name) && strings.EqualFold(string(local), name)
}
