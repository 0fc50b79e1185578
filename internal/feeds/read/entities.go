package read

import (
	"bytes"

	"feedmill/internal/feeds/read/scan"
)

// maxEntities bounds the entities that count, and maxExpansion what they make a
// document larger by, in bytes. XHTML declares 253.
const (
	maxEntities  = 1000
	maxExpansion = 1 << 20
)

// withEntities returns text, whose root begins at start, with what the entities that
// it declares stand for (XML 1.0, 4.4). Those that name others stay, so that none
// grows by more than itself, and so do files and URLs, which nobody is asked for.
func withEntities(text []byte, start int) []byte {
	entities := declared(text[:start])
	if len(entities) == 0 {
		return text
	}
	out, room := append(make([]byte, 0, len(text)), text[:start]...), maxExpansion
	s := scan.Scanner{Input: text, Pos: start}
	for kind := s.Next(); kind != scan.EOF && kind != scan.Fault; kind = s.Next() {
		from := s.Start
		for at := from; kind == scan.Text || kind == scan.Open; at++ {
			n := bytes.IndexByte(text[at:s.Pos], '&')
			if n < 0 {
				break
			}
			at += n
			name, _, ended := bytes.Cut(text[at+1:min(s.Pos, at+maxReference)], []byte(";"))
			value, ok := entities[string(name)]
			inTag := kind == scan.Open && bytes.ContainsAny(value, "\"'<>")
			if grown := len(value) - len(name); ended && ok && !inTag && grown <= room {
				room -= max(grown, 0)
				out = append(append(out, text[from:at]...), value...)
				from = at + len(name) + len("&;")
			}
		}
		out = append(out, text[from:s.Pos]...)
	}
	return append(out, text[s.Start:]...)
}

// declared returns the entities that a document type declares as characters.
func declared(prolog []byte) (entities map[string][]byte) {
	const mark = "<!ENTITY"
	for at := bytes.Index(prolog, []byte(mark)); at >= 0 && len(entities) < maxEntities; at = bytes.Index(prolog, []byte(mark)) {
		prolog = bytes.TrimLeft(prolog[at+len(mark):], " \t\n")
		n := max(bytes.IndexAny(prolog[:min(len(prolog), maxReference)], " \t\n"), 0)
		name, rest := prolog[:n], bytes.TrimLeft(prolog[n:], " \t\n")
		if n == 0 || len(rest) == 0 || rest[0] != '"' && rest[0] != '\'' {
			continue
		}
		value, after, ended := bytes.Cut(rest[1:], rest[:1])
		if prolog = after; !ended || bytes.Count(value, []byte("&")) != bytes.Count(value, []byte("&#")) {
			continue
		}
		if entities == nil {
			entities = make(map[string][]byte)
		}
		if _, ok := entities[string(name)]; !ok { // the first one counts
			entities[string(name)] = appendDecoded(nil, value)
		}
	}
	return entities
}
