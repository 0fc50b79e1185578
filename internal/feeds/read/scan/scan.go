// Package scan cuts XML into tokens, as lenient as browsers are with HTML. It
// checks no nesting and knows no namespaces.
package scan

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
)

// A Kind says what a Scanner found.
type Kind uint8

// The kinds of tokens, and the two ways to end.
const (
	EOF         Kind = iota // the input is used up
	Fault                   // the rest cannot be cut into tokens; see Scanner.Fault
	Text                    // character data, references not decoded
	CDATA                   // character data that holds no references
	Open                    // a start tag, also an empty-element tag
	Close                   // an end tag
	Comment                 //
	Instruction             // a processing instruction, the XML declaration too
	Directive               // a document type declaration
)

// A Scanner cuts XML into tokens. What is not well-formed it reads as browsers
// read HTML: attribute values without quotes, a bracket that begins no tag, a tag
// without its closing bracket. Only what the input's end cuts off and a tag with
// too many attributes are faults. The place of the first such mistake is kept.
//
// Everything a token says is a view of the input: nothing is copied, and
// nothing is allocated per token. The views stay valid as long as the input
// does, except Attrs, which the next start tag overwrites. Each byte is looked
// at a bounded number of times. The input must be UTF-8.
type Scanner struct {
	Input []byte
	Pos   int // where the next token begins

	Start int    // where the token begins
	Name  Name   // Open, Close
	Text  []byte // Text, CDATA: the data; Comment and others: what is in it
	Attrs []Attribute
	Empty bool // Open: an empty-element tag, no Close comes for it

	Fault string // Fault: what is wrong
	Early bool   // Fault: only that the input ends

	Mistake string // the first that was read all the same; empty when there was none
	WrongAt int    // where it is

	endless  int // from where on no instruction ends; 0 when that is not known
	unmarked int // likewise, of CDATA sections
}

// A Name is a tag's or an attribute's name as it is written.
type Name struct {
	Full  []byte
	Colon int // of the colon between prefix and local part; 0 when there is no prefix
}

// Prefix returns what stands before the colon; nothing when there is none.
func (n Name) Prefix() []byte { return n.Full[:n.Colon] }

// Local returns the name without its prefix.
func (n Name) Local() []byte {
	if n.Colon == 0 {
		return n.Full
	}
	return n.Full[n.Colon+1:]
}

// An Attribute is one of a start tag's, its value with references undecoded.
type Attribute struct {
	Name  Name
	Value []byte
}

// MaxAttributes bounds the attributes of an element. Past it a start tag is a
// fault, so that Attrs stays small.
const MaxAttributes = 256

// FaultAttributes is the one fault that is a limit and no mistake.
const FaultAttributes = "too many attributes"

// Next moves to the next token and returns its kind. After EOF or
// Fault it returns the same again.
func (s *Scanner) Next() Kind {
	s.Start = s.Pos
	if s.Pos == len(s.Input) {
		return EOF
	}
	if s.Input[s.Pos] != '<' {
		return s.chars(0)
	}
	rest := s.Input[s.Pos:]
	if len(rest) == 1 {
		return s.endsEarly()
	}
	switch c := rest[1]; {
	case startBytes[c]:
		return s.openTag()
	case c == '/':
		return s.closeTag()
	case c == '?':
		return s.instruction(rest)
	case c == '!':
		return s.declaration(rest)
	}
	s.mistaken("a bracket that begins no tag")
	return s.chars(1)
}

// chars makes the token the text up to the next tag, skip bytes of which are
// known to be text.
func (s *Scanner) chars(skip int) Kind {
	from := s.Start + skip
	for {
		n := bytes.IndexByte(s.Input[from:], '<')
		if n < 0 {
			s.Pos = len(s.Input)
			break
		}
		s.Pos = from + n
		if s.Pos+1 == len(s.Input) || markBytes[s.Input[s.Pos+1]] {
			break
		}
		s.mistaken("a bracket that begins no tag")
		from = s.Pos + 1
	}
	s.Text = s.Input[s.Start:s.Pos]
	return Text
}

// mistaken notes the first mistake.
func (s *Scanner) mistaken(what string) {
	if s.Mistake == "" {
		s.Mistake, s.WrongAt = what, s.Start
	}
}

// endsEarly makes the token a fault because the input ends in it.
func (s *Scanner) endsEarly() Kind {
	s.Pos, s.Fault, s.Early = s.Start, "unexpected end", true
	return Fault
}

// until makes the token one of kind that ends with the next stop at least skip
// bytes on.
func (s *Scanner) until(kind Kind, skip int, stop string) Kind {
	from := min(s.Start+skip, len(s.Input))
	end := bytes.Index(s.Input[from:], []byte(stop))
	if end < 0 {
		return s.endsEarly()
	}
	s.Text = s.Input[from : from+end]
	s.Pos = from + end + len(stop)
	return kind
}

// instruction scans what begins with "<?". One that never ends is a comment up to the
// next bracket, as in HTML, and an XML declaration has none in it.
func (s *Scanner) instruction(rest []byte) Kind {
	if n := 1 + bytes.IndexByte(rest[1:], '<'); n > 0 && bytes.HasPrefix(rest, []byte("<?xml ")) && !bytes.Contains(rest[:n], []byte("?>")) {
		s.mistaken("an XML declaration without its end")
		s.Text, s.Pos = rest[2:n], s.Start+n
		return Instruction
	}
	if s.endless == 0 || s.Start < s.endless {
		if s.until(Instruction, 2, "?>") == Instruction {
			return Instruction
		}
		s.endless, s.Fault, s.Early = s.Start, "", false
	}
	s.mistaken("an instruction without its end")
	return s.until(Comment, 2, ">")
}

// declaration scans what begins with "<!".
func (s *Scanner) declaration(rest []byte) Kind {
	const cdata = "<![CDATA["
	switch {
	case bytes.HasPrefix(rest, []byte("<!--")):
		return s.until(Comment, 4, "-->")
	case bytes.HasPrefix(rest, []byte(cdata)):
		return s.cdata(len(cdata))
	case len(rest) < len(cdata) && (bytes.HasPrefix([]byte(cdata), rest) || string(rest) == "<!-"):
		return s.endsEarly()
	case len(rest) >= len(cdata) && bytes.EqualFold(rest[:len(cdata)], []byte(cdata)):
		s.mistaken("a CDATA section in small letters")
		return s.cdata(len(cdata))
	case !startBytes[rest[2]]: // such as "<![if IE]>" of HTML
		s.mistaken("invalid sequence after <!")
		return s.until(Comment, 2, ">")
	}
	return s.directive()
}

// cdata scans a CDATA section that begins with a mark of that size. Where none ends
// any more, somebody has cut the text in it, and the mark is a comment.
func (s *Scanner) cdata(size int) Kind {
	if s.unmarked == 0 || s.Start < s.unmarked {
		if s.until(CDATA, size, "]]>") == CDATA {
			return CDATA
		}
		s.unmarked, s.Fault, s.Early = s.Start, "", false
	}
	s.Text, s.Pos = nil, s.Start+size
	return Comment
}

// directive scans a document type declaration. Its internal subset nests in
// angle brackets, those in quotes and in comments apart.
func (s *Scanner) directive() Kind {
	depth := 0
	for p := s.Start + 2; p < len(s.Input); p++ {
		switch c := s.Input[p]; c {
		case '"', '\'':
			end := bytes.IndexByte(s.Input[p+1:], c)
			if end < 0 {
				return s.endsEarly()
			}
			p += 1 + end
		case '<':
			if bytes.HasPrefix(s.Input[p:], []byte("<!--")) {
				end := bytes.Index(s.Input[p+4:], []byte("-->"))
				if end < 0 {
					return s.endsEarly()
				}
				p += 4 + end + 2
				continue
			}
			depth++
		case '>':
			if depth == 0 {
				s.Text, s.Pos = s.Input[s.Start+2:p], p+1
				return Directive
			}
			depth--
		}
	}
	return s.endsEarly()
}

// closeTag scans an end tag, and whatever stands in it behind the name.
func (s *Scanner) closeTag() Kind {
	from := s.skipSpace(s.Start + 2)
	p := s.scanName(from, &s.Name)
	if p == len(s.Input) {
		return s.endsEarly()
	}
	if from > s.Start+2 || p == from {
		s.mistaken("an end tag without a name")
	}
	if s.Input[p] != '>' {
		if p = s.skipSpace(p); p == len(s.Input) {
			return s.endsEarly()
		}
	}
	if s.Input[p] != '>' {
		s.mistaken("invalid characters in an end tag")
		n := bytes.IndexAny(s.Input[p:], "<>")
		if n < 0 {
			return s.endsEarly()
		}
		if p += n; s.Input[p] == '<' {
			p--
		}
	}
	s.Pos = p + 1
	return Close
}

// openTag scans a start tag with its attributes.
func (s *Scanner) openTag() Kind {
	p := s.scanName(s.Start+1, &s.Name)
	s.Attrs, s.Empty = s.Attrs[:0], false
	for {
		if p = s.skipSpace(p); p == len(s.Input) {
			return s.endsEarly()
		}
		switch c := s.Input[p]; c {
		case '>':
			s.Pos = p + 1
			return Open
		case '/':
			if p++; p == len(s.Input) {
				return s.endsEarly()
			}
			if s.Input[p] == '>' {
				s.Empty, s.Pos = true, p+1
				return Open
			}
			s.mistaken("a slash in a tag")
		case '<':
			s.mistaken("a tag without its closing bracket")
			s.Pos = p
			return Open
		default:
			if len(s.Attrs) == MaxAttributes {
				last := &s.Attrs[MaxAttributes-1]
				if n := bytes.IndexByte(s.Input[p:], '<'); n >= 0 && bytes.Equal(last.Value, last.Name.Local()) {
					p += n // without values they are words of a text
					continue
				}
				s.Pos, s.Fault, s.Early = s.Start, FaultAttributes, false
				return Fault
			}
			s.Attrs = append(s.Attrs, Attribute{})
			p = s.scanAttribute(p, &s.Attrs[len(s.Attrs)-1])
		}
	}
}

// scanAttribute scans the Attribute at p into a and returns its end. One without
// a value has its name for one, as in HTML.
func (s *Scanner) scanAttribute(p int, a *Attribute) (end int) {
	from := p
	if p = s.scanName(p, &a.Name); p == from { // a stray quote, say
		for p++; p < len(s.Input) && !endsBare[s.Input[p]] && s.Input[p] != '='; p++ {
		}
		a.Name = Name{Full: s.Input[from:p]}
		s.mistaken("invalid name in a tag")
	}
	after := s.skipSpace(p)
	if after == len(s.Input) || s.Input[after] != '=' {
		a.Value = a.Name.Local()
		return p
	}
	if p = s.skipSpace(after + 1); p == len(s.Input) {
		return p
	}
	quote := s.Input[p]
	if quote != '"' && quote != '\'' {
		from, bare := p, true
		for ; p < len(s.Input) && !endsBare[s.Input[p]] && !bytes.HasPrefix(s.Input[p:], []byte("/>")); p++ {
			bare = bare && isBareByte(s.Input[p])
		}
		if a.Value = s.Input[from:p]; !bare {
			s.mistaken("an attribute value without quotes")
		}
		return p
	}
	rest := s.Input[p+1:]
	n := bytes.IndexByte(rest, quote)
	if n < 0 {
		return len(s.Input)
	}
	if a.Value = rest[:n]; bytes.IndexByte(a.Value, '<') >= 0 {
		s.mistaken("unescaped < in an attribute")
	}
	return p + 1 + n + 1
}

// scanName scans the name at p into n and returns its end.
func (s *Scanner) scanName(p int, n *Name) (end int) {
	from, colon := p, 0
	for ; p < len(s.Input) && nameBytes[s.Input[p]]; p++ {
		if s.Input[p] == ':' {
			colon = p - from
		}
	}
	if colon == p-from-1 {
		colon = 0
	}
	*n = Name{Full: s.Input[from:p], Colon: colon}
	return p
}

func (s *Scanner) skipSpace(p int) int {
	for p < len(s.Input) && IsSpace(s.Input[p]) {
		p++
	}
	return p
}

// IsSpace reports whether c is white space in XML, and in JSON.
func IsSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// What the bytes of a tag may be: a part of a name, its beginning, what follows a
// bracket that begins a tag, and the end of a value without quotes.
var nameBytes, startBytes, markBytes, endsBare = func() (name, start, mark, ends [256]bool) {
	for c := range 256 {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z' && c < 0x80
		start[c] = letter || c == '_' || c == ':' || c >= 0x80
		name[c] = start[c] || isBareByte(byte(c)) || c == '.'
		mark[c] = start[c] || c == '/' || c == '!' || c == '?'
		ends[c] = IsSpace(byte(c)) || c == '>' || c == '<'
	}
	return name, start, mark, ends
}()

// isBareByte reports whether c may be in an attribute value without quotes as
// HTML 4 and encoding/xml have them.
func isBareByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == ':' || c == '-'
}

// Number returns the number of the reference at the beginning of text, and its length
// in bytes; 0 when there is none. What is over the last character may be any such number.
func Number(text []byte) (n rune, size int) {
	digits, base := text[min(len(text), len("&#")):], 10
	if !bytes.HasPrefix(text, []byte("&#")) || len(digits) < 2 {
		return 0, 0
	}
	if digits[0]|0x20 == 'x' {
		digits, base = digits[1:], 16
	}
	end := bytes.IndexByte(digits[:min(len(digits), 64)], ';')
	value, err := strconv.ParseUint(string(digits[:max(end, 0)]), base, 31)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, 0
	}
	return rune(value), len(text) - len(digits) + end + 1
}

// IsVoid reports whether an element of that name, without its prefix, has no end tag in
// HTML. Text with such HTML that nobody escaped is common.
func IsVoid(local []byte) bool {
	return slices.ContainsFunc(voids, func(name []byte) bool { return bytes.EqualFold(local, name) })
}

var voids = bytes.Fields([]byte("br hr img wbr input embed meta area base col param track"))
