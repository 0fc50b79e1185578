package hostile

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// many returns count elements, as element makes the one with its number.
func many(count int, element func(b []byte, n int) []byte) string {
	var b []byte
	for n := range count {
		b = element(b, n)
	}
	return string(b)
}

// inside returns depth elements, each inside the one before.
func inside(depth int, open func(b []byte, n int) []byte, closing string) string {
	return many(depth, open) + strings.Repeat(closing, depth)
}

// words returns size bytes of text that no gzip shrinks absurdly: 64 KiB that
// come again and again, which is farther back than gzip can see.
func words(size int) string {
	d := rand.New(rand.NewPCG(33, 0))
	var b []byte
	for len(b) < 64<<10 {
		b = append(b, [...]string{"morning ", "the ", "river ", "of ", "patience ", "café "}[d.IntN(6)]...)
		b = append(strconv.AppendUint(b, d.Uint64()>>40, 36), ' ')
	}
	return strings.Repeat(string(b), 1+size/len(b))[:size]
}

const mediaNS = `xmlns:m="http://search.yahoo.com/mrss/"`

// mediaRSS is rss with a namespace m at its root.
func mediaRSS(items ...string) string {
	return strings.Replace(rss(items...), "<rss ", "<rss "+mediaNS+" ", 1)
}

// boundCases are documents that have too much of something.
func boundCases() []Case {
	openPlain := func(b []byte, _ int) []byte { return append(b, "<m:a>"...) }
	openNamed := func(b []byte, n int) []byte {
		return fmt.Appendf(b, `<m:a xmlns:p%d="urn:example:namespace:%d">`, n, n)
	}
	return []Case{
		{Name: "namespace-bomb", Row: 28, Want: "limit_namespace limit_depth", About: "8,000 elements inside each other, each with a namespace of its own",
			play: document(typeRSS, func() string { return mediaRSS(item(1, inside(8000, openNamed, "</m:a>"))) })},
		{Name: "namespace-wide", Row: 28, Want: "limit_namespace", About: "one element with 5,000 namespaces",
			play: document(typeRSS, func() string {
				return rss(item(1, "<x"+many(5000, func(b []byte, n int) []byte {
					return fmt.Appendf(b, ` xmlns:p%d="urn:%d"`, n, n)
				})+"/>"))
			})},
		{Name: "namespace-many", Row: 28, Want: "limit_namespace", About: "5,000 elements side by side, each with a namespace",
			play: document(typeRSS, func() string {
				return rss(item(1, many(5000, func(b []byte, n int) []byte {
					return fmt.Appendf(b, `<p%d:x xmlns:p%d="urn:%d"/>`, n, n, n)
				})))
			})},
		{Name: "attributes", Row: 28, Want: "limit_namespace", About: "one element with 100,000 attributes",
			play: document(typeRSS, func() string {
				return mediaRSS(item(1, "<m:x"+many(100_000, func(b []byte, n int) []byte {
					return fmt.Appendf(b, ` a%d=""`, n)
				})+"/>"))
			})},
		{Name: "deep", Row: 29, Want: "limit_depth", About: "a million elements inside each other",
			play: document(typeRSS, func() string { return mediaRSS(item(1, many(1_000_000, openPlain))) })},
		{Name: "deep-closed", Row: 29, Want: "limit_depth", About: "800,000 elements inside each other, each closed",
			play: document(typeRSS, func() string { return mediaRSS(item(1, inside(800_000, openPlain, "</m:a>"))) })},
		{Name: "deep-atom", Row: 29, Want: "limit_depth", About: "a million elements inside each other, in Atom's XHTML",
			play: document(typeAtom, func() string {
				return atom(`<entry><id>1</id><content type="xhtml">` + strings.Repeat("<b>", 1_000_000))
			})},
		{Name: "deep-300", Row: 29, Want: "limit_depth", About: "300 elements inside each other, just more than a feed has",
			play: document(typeRSS, func() string { return mediaRSS(item(1, inside(300, openPlain, "</m:a>"))) })},
		{Name: "deep-json", Row: 29, Want: "limit_depth parse not_a_feed", About: "a million arrays inside each other, in JSON",
			play: document(typeJSON, func() string {
				return `{"version":"https://jsonfeed.org/version/1.1","items":` + strings.Repeat("[", 1_000_000)
			})},
		{Name: "quadratic-text", Row: 30, Want: "ok limit_size worker_cpu", About: "a field whose text is cut up by 80,000 elements",
			play: document(typeRSS, func() string { return mediaRSS(item(1, "<m:t>"+strings.Repeat("xxxx<m:b/>", 80_000)+"</m:t>")) })},
		{Name: "quadratic-comments", Row: 30, Want: "ok limit_size worker_cpu", About: "a field whose text is cut up by 80,000 comments",
			play: document(typeRSS, func() string { return mediaRSS(item(1, "<m:t>"+strings.Repeat("xxxx<!---->", 80_000)+"</m:t>")) })},
		{Name: "quadratic-names", Row: 30, Want: "limit_namespace ok", About: "500 namespaces and 20,000 elements that use the last of them",
			play: document(typeRSS, func() string {
				names := many(500, func(b []byte, n int) []byte { return fmt.Appendf(b, ` xmlns:n%d="urn:%d"`, n, n) })
				return strings.Replace(rss(item(1, strings.Repeat("<n499:x/>", 20_000))), "<rss", "<rss"+names, 1)
			})},
		{Name: "many-items", Row: 32, Want: "ok limit_items", About: "120,000 items, more than any reader wants",
			play: packed(typeRSS, func() string {
				return rss(many(120_000, func(b []byte, n int) []byte {
					b = strconv.AppendInt(append(b, "<item><guid>"...), int64(120_000-n), 10)
					b = strconv.AppendInt(append(b, "</guid><title>t"...), int64(120_000-n), 10)
					return append(b, "</title></item>\n"...)
				}))
			})},
		{Name: "huge-content", Row: 33, Want: "ok limit_size too_large", About: "one item with 18 MB of text",
			play: packed(typeRSS, func() string { return rss(item(1, "<m>"+words(100)+"</m>"), hugeItem("description", 18<<20)) })},
		{Name: "huge-guid", Row: 33, Want: "ok limit_size", About: "an item with a guid of 1 MB, among others",
			play: document(typeRSS, func() string { return rss(item(1), hugeItem("guid", 1<<20), item(2)) })},
		{Name: "huge-title", Row: 33, Want: "ok limit_size", About: "an item with a title of 2 MB, among others",
			play: document(typeRSS, func() string { return rss(item(1), hugeItem("title", 2<<20), item(2)) })},
		{Name: "too-large", Row: 33, Want: "too_large", About: "a whole feed of 56 MB",
			play: packed(typeRSS, func() string { return rss(hugeItem("description", 56<<20)) })},
	}
}

// hugeItem returns an item whose element name has size bytes of text.
func hugeItem(name string, size int) string {
	return "<item><link>https://example.org/huge</link><" + name + ">" + words(size) + "</" + name + "></item>"
}

// entityCases are tricks with document type definitions. No entity of entities
// may be expanded, no file read and nothing else fetched: a request for
// /canary in the log of the origin shows a reader that does.
func entityCases() []Case {
	doctype := func(name, about string, subset func() string) Case {
		return Case{Name: name, Row: 31, Want: "ok parse", About: about, play: func(x *exchange) {
			canary := x.stage.URL(x.c.host, "/canary/"+name)
			x.send(typeRSS, []byte(xmlHead+"<!DOCTYPE rss ["+strings.ReplaceAll(subset(), "CANARY", canary)+"]>\n"+
				bareRSS(item(2), strings.Replace(item(1), "Text of", "Text &e;", 1))))
		}}
	}
	short := func(subset string) func() string { return func() string { return subset } }
	laughs := func() string {
		return `<!ENTITY l0 "ha">` + many(9, func(b []byte, n int) []byte {
			return fmt.Appendf(b, `<!ENTITY l%d "%s">`, n+1, strings.Repeat(fmt.Sprintf("&l%d;", n), 10))
		}) + `<!ENTITY e "&l9;">`
	}
	return []Case{
		doctype("laughs", "a billion laughs: entities of ten entities each, nine levels", laughs),
		doctype("entity-long", "one entity of 100 KB, used once", func() string {
			return `<!ENTITY e "` + strings.Repeat("long ", 20_000) + `">`
		}),
		doctype("entity-file", "an entity that is /etc/passwd", short(`<!ENTITY e SYSTEM "file:///etc/passwd">`)),
		doctype("entity-url", "an entity that is elsewhere on the web", short(`<!ENTITY e SYSTEM "CANARY">`)),
		doctype("entity-parameter", "a parameter entity that is elsewhere on the web",
			short(`<!ENTITY % p SYSTEM "CANARY"> %p; <!ENTITY e "x">`)),
		doctype("doctype-5mb", "a document type definition of 5 MB", func() string {
			return strings.Repeat("<!ELEMENT a (b)>", 5<<20/16)
		}),
	}
}
