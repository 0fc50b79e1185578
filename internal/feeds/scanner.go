package feeds

import (
	"bytes"
	"encoding/xml"
)

// A tokenKind says what a scanner found.
type tokenKind uint8

const (
	tokenEOF         tokenKind = iota // the input is used up
	tokenFault                        // not XML from here on; see scanner.fault
	tokenText                         // character data, references not decoded
	tokenCDATA                        // character data that holds no references
	tokenOpen                         // a start tag, also an empty-element tag
	tokenClose                        // an end tag
	tokenComment                      //
	tokenInstruction                  // a processing instruction, the XML declaration too
	tokenDirective                    // a document type declaration
)

// A scanner cuts XML into tokens. It takes what encoding/xml takes when it is
// not strict (values without quotes, attributes without values, any reference),
// gives up where encoding/xml does, and is more lenient only about comments,
// instructions and directives, which no feed needs.
//
// Everything a token says is a view of the input: nothing is copied, and
// nothing is allocated per token. The views stay valid as long as the input
// does, except attrs, which the next start tag overwrites. Each byte is looked
// at a bounded number of times. The input must be UTF-8.
//
// A scanner checks no nesting and expands no namespaces; see guard.
type scanner struct {
	input []byte
	pos   int // where the next token begins

	start int    // where the token begins
	name  qname  // tokenOpen, tokenClose
	text  []byte // tokenText, tokenCDATA: the data; tokenComment and others: empty
	attrs []attribute
	empty bool // tokenOpen: an empty-element tag, no tokenClose comes for it

	fault string // tokenFault: what is wrong
	early bool   // tokenFault: only that the input ends
}

// A qname is a tag's or an attribute's name as it is written.
type qname struct {
	full  []byte
	colon int // of the colon between prefix and local part; 0 when there is no prefix
}

func (n qname) prefix() []byte { return n.full[:n.colon] }

func (n qname) local() []byte {
	if n.colon == 0 {
		return n.full
	}
	return n.full[n.colon+1:]
}

// An attribute is one of a start tag's, its value with references undecoded.
type attribute struct {
	name  qname
	value []byte
}

// maxAttributes bounds the attributes of an element. Past it a start tag is a
// fault, so that attrs stays small.
const maxAttributes = 256

// faultAttributes is the one fault that is a limit and no mistake.
const faultAttributes = "too many attributes"

// next moves to the next token and returns its kind. After tokenEOF or
// tokenFault it returns the same again.
func (s *scanner) next() tokenKind {
	s.start = s.pos
	rest := s.input[s.pos:]
	switch {
	case len(rest) == 0:
		return tokenEOF
	case rest[0] != '<':
		end := bytes.IndexByte(rest, '<')
		if end < 0 {
			end = len(rest)
		}
		s.text = rest[:end]
		s.pos += end
		return tokenText
	case len(rest) == 1:
		return s.endsEarly()
	}
	switch rest[1] {
	case '/':
		return s.closeTag()
	case '?':
		return s.until(tokenInstruction, 2, "?>")
	case '!':
		return s.declaration(rest)
	}
	return s.openTag()
}

// wrong makes the token a fault.
func (s *scanner) wrong(what string) tokenKind {
	s.pos, s.fault, s.early = s.start, what, false
	return tokenFault
}

// endsEarly makes the token a fault because the input ends in it.
func (s *scanner) endsEarly() tokenKind {
	s.pos, s.fault, s.early = s.start, "unexpected end", true
	return tokenFault
}

// until makes the token one of kind that ends with the next stop at least skip
// bytes on.
func (s *scanner) until(kind tokenKind, skip int, stop string) tokenKind {
	from := min(s.start+skip, len(s.input))
	end := bytes.Index(s.input[from:], []byte(stop))
	if end < 0 {
		return s.endsEarly()
	}
	s.text = s.input[from : from+end]
	s.pos = from + end + len(stop)
	return kind
}

// declaration scans what begins with "<!".
func (s *scanner) declaration(rest []byte) tokenKind {
	const cdata = "<![CDATA["
	switch {
	case bytes.HasPrefix(rest, []byte("<!--")):
		return s.until(tokenComment, 4, "-->")
	case bytes.HasPrefix(rest, []byte(cdata)):
		return s.until(tokenCDATA, len(cdata), "]]>")
	case len(rest) < len(cdata) && (bytes.HasPrefix([]byte(cdata), rest) || string(rest) == "<!-"):
		return s.endsEarly()
	case rest[2] == '[' || rest[2] == '-':
		return s.wrong("invalid sequence after <!")
	}
	return s.directive()
}

// directive scans a document type declaration. Its internal subset nests in
// angle brackets, those in quotes and in comments apart.
func (s *scanner) directive() tokenKind {
	depth := 0
	for p := s.start + 2; p < len(s.input); p++ {
		switch c := s.input[p]; c {
		case '"', '\'':
			end := bytes.IndexByte(s.input[p+1:], c)
			if end < 0 {
				return s.endsEarly()
			}
			p += 1 + end
		case '<':
			if bytes.HasPrefix(s.input[p:], []byte("<!--")) {
				end := bytes.Index(s.input[p+4:], []byte("-->"))
				if end < 0 {
					return s.endsEarly()
				}
				p += 4 + end + 2
				continue
			}
			depth++
		case '>':
			if depth == 0 {
				s.text, s.pos = s.input[s.start+2:p], p+1
				return tokenDirective
			}
			depth--
		}
	}
	return s.endsEarly()
}

// closeTag scans an end tag.
func (s *scanner) closeTag() tokenKind {
	p, fault := s.scanName(s.start+2, &s.name)
	if fault != "" {
		return s.wrong(fault)
	}
	p = s.skipSpace(p)
	if p >= len(s.input) {
		return s.endsEarly()
	}
	if s.input[p] != '>' {
		return s.wrong("invalid characters in an end tag")
	}
	s.pos = p + 1
	return tokenClose
}

// openTag scans a start tag with its attributes.
func (s *scanner) openTag() tokenKind {
	p, fault := s.scanName(s.start+1, &s.name)
	if fault != "" {
		return s.wrong(fault)
	}
	s.attrs = s.attrs[:0]
	for {
		p = s.skipSpace(p)
		if p >= len(s.input) {
			return s.endsEarly()
		}
		switch s.input[p] {
		case '>':
			s.empty, s.pos = false, p+1
			return tokenOpen
		case '/':
			if p+1 >= len(s.input) {
				return s.endsEarly()
			}
			if s.input[p+1] != '>' {
				return s.wrong("expected /> in a tag")
			}
			s.empty, s.pos = true, p+2
			return tokenOpen
		}
		if len(s.attrs) == maxAttributes {
			return s.wrong(faultAttributes)
		}
		s.attrs = append(s.attrs, attribute{})
		if p, fault = s.scanAttribute(p, &s.attrs[len(s.attrs)-1]); fault != "" {
			return s.wrong(fault)
		}
		if p >= len(s.input) {
			return s.endsEarly()
		}
	}
}

// scanAttribute scans the attribute at p into a and returns its end, or what
// is wrong with it. An end of len(s.input) means that the input ends in it.
func (s *scanner) scanAttribute(p int, a *attribute) (end int, fault string) {
	if p, fault = s.scanName(p, &a.name); fault != "" {
		return p, fault
	}
	p = s.skipSpace(p)
	if p >= len(s.input) {
		return p, ""
	}
	if s.input[p] != '=' {
		a.value = a.name.local()
		return p, ""
	}
	p = s.skipSpace(p + 1)
	if p >= len(s.input) {
		return p, ""
	}
	quote := s.input[p]
	if quote != '"' && quote != '\'' {
		from := p
		for p < len(s.input) && isBareByte(s.input[p]) {
			p++
		}
		a.value = s.input[from:p]
		return p, ""
	}
	rest := s.input[p+1:]
	n := bytes.IndexByte(rest, quote)
	if n < 0 {
		n = len(rest)
	}
	a.value = rest[:n]
	if bytes.IndexByte(a.value, '<') >= 0 {
		return p, "unescaped < in an attribute"
	}
	return min(p+1+n+1, len(s.input)), ""
}

// scanName scans the name at p into n and returns its end, or what is wrong
// with it. An end of len(s.input) means that the input ends in it.
func (s *scanner) scanName(p int, n *qname) (end int, fault string) {
	from, wide := p, byte(0)
	colon, colons := 0, 0
	for ; p < len(s.input); p++ {
		c := s.input[p]
		if !nameBytes[c] {
			break
		}
		wide |= c
		if c == ':' {
			colon = p - from
			colons++
		}
	}
	full := s.input[from:p]
	switch {
	case p == len(s.input):
		return p, ""
	case len(full) == 0:
		return p, "expected a name in a tag"
	case wide < 0x80 && !startBytes[full[0]], wide >= 0x80 && !isWideName(full):
		return p, "invalid name in a tag"
	case colons > 1:
		return p, "two colons in a name"
	}
	if colon == len(full)-1 {
		colon = 0
	}
	*n = qname{full: full, colon: colon}
	return p, ""
}

func (s *scanner) skipSpace(p int) int {
	for p < len(s.input) && isSpace(s.input[p]) {
		p++
	}
	return p
}

// isSpace reports whether c is white space in XML, and in JSON.
func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// nameBytes holds the bytes that a name is made of; startBytes those of them
// below 0x80 that it may begin with.
var nameBytes, startBytes = func() (name, start [256]bool) {
	for c := range 256 {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z' && c < 0x80
		start[c] = letter || c == '_' || c == ':'
		name[c] = start[c] || isBareByte(byte(c)) || c == '.' || c >= 0x80
	}
	return name, start
}()

// isBareByte reports whether c may be in an attribute value without quotes.
func isBareByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == ':' || c == '-'
}

// isWideName reports whether a name with bytes of 0x80 and more is one.
// encoding/xml keeps its tables to itself, and such names are rare enough to
// ask it.
func isWideName(name []byte) bool {
	tag := make([]byte, 0, len(name)+3)
	tag = append(append(append(tag, '<'), name...), "/>"...)
	token, err := xml.NewDecoder(bytes.NewReader(tag)).RawToken()
	_, ok := token.(xml.StartElement)
	return err == nil && ok
}
