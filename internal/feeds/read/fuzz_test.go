package read

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/read/charset"
)

// itemPieces are pieces of items whose reading is easy to get wrong.
var itemPieces = []string{
	"<title>a &amp;amp; b&#8217;s &nGt;&copy=2; &x y; &#x26;&#0150;&#55555555;</title><title/>",
	"<title> x <![CDATA[ y ]]> &lt;z&gt; <![CDATA[<b>]]></title><description>a<br>b<p>c</description>",
	"<guid isPermaLink='false'>http://a.example/1</guid><link/><link href='/x y'/>",
	"<guid> http://a.example/2 </guid><link></link><link>b</link>",
	"<pubDate>Sat, 07 Sep 2002 00:00:01 GMT</pubDate><pubDate>never</pubDate><dc:date>2002-09-07</dc:date><dc:date>2003-09-07</dc:date>",
	"<author>a@b.example (A (B))</author><dc:creator>C</dc:creator><dc:creator>D</dc:creator><dc:author/>",
	"<author>A (a@b.example)</author><itunes:author>I</itunes:author><itunes:image href='i.png'/><itunes:keywords>k, l,,</itunes:keywords>",
	"<dc:creator>\r\n C &amp;amp; &nbsp; &#13; <![CDATA[x\r\ny]]></dc:creator><dc:description/><itunes:summary>s</itunes:summary>",
	"<media:group><media:content url='a' type='image/png'><media:thumbnail url='t'/></media:content><media:description>d</media:description></media:group>",
	"<media:content url='v' fileSize='7' medium='video'/><media:content medium='image' url='j'/><media:thumbnail url=''/><media:thumbnail url='u'/>",
	"<enclosure url=' e ' type='image/x' length='5'/><enclosure type='image/y'/><enclosure url='f' length='-1'/>",
	"<atom:author><atom:name>N</atom:name><name>M</name><email>e</email></atom:author><atom:category term='t'/><atom:link href='h'/>",
	"<atom:summary>s</atom:summary><atom:content type='html'>c</atom:content><atom:updated>2020-01-02T03:04:05Z</atom:updated>",
	"<atom10:published>2020-01-02T03:04:05+01:00</atom10:published><category domain='d'> c </category><category/><dc:subject>s</dc:subject>",
	"<content:encoded xml:base='/b/'>c</content:encoded><encoded>e</encoded><content:ENCODED>f</content:ENCODED>",
	"<id>HTTP://A.example/%7ex?</id><link rel='self' href='s'/><link href=''/><link rel='enclosure' href='e.mp3' length='3' type='audio/x'/>",
	"<content type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'> <p>x<br/>y</p> </div></content><summary type='html'>&lt;a href='x'>y</summary>",
	"<content type='text' mode='base64'>eHg=</content><title type='TEXT/HTML'>&lt;b></title><summary mode='escaped'>&lt;</summary>",
	"<content xml:base='http://b.example/c' type='html'>&lt;p&gt;&lt;a href=&quot;d&quot;&gt;'e' &amp;amp; &amp;quot;f&amp;quot;&lt;/a&gt;</content>",
	"<author>a@b.example (</author><dc:creator>A</dc:creator>", "<author>\"\" &lt;a@b.example></author>", "<author><name>&#160;</name></author><creator>A</creator>",
	"<author><name>A</name><name>B</name><email>x</email></author><author><email> y </email></author><author/>",
	"<updated>2020-01-02T03:04:05.678-05:00</updated><issued>x</issued><modified/><category label='l' term='t'/><category term='u'/>",
	"<x:title xmlns:x=''>t</x:title><y:title xmlns:y='http://purl.org/rss/1.0/'>u</y:title><dc:title xmlns:dc='urn:x'>v</dc:title>",
	"<pubDate>2020/1/10 14:33:00</pubDate><title>]]&gt;<!-- c -->a</title><source url='s'>t</source><comments>c</comments>",
	"<guİd>http://a.example/1</guİd><lİnk>l</lİnk><linK>k</linK>",
	"<a/><item><guid>i</guid></item><channel><item/></channel><entry><id>e</id></entry><feed/>",
}

// feedHeads are what such items stand in; the piece goes to the question mark.
var feedHeads = []string{
	"<rss version='2.0' xmlns:dc='http://purl.org/dc/elements/1.1/' xmlns:content='http://purl.org/rss/1.0/modules/content/' xmlns:media='http://search.yahoo.com/mrss/' xmlns:atom='http://www.w3.org/2005/Atom' xmlns:itunes='http://www.itunes.com/dtds/podcast-1.0.dtd'><channel><title>T</title><link>/home</link><ttl>60</ttl><item>?</item><item><guid>1</guid></item></channel></rss>",
	"<rss><channel><atom:link href='https://h.example/'/><sy:updatePeriod>hourly</sy:updatePeriod><skipHours><hour>1</hour></skipHours><item>?</item></channel></rss>",
	"<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns='http://purl.org/rss/1.0/' xmlns:dc='http://purl.org/dc/elements/1.1/'><channel><dc:title>D</dc:title></channel><item>?</item><item><link>l</link></item></rdf:RDF>",
	"<feed xmlns='http://www.w3.org/2005/Atom' xmlns:media='http://search.yahoo.com/mrss/'><title type='html'>T</title><link href='/'/><entry>?</entry><entry><id>1</id></entry></feed>",
	"<feed xml:base='http://b.example/dir' xmlns='http://purl.org/atom/ns#'><entry xml:base='sub'>?</entry></feed>",
}

// checkReading holds what is promised of every document: the own reader does not
// panic, what it makes is text and not too much, and what gofeed reads it reads, too.
func checkReading(t *testing.T, doc []byte) {
	t.Helper()
	const url = "https://example.org/feed"
	if text, _, failure := charset.ToUTF8(doc, ""); failure == nil {
		if f, start, _, failure := sniff(text, url); failure == nil && f != formatJSON {
			new(xmlReader).read(f, text, start, url) // which Read would not let panic
		}
	}
	d, err := readAs(feeds.ParserAuto, doc, "", url)
	size := 0
	if d != nil {
		for i := range d.Items {
			for field, text := range fieldsOf(&d.Items[i]) {
				if size += len(text); !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\x1b\x08") {
					t.Fatalf("%q: %s is %q", doc, field, text)
				}
			}
			if it := &d.Items[i]; len(it.Link) > maxURL || len(it.Image) > maxURL {
				t.Fatalf("%.2000q: a link of %d bytes", doc, len(it.Link))
			}
		}
	}
	if limit := 200*len(doc) + maxGrowth; size > limit {
		t.Fatalf("%.2000q: %d bytes of items", doc, size)
	}
	g, gerr := readAs(feeds.ParserGofeed, doc, "", url)
	if g == nil || len(g.Items) == 0 {
		return
	}
	found := d != nil && (len(d.Items) > 0 || slices.ContainsFunc(d.Notes, func(n string) bool { return strings.Contains(n, "empty item") }))
	if !found { // the end of the document in the middle of an item may leave that with nothing
		t.Fatalf("%q: gofeed reads %d items (%v), the own reader none: %v", doc, len(g.Items), gerr, err)
	}
}

// FuzzRead promises it of any document.
func FuzzRead(f *testing.F) {
	for _, doc := range caseDocuments(f) {
		f.Add(doc)
	}
	for _, head := range feedHeads {
		for _, piece := range itemPieces {
			f.Add([]byte(strings.Replace(head, "?", piece, 1)))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkReading(t, data) })
}

// TestNothingThatGofeedReadsIsLeftUnread, in feeds that are put together at random
// from pieces that are easy to get wrong, and then damaged a little.
func TestNothingThatGofeedReadsIsLeftUnread(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	defer func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	}()
	for range 1500 {
		var items strings.Builder
		for range 1 + random.IntN(4) {
			for range random.IntN(5) {
				items.WriteString(itemPieces[random.IntN(len(itemPieces))])
			}
			items.WriteString([]string{"", "</item><item>", "</entry><entry>"}[random.IntN(3)])
		}
		doc := []byte(strings.Replace(feedHeads[random.IntN(len(feedHeads))], "?", items.String(), 1))
		for range random.IntN(3) {
			at, end := random.IntN(len(doc)), random.IntN(len(doc))
			switch random.IntN(3) {
			case 0:
				doc[at] = doc[end]
			case 1:
				doc = slices.Delete(doc, at, min(at+random.IntN(4), len(doc)))
			case 2:
				doc = slices.Insert(doc, at, doc[end:min(end+random.IntN(20), len(doc))]...)
			}
		}
		checkReading(t, doc)
	}
}
