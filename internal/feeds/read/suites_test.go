package read

import (
	"strings"
	"testing"

	"feedmill/internal/feeds"
)

// TestWhatOtherSuitesTest has the kinds of documents that the suites of other
// readers have and that were read otherwise once, with whose they are. The form is
// that of TestDocumentsAreReadRight.
func TestWhatOtherSuitesTest(t *testing.T) {
	const names = ` xmlns:media="http://search.yahoo.com/mrss/" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:a="http://www.w3.org/2005/Atom"`
	rss := func(item string) string {
		return `<rss version="2.0"` + names + `><channel><title>T</title><item>` + item + `</item></channel></rss>`
	}
	atom := func(entry string) string {
		return `<feed xmlns="http://www.w3.org/2005/Atom"` + names + `><title>T</title><entry><id>e</id>` + entry + `</entry></feed>`
	}
	const xhtml = `<div xmlns="http://www.w3.org/1999/xhtml">`
	for name, c := range map[string]struct {
		doc    string
		source string
		want   []string
	}{
		"entities of the document": {`<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY pond 'C:\reeds\1'> <!ENTITY	frog
			"Fr&#246;sche"><!ENTITY frog "no">]>` + rss(`<guid>&pond;</guid><title>&frog; <![CDATA[&frog;]]> &amp;frog; &toad;</title><enclosure url="https://pond.example/&frog;"/>`), "feedparser, XML 1.0, 4.4",
			[]string{`guid: "C:\\reeds\\1"`, `title: "Frösche &frog; &frog; &toad;"`, `enclosure: "https://pond.example/Frösche"`}},
		"entities that are markup":      {`<!DOCTYPE rss [<!ENTITY b "<b title='x'>reed</b>">]>` + rss(`<description>&b;</description><link>https://pond.example/</link><enclosure url="&b;"/>`), "XML 1.0, 4.4", []string{`summary: "<b title='x'>reed</b>"`, `enclosure: "https://example.org/&b;"`}},
		"entities of entities":          {`<!DOCTYPE rss [<!ENTITY a "frog"><!ENTITY b "&a;&a;"><!ENTITY % p SYSTEM "x"><!ENTITY c SYSTEM "file:///etc/passwd">]>` + rss(`<title>&a; &b; &c;</title>`), "feedparser", []string{`title: "frog &b; &c;"`}},
		"the sign of less by an entity": {`<!DOCTYPE rss [<!ENTITY less "&#38;#60;">]>` + rss(`<title>1 &less; 2</title>`), "XML 1.0, 4.6", []string{`title: "1 < 2"`}},

		"marks of CDATA by number":           {rss(`<description>&#x3C;![CDATA[<p>a</p>]]&#x3E;</description><title>&amp;#x3C;![CDATA[b]]&amp;gt;</title>`), "feedparser#440", []string{`summary: "<p>a</p>"`, `title: "b"`}},
		"references in XHTML":                {atom(`<title type="xhtml">` + xhtml + `Caf&#233; &Eacute;t&eacute; &#146; &lt;i&gt; &amp; &#38; &x; &#60;</div></title>`), "feedparser", []string{`title: "Café Été ’ &lt;i&gt; &amp; &amp; &x; &lt;"`}},
		"an older picture of podcasts":       {rss(`<itunes:link rel="image" type="image/jpeg" href="https://pond.example/i.jpg"/>`), "feedparser", []string{`image: "https://pond.example/i.jpg"`}},
		"a link that is no picture":          {rss(`<title>a</title><itunes:link>https://pond.example/1</itunes:link>`), "feedparser", []string{`title: "a"`, `!image: `}},
		"a picture by url":                   {rss(`<itunes:image url="https://pond.example/i.jpg"/>`), "feedparser", []string{`image: "https://pond.example/i.jpg"`}},
		"categories in categories":           {rss(`<itunes:category text="Water"><itunes:category text="Ponds"/></itunes:category><title>a</title>`), "feedparser", []string{`category: "Water"`, `category: "Ponds"`, `title: "a"`}},
		"categories nobody closed":           {rss(`<itunes:category text="Water"><title>a</title>`), "feedjira", []string{`category: "Water"`, `title: "a"`}},
		"keywords in attributes":             {rss(`<itunes:keywords text="frog"/><itunes:keywords text="reed, toad"/><title>a</title>`), "rss-parser", []string{`category: "frog"`, `category: "reed, toad"`}},
		"an identifier":                      {rss(`<link>https://pond.example/1</link><dc:identifier>doi:10.1/1</dc:identifier>`), "SimplePie", []string{`guid: "doi:10.1/1"`, `link: "https://pond.example/1"`}},
		"a guid before it":                   {rss(`<dc:identifier>doi:10.1/1</dc:identifier><guid isPermaLink="false">1</guid>`), "SimplePie", []string{`guid: "1"`}},
		"an enclosure in Atom":               {atom(`<enclosure url="https://pond.example/a.mp3" type="audio/mpeg" length="7"/>`), "feedparser", []string{`enclosure: "https://pond.example/a.mp3" audio/mpeg 7`}},
		"base64 of no kind":                  {atom(`<title type="application/octet-stream">RnLDtnNjaGU=</title><content type="application/octet-stream"> PGI+YTwv Yj4= </content>`), "feedparser, gofeed, SimplePie", []string{`title: "Frösche"`, `content: "<b>a</b>"`}},
		"base64 of no text":                  {atom(`<content type="application/octet-stream">iVBORw0KGgo=</content>`), "RFC 4287, 4.1.3.3", []string{`!content: `}},
		"a summary of RSS":                   {rss(`<summary>&lt;p&gt;a &amp;amp; b&lt;/p&gt;</summary>`), "feedparser", []string{`summary: "<p>a &amp; b</p>"`}},
		"a summary of RSS, typed":            {rss(`<summary type="text">a &lt; b</summary>`), "RFC 4287, 3.1.1.1", []string{`summary: "a &lt; b"`}},
		"a summary of Atom in RSS":           {rss(`<a:summary>a &lt; b</a:summary>`), "RFC 4287, 3.1.1", []string{`summary: "a &lt; b"`}},
		"a full text":                        {rss(`<fullitem>&lt;p&gt;a&lt;/p&gt;</fullitem>`), "feedparser", []string{`content: "<p>a</p>"`}},
		"a namespace of its own":             {rss(`<title>a</title><description>b</description><title xmlns="https://pond.example/ns">no</title><description xmlns="https://pond.example/ns">no</description>`), "feedparser, Namespaces in XML, 6.2", []string{`title: "a"`, `summary: "b"`}},
		"no namespace, and said so":          {rss(`<title xmlns="">a</title>`), ".NET", []string{`title: "a"`}},
		"end tags without their slash":       {strings.Replace(rss(`<title>a</title><description><item>b</item></description>`), "<item>", "<link>https://pond.example/<link><description>c</description><item>", 1), "feedparser", []string{`class: ok`, `link: "https://pond.example/"`, `title: "a"`, `summary: "<item>b</item>"`}},
		"a declaration like a tag":           {`<?xml version="1.0" encoding="UTF-8">` + rss(`<title>a</title>`), "feedparser", []string{`class: ok`, `title: "a"`}},
		"a tag that runs into its text":      {rss(`<title>a</title><description` + strings.Repeat(" frogs", 300) + `</description><guid>1</guid>`), "feedparser", []string{`class: ok`, `title: "a"`, `guid: "1"`}},
		"an item of nothing in an item":      {rss(`<title>a</title><item/><link>https://pond.example/1</link></item><item/><item><title>b</title>`), "node-feedparser", []string{`title: "a"`, `link: "https://pond.example/1"`, `title: "b"`, `note: "1 empty item"`}},
		"a title of a film":                  {rss(`<media:group><media:content><media:title>a</media:title></media:content><media:content url="https://pond.example/a.mp4" medium="video"><media:title>b</media:title></media:content></media:group>`), "newsboat, feedparser", []string{`title: "a"`}},
		"an instruction that never ends":     {rss(`<title>a</title><description>see <?php</description><guid>1</guid></item><item><title>b<?</title>`), "feedparser", []string{`title: "a"`, `guid: "1"`, `title: "b"`}},
		"texts that were cut":                {rss(`<title><![CDATA[a]]></title><description><![CDATA[<p>b</description><guid>1</guid></item><item><title><![CDATA[c</title>`), "feedparser", []string{`class: ok`, `title: "a"`, `summary: "<p>b"`, `guid: "1"`, `title: "c"`}},
		"half of the last end tag":           {strings.TrimSuffix(rss(`<title>a</title>`), "ss>"), "feedparser", []string{`class: ok`, `title: "a"`, `note: "end tags missing at the end"`}},
		"no items, half of the last end tag": {`<feed xmlns="http://www.w3.org/2005/Atom"><title>a</title></feed`, "feedparser", []string{`class: ok`, `title: "a"`, `note: "end tags missing at the end"`}},
		"no items, half of two end tags":     {`<rss><channel><title>a</title></chan`, "feedparser", []string{`class: truncated`}},
		"an empty div":                       {atom(`<title type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"/></title><content type="xhtml">` + xhtml + `<div/></div></content>`), "Miniflux", []string{`!title: "<`, `content: "<div></div>"`}},
		"half of an item's end tag":          {strings.TrimSuffix(rss(`<title>a</title>`), "tem></channel></rss>"), "feedparser", []string{`class: truncated`}},
		"an author with a link":              {rss(`<author>by <a href="/ann">Ann &amp; Ben</a></author>`), "Miniflux", []string{`author: "by Ann & Ben"`}},
		"an author that is a link":           {rss(`<author><a href="/ann">Ann</a></author>`), "Miniflux", []string{`author: "Ann"`}},
		"an address in square brackets":      {rss(`<author>Ann Reed [ann@pond.example]</author>`), "feed-rs", []string{`author: "Ann Reed"`}},
		"an address in brackets before":      {rss(`<dc:creator>&lt;ann@pond.example> Ann Reed, (Ben) ben@pond.example</dc:creator>`), "feed-rs", []string{`author: "Ann Reed, Ben"`}},
		"an address in brackets alone":       {rss(`<author>(ann@pond.example)</author>`), "feed-rs", []string{`author: "ann@pond.example"`}},
		"an author whose name is a space":    {rss(`<author><name>&#160;</name><email>ann@pond.example</email></author><title>a</title>`), "", []string{`author: "ann@pond.example"`, `title: "a"`}},
		"authors whose name is a space":      {rss(`<author><name>&#160;</name></author><dc:creator>Ann</dc:creator>`), "", []string{`author: "Ann"`}},
		"an author with quotes of nothing":   {rss(`<author>"" &lt;ann@pond.example></author>`), "", []string{`author: "ann@pond.example"`}},
		"an address and half of brackets":    {rss(`<author>ann@pond.example (</author><dc:creator>ann@pond.example (</dc:creator>`), "", []string{`author: "ann@pond.example"`}},
		"an address among brackets":          {rss(`<author>Ann (Reed) (ann@pond.example)</author>`), "feed-rs", []string{`author: "Ann (Reed) (ann@pond.example)"`}},
		"an author among text":               {atom(`<author>by <name>Ann</name></author>`), "gofeed", []string{`author: "Ann"`}},
		"a title of JSON Feed":               {"{\"version\":\"https://jsonfeed.org/version/1.1\",\"title\":\"a\\n b\",\"items\":[{\"title\":\" c \\r\\n\\td\"}]}", "newsboat#1312", []string{`title: "a b"`, `title: "c d"`}},
		"a picture among files of JSON Feed": {`{"version":"https://jsonfeed.org/version/1.1","items":[{"id":"1","attachments":[{"url":"https://pond.example/a.mp3","mime_type":"audio/mpeg"},{"url":"https://pond.example/a.jpg","mime_type":"image/jpeg"}]}]}`, "Miniflux", []string{`image: "https://pond.example/a.jpg"`}},
		"an author by the address":           {`{"version":"https://jsonfeed.org/version/1.1","items":[{"id":"1","authors":[{"url":"mailto:ann@pond.example?subject=a"},{"name":"Ben","url":"mailto:ben@pond.example"},{"url":"https://pond.example/"}]}]}`, "feedparser", []string{`author: "ann@pond.example, Ben"`}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, line := range c.want {
				line, absent := strings.CutPrefix(line, "!")
				d, err := readAs(feeds.ParserAuto, []byte(c.doc), "", "https://example.org/feed")
				if got := printDocument(d, err); strings.Contains(got, line) == absent {
					t.Errorf("%s (%s)\ngot\n%swant %q: %v", c.doc, c.source, got, line, !absent)
				}
			}
		})
	}
}

// TestTheServerCallsItJSONFeed: items in JSON without a version may be anything, unless
// the media type says what they are.
func TestTheServerCallsItJSONFeed(t *testing.T) {
	const media = "application/feed+json"
	for _, c := range []struct {
		doc, contentType string
		want             int
	}{
		{`{"items":[{"id":true}]}`, media + "; charset=utf-8", 1},
		{`{"items":[{"id":true}]}`, "application/json", 0},
		{`{"items":[{"id":true}],"version":"2"}`, media, 0},
		{`{"id":true}`, media, 0},
	} {
		d, _ := readAs(feeds.ParserAuto, []byte(c.doc), c.contentType, "")
		if got := len(itemsOf(d)); got != c.want {
			t.Errorf("%s as %s: got %d items, want %d", c.doc, c.contentType, got, c.want)
		}
	}
}

// TestEntitiesAreBounded: what entities add has a bound, and so have they.
func TestEntitiesAreBounded(t *testing.T) {
	doc := `<!DOCTYPE rss [<!ENTITY e "` + strings.Repeat("x", 100_000) + `">` + numbered(2000, `<!ENTITY e%d "y">`) + `]>` +
		inRSS(numbered(1000, "<item><guid>%d</guid><title>&e;</title></item>")+"<item><title>&e998; &e1998;</title></item>")
	d, err := readAs(feeds.ParserAuto, []byte(doc), "", "")
	if err != nil || len(d.Items) != 1001 {
		t.Fatalf("got %v, want 1001 items", err)
	}
	size := 0
	for _, it := range d.Items {
		size += len(it.Title)
	}
	if last := d.Items[0].Title; size > maxExpansion+10_000 || last != "y &e1998;" {
		t.Errorf("got %d bytes of titles and %q, want %d at most, and what is declared first", size, last, maxExpansion)
	}
}
