package run

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strings"

	"github.com/mmcdole/gofeed"
)

// A Killer is a document that ends the program which reads it with a parser that
// many programs use, as they use it: with nothing before it that looks at the
// document first, as this project's own readers have.
type Killer struct {
	Name, Parser string
	What         string // for people
	document     func() string
	read         func(document string) error
}

// Killers are the documents among which one is drawn. None needs more than some
// megabytes, and all of them shrink to a few kilobytes with gzip.
var Killers = []Killer{
	{"stack", "gofeed", "5 MB of tags that are never closed: it calls itself for each of them, and no recover helps against a stack that is full", func() string {
		return `<rss version="2.0" xmlns:x="u"><channel><title>x</title><item><title>a</title>` + strings.Repeat("<x:a>", 1_000_000)
	}, readGofeed},
	{"memory", "encoding/xml", "12 MB of empty elements, read into a tree", func() string { return empties(3_000_000) }, readTree},
	{"time", "gofeed", "1.5 MB with 30,000 namespaces and as many items: it copies all names for each item, for minutes", func() string { return namespaces(30_000) }, readGofeed},
}

// Burdens are documents that only take their time, or memory that is given back:
// what they cost is told by the feeds beside them.
var Burdens = []Killer{
	{"slow", "gofeed", "with 2,000 namespaces and as many items: half a second of copying names", func() string { return namespaces(2_000) }, readGofeed},
	{"large", "encoding/xml", "3 MB of empty elements, read into a tree that is then dropped", func() string { return empties(800_000) }, readTree},
}

func namespaces(n int) string {
	var b strings.Builder
	b.WriteString(`<rss version="2.0"><channel`)
	for i := range n {
		fmt.Fprintf(&b, ` xmlns:a%d="u%d"`, i, i)
	}
	return b.String() + ">" + strings.Repeat("<item><title>x</title></item>", n) + "</channel></rss>"
}

func empties(n int) string { return "<r>" + strings.Repeat("<a/>", n) + "</r>" }

func readTree(document string) error {
	type node struct {
		XMLName xml.Name
		Nodes   []node `xml:",any"`
	}
	return xml.NewDecoder(strings.NewReader(document)).Decode(new(node))
}

func readGofeed(document string) error {
	_, err := gofeed.NewParser().ParseString(document)
	return err
}

// kill has a parser read the document that kills it. Tests know others.
var kill = func(name string) error {
	for _, k := range slices.Concat(Killers, Burdens) {
		if k.Name == name {
			return k.read(k.document())
		}
	}
	return fmt.Errorf("no killer %q", name)
}
