package read

import (
	"strings"
	"testing"
	"time"

	"feedmill/internal/feeds"
)

// linearShapes are documents of about n bytes that some reader of feeds or of HTML
// needs the square of their size for, or might.
var linearShapes = map[string]func(n int) string{
	"comments in text":        inItem("<description>", "a<!-- -->", "</description>"),
	"instructions in text":    inItem("<description>", "a<?b?>", "</description>"),
	"CDATA in pieces":         inItem("<description>", "<![CDATA[a]]>", "</description>"),
	"bodies with attributes":  inEntry("", "&lt;body a=x&gt;&lt;body b&gt;"),
	"attributes":              inEntry("&lt;a ", "href=a b=c "),
	"end tags without an end": inEntry("", "&lt;/b "),
	"bases":                   inEntry("", "&lt;base href=a&gt;"),
	"empty declarations":      inEntry("", "&lt;!&gt;"),
	"lists of paragraphs":     inEntry("", "&lt;li&gt;&lt;p&gt;"),
	"formatting left open":    inEntry("", "&lt;b&gt;&lt;p&gt;"),
	"links":                   inEntry("", "&lt;a href=x&gt;"),
	"quotes without an end":   inEntry("", "&lt;a b=\""),
	"signs of equality":       inEntry("", "=   "),
	"a srcset":                inEntry("&lt;img srcset=\"", "a,"),
	"elements nobody closed":  inItem("", "<title>", ""),
	"other elements":          inItem("", "<m:a>", "</m:a>"),
	"items nobody closed":     func(n int) string { return "<rss><channel>" + fill("<item><title>a", n) },
	"fields nobody closed":    func(n int) string { return "<rss><channel>" + fill("<itunes:category><item>", n) },
	"end tags of nothing":     inItem("", "</b>", ""),
	"brackets":                inItem("<title>", "< ", "</title>"),
	"an escaped CDATA":        inItem("<description>&lt;![CDATA[", "a ", "]]&gt;</description>"),
	"ends of CDATA":           inItem("<title>", "]]>", "</title>"),
	"ampersands":              inItem("<title>", "&a", "</title>"),
	"references":              inItem("<title>", "&Eacute;", "</title>"),
	"declarations":            inItem("<title>", "<!a>", "</title>"),
	"quotes in a declaration": inItem("<title>", "<!a '", "</title>"),
	"instructions":            inItem("", "<?a>", ""),
	"beginnings of CDATA":     inItem("", "<![CDATA[", ""),
	"entities":                func(n int) string { return "<!DOCTYPE a [<!ENTITY b 'c'>]>" + inItem("<title>", "&b;", "</title>")(n) },
	"entities nobody ended":   func(n int) string { return "<!DOCTYPE a [" + fill("<!ENTITY", n) + "]>" },
	"entities of entities":    func(n int) string { return "<!DOCTYPE a [" + fill("<!ENTITY b '&b;'>", n) + "]><rss/>" },
	"authors":                 inItem("", "<author>a (b)</author>", ""),
	"people in one author":    inItem("<author>", "a@b (c), ", "</author>"),
	"addresses in an author":  inItem("<author>", "a@b, ", "</author>"),
	"quotes in an author":     inItem("<author>", "\"a@b,", "</author>"),
	"brackets in an author":   inItem("<author>", "(", "</author>"),
	"categories":              inItem("", "<category>a</category>", ""),
	"keywords":                inItem("<itunes:keywords>", "a,b,", "</itunes:keywords>"),
	"enclosures":              inItem("", "<enclosure url='a'/>", ""),
	"groups":                  inItem("", "<media:group/>", ""),
	"XHTML": func(n int) string {
		return "<feed><entry><content type='xhtml'>" + fill("<p><a/>", n) + "</content></entry></feed>"
	},
	"XHTML with prefixes": func(n int) string {
		return "<feed><entry><content type='xhtml'>" + fill("<a:p xmlns:a='b'/>", n) + "</content></entry></feed>"
	},
	"empty feeds":               func(n int) string { return fill("<feed/>", n) },
	"feeds within what is none": func(n int) string { return fill("<x><feed>", n) },
	"dots in a link": func(n int) string {
		return "<feed xml:base='http://a.example/b/'>" + fill("<entry><link href='"+strings.Repeat("../a/", 1000)+"'/></entry>", n) + "</feed>"
	},
	"an author for all": func(n int) string {
		return "<feed><author><name>" + fill("a", n/2) + "</name></author>" + fill("<entry><id>a</id></entry>", n/2) + "</feed>"
	},
	"a home for all": func(n int) string {
		return "<rss><channel><link>http://a.example/" + strings.Repeat("a", 8000) + "/</link>" + fill("<item><link>b</link></item>", n) + "</channel></rss>"
	},
	"sources": func(n int) string {
		return "<feed><entry><source>" + fill("<author><name>a</name></author>", n) + "</source></entry></feed>"
	},
	"skipHours": func(n int) string {
		return "<rss><channel><skipHours>" + fill("<hour>1</hour>", n) + "</skipHours></channel></rss>"
	},
}

func fill(piece string, n int) string { return strings.Repeat(piece, max(n/len(piece), 1)) }

// inItem returns a shape of an item of RSS.
func inItem(before, piece, after string) func(n int) string {
	return func(n int) string {
		return "<rss><channel><item><guid>1</guid>" + before + fill(piece, n) + after + "</item></channel></rss>"
	}
}

// inEntry returns a shape of HTML under an xml:base.
func inEntry(before, piece string) func(n int) string {
	return func(n int) string {
		return "<feed xml:base='http://a.example/'><entry><id>1</id><content type='html'>" + before + fill(piece, n) + "</content></entry></feed>"
	}
}

// BenchmarkLinear shows how many times as long it takes to read four times as much,
// for the shape that is the worst: 4, and a little. The faster of two runs counts.
func BenchmarkLinear(b *testing.B) {
	read := func(doc string) (took time.Duration) {
		for range 2 {
			begin := time.Now()
			readAs(feeds.ParserAuto, []byte(doc), "", "http://a.example/feed")
			if t := time.Since(begin); took == 0 || t < took {
				took = t
			}
		}
		return took
	}
	for name, shape := range linearShapes {
		b.Run(name, func(b *testing.B) {
			small, large := shape(1<<20), shape(4<<20)
			var ratio, rate float64
			for b.Loop() {
				s, l := read(small), read(large)
				ratio, rate = l.Seconds()/s.Seconds(), float64(len(large))/1e6/l.Seconds()
			}
			b.ReportMetric(ratio, "times-for-4")
			b.ReportMetric(rate, "MB/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}
