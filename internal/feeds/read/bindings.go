package read

import (
	"bytes"
	"html"
	"strings"

	"github.com/cespare/xxhash/v2"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/read/scan"
)

// A binding is of a prefix to a namespace, in scope.
type binding struct {
	prefix, uri []byte
	vocab       vocabulary
	framed      bool // a default that the root, a channel or an item declares
}

// bindings are those in scope, the innermost last, and what else tells the vocabulary
// of an element.
type bindings struct {
	inScope []binding
	own     []byte // the namespace of the root, which counts as the format's own
	unbound []byte // the prefix of the root, which nothing declares
	inAtom  bool   // the format is Atom

	distinct map[uint64]struct{} // hashes of the bindings seen
}

// declare binds the prefix that an attribute declares, the nth of the element of
// that name. Where that is one whose vocabulary nobody asks for, counts is false.
func (s *bindings) declare(a *scan.Attribute, name scan.Name, nth int, counts bool, l limits) *feeds.Failure {
	b := binding{uri: bytes.TrimSpace(a.Value)}
	if len(a.Name.Full) > len("xmlns:") {
		b.prefix = a.Name.Full[len("xmlns:"):]
	} else {
		b.framed = isFrame(name.Local())
	}
	if bytes.IndexByte(b.uri, '&') >= 0 {
		b.uri = []byte(strings.TrimSpace(html.UnescapeString(string(b.uri))))
	}
	s.distinct[xxhash.Sum64(a.Name.Full)+3*xxhash.Sum64(b.uri)] = struct{}{}
	if len(s.distinct) > l.namespaces {
		return feeds.Failf(feeds.LimitNamespace, "more than %d different namespaces", l.namespaces)
	}
	if nth > l.declared {
		return feeds.Failf(feeds.LimitNamespace, "an element declares more than %d namespaces", l.declared)
	}
	if counts {
		b.vocab = namespaceOf(b.uri)
	}
	s.inScope = append(s.inScope, b)
	return nil
}

// isFrame reports whether an element of that name stands around the fields of a
// feed or of an item. A default namespace there is a mistake where it is not that
// of the format, and harms nothing.
func isFrame(local []byte) bool {
	switch string(local) {
	case "rss", "RDF", "feed", "channel", "item", "items", "entry":
		return true
	}
	return false
}

// vocabularyOf returns the vocabulary of an element with that prefix and, in small
// letters, local name.
func (s *bindings) vocabularyOf(prefix, local []byte, isRoot bool) vocabulary {
	b := s.lookUp(prefix)
	if isRoot { // which is the format's own whatever it says
		if b == nil {
			s.unbound = prefix
			return vocabOther
		}
		s.own = b.uri
		return b.vocab
	}
	v := vocabOther
	switch {
	case len(prefix) == 0 && (b == nil || b.framed || isFrame(local)):
		return vocabNative
	case b != nil && len(s.own) > 0 && bytes.Equal(b.uri, s.own):
		return vocabNative
	case b != nil:
		v = b.vocab
	}
	if v == vocabOther {
		none := b != nil && len(b.uri) == 0 // the element says that it is in none
		if len(prefix) == 0 && !none {
			return vocabOther
		}
		if v = prefixes[string(prefix)]; v == vocabOther && (none || b == nil && bytes.Equal(prefix, s.unbound)) {
			return vocabNative
		}
	}
	if v == vocabAtom && s.inAtom || v == vocabRSS && !s.inAtom {
		return vocabNative
	}
	return v
}

// lookUp returns what a prefix is bound to; nil for nothing.
func (s *bindings) lookUp(prefix []byte) *binding {
	for i := len(s.inScope) - 1; i >= 0; i-- {
		if b := &s.inScope[i]; bytes.Equal(b.prefix, prefix) {
			return b
		}
	}
	return nil
}

// prefixOf returns the prefix that is bound to a vocabulary; nil for none.
func (s *bindings) prefixOf(v vocabulary) []byte {
	for i := len(s.inScope) - 1; i >= 0; i-- {
		if b := &s.inScope[i]; b.vocab == v && len(b.prefix) > 0 {
			return b.prefix
		}
	}
	return nil
}
