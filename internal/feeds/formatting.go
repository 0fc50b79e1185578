package feeds

import "bytes"

// formattingTags are the elements of HTML that its parser opens again after
// whatever ended them in passing, as the end of a paragraph does. Left open by
// the hundred they come again in every paragraph that follows: a megabyte makes
// millions of them.
var formattingTags = [...]string{
	"a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u",
}

// maxFormatting is how many elements golang.org/x/net/html has open at a time.
const maxFormatting = 512

// reopened estimates how many elements the HTML parser opens again in text; one
// with long attributes counts for several. It follows tags by their names
// alone: in a table an end tag can mean another element, and then the estimate
// is too low.
func reopened(text []byte) (n int) {
	var open [len(formattingTags)][]int // what each that is open counts for
	total, elements := 0, 0
	for at := bytes.IndexByte(text, '<'); at >= 0; at = bytes.IndexByte(text, '<') {
		n += total
		text = text[at+1:]
		ends := len(text) > 0 && text[0] == '/'
		if ends {
			text = text[1:]
		}
		k := formattingIndex(text)
		switch {
		case k < 0:
		case ends && len(open[k]) > 0:
			last := len(open[k]) - 1
			total -= open[k][last]
			open[k] = open[k][:last]
			elements--
		case ends, elements == maxFormatting:
		case len(open[k]) > 0 && (formattingTags[k] == "a" || formattingTags[k] == "nobr"):
			// It ends the one before.
		default:
			size := bytes.IndexByte(text, '>')
			if size < 0 {
				size = len(text)
			}
			size = 1 + size/32
			open[k] = append(open[k], size)
			total += size
			elements++
		}
	}
	return n
}

// formattingIndex returns which of formattingTags text begins with the name of;
// -1 for none.
func formattingIndex(text []byte) int {
	var name [len("strike")]byte
	n := 0
	for ; n < len(text); n++ {
		c := text[n] | 0x20
		if c < 'a' || c > 'z' || text[n] >= 0x80 {
			break
		}
		if n == len(name) {
			return -1
		}
		name[n] = c
	}
	if n == 0 || n < len(text) && text[n] != '>' && text[n] != '/' && text[n] != '\f' && !isSpace(text[n]) {
		return -1 // a longer name
	}
	for i, tag := range formattingTags {
		if tag[0] == name[0] && string(name[:n]) == tag {
			return i
		}
	}
	return -1
}
