package feeds

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// compareReaders reads a document with both readers and fails the test when
// they make different things of it. It returns why the fast one declined; 0 when
// it did not, and also when the document was refused before it came to reading.
func compareReaders(t *testing.T, body []byte, contentType, base string) Decline {
	t.Helper()
	want, wantErr := ParserGofeed.ReadDocument(body, contentType, base)
	got, err := ParserAuto.ReadDocument(body, contentType, base)
	if got == nil || want == nil {
		if (got == nil) != (want == nil) || failureText(err) != failureText(wantErr) {
			t.Fatalf("%q: got %v and %v, want %v and %v", clip(string(body), 4096), got, err, want, wantErr)
		}
		return 0
	}
	if want.Reader != ReaderGofeed || want.Declined != 0 {
		t.Errorf("asked for gofeed: read by %d, declined %v", want.Reader, want.Declined)
	}
	if (got.Reader == ReaderFast) != (got.Declined == 0) {
		t.Errorf("read by %d, declined %v", got.Reader, got.Declined)
	}
	declined := got.Declined
	got.Reader, got.Declined, want.Reader = ReaderNone, 0, ReaderNone
	if failureText(err) != failureText(wantErr) || !reflect.DeepEqual(got, want) {
		t.Fatalf("%q:\n%s\ngot %v\n%s\nwant %v\n%s", clip(string(body), 4096), differences(got, want), err, printDocument(got, err), wantErr, printDocument(want, wantErr))
	}
	return declined
}

// failureText returns all that a failure says.
func failureText(err error) string {
	f, ok := errors.AsType[*Failure](err)
	if !ok {
		return ""
	}
	return string(f.Class) + " " + f.Detail + " " + f.Hint
}

// differences names the fields that differ in the first item that does.
func differences(got, want *Document) string {
	for i := range min(len(got.Items), len(want.Items)) {
		g, w := reflect.ValueOf(got.Items[i]), reflect.ValueOf(want.Items[i])
		var names []string
		for n := range g.NumField() {
			if !reflect.DeepEqual(g.Field(n).Interface(), w.Field(n).Interface()) {
				names = append(names, g.Type().Field(n).Name)
			}
		}
		if names != nil {
			return "item " + got.Items[i].Title + " differs in " + strings.Join(names, ", ")
		}
	}
	return "the documents differ"
}

// TestBothReadersAgreeOnOddDocuments compares them on every case in testdata.
func TestBothReadersAgreeOnOddDocuments(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in testdata: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			body, contentType, base := playCase(t, archive)
			if d := compareReaders(t, body, contentType, base); d != 0 {
				t.Logf("declined: %v", d)
			}
		})
	}
}

// TestFastReaderReadsRealFeeds compares both readers on real feeds, of which
// the fast one may decline at most one in twenty.
func TestFastReaderReadsRealFeeds(t *testing.T) {
	files := slices.DeleteFunc(corpusFiles(), func(file string) bool { return filepath.Ext(file) == ".json" })
	if len(files) == 0 {
		t.Skip("FEEDMILL_CORPUS names no folder with real feeds")
	}
	declined := 0
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if d := compareReaders(t, body, "", "https://example.org/feed"); d != 0 {
			declined++
			t.Logf("%s: declined: %v", filepath.Base(file), d)
		}
	}
	t.Logf("%d of %d declined", declined, len(files))
	if declined*20 > len(files) {
		t.Errorf("%d of %d feeds declined, want at most 5 %%", declined, len(files))
	}
}

// fastSeeds are pieces of items whose reading is easy to get wrong.
var fastSeeds = []string{
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
	"<author><name>A</name><name>B</name><email>x</email></author><author><email> y </email></author><author/>",
	"<updated>2020-01-02T03:04:05.678-05:00</updated><issued>x</issued><modified/><category label='l' term='t'/><category term='u'/>",
	"<x:title xmlns:x=''>t</x:title><y:title xmlns:y='http://purl.org/rss/1.0/'>u</y:title><dc:title xmlns:dc='urn:x'>v</dc:title>",
	"<pubDate>2020/1/10 14:33:00</pubDate><title>]]&gt;<!-- c -->a</title><source url='s'>t</source><comments>c</comments>",
	"<guİd>http://a.example/1</guİd><lİnk>l</lİnk><linK>k</linK>",
	"<a/><item><guid>i</guid></item><channel><item/></channel><entry><id>e</id></entry><feed/>",
}

// fastHeads are what such items stand in; the piece goes to the question mark.
var fastHeads = []string{
	"<rss version='2.0' xmlns:dc='http://purl.org/dc/elements/1.1/' xmlns:content='http://purl.org/rss/1.0/modules/content/' xmlns:media='http://search.yahoo.com/mrss/' xmlns:atom='http://www.w3.org/2005/Atom' xmlns:itunes='http://www.itunes.com/dtds/podcast-1.0.dtd'><channel><title>T</title><link>/home</link><ttl>60</ttl><item>?</item><item><guid>1</guid></item></channel></rss>",
	"<rss><channel><atom:link href='https://h.example/'/><sy:updatePeriod>hourly</sy:updatePeriod><skipHours><hour>1</hour></skipHours><item>?</item></channel></rss>",
	"<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns='http://purl.org/rss/1.0/' xmlns:dc='http://purl.org/dc/elements/1.1/'><channel><dc:title>D</dc:title></channel><item>?</item><item><link>l</link></item></rdf:RDF>",
	"<feed xmlns='http://www.w3.org/2005/Atom' xmlns:media='http://search.yahoo.com/mrss/'><title type='html'>T</title><link href='/'/><entry>?</entry><entry><id>1</id></entry></feed>",
	"<feed xml:base='http://b.example/dir' xmlns='http://purl.org/atom/ns#'><entry xml:base='sub'>?</entry></feed>",
}

// FuzzFastReader promises that both readers make the same of any document, or
// the fast one declines.
func FuzzFastReader(f *testing.F) {
	for _, doc := range caseDocuments(f) {
		f.Add(doc)
	}
	for _, head := range fastHeads {
		for _, piece := range append(fastSeeds, xmlSeeds...) {
			f.Add([]byte(strings.Replace(head, "?", piece, 1)))
		}
	}
	for _, m := range jsonMembers {
		f.Add([]byte(`{"version":"https://jsonfeed.org/version/1","items":[{"id":"z",` + m + `}]}`))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		compareReaders(t, data, "", "https://example.org/feed")
	})
}

// TestBothReadersAgreeOnRandomFeeds compares them on feeds that are put together
// at random from pieces that are easy to get wrong, and then damaged a little.
func TestBothReadersAgreeOnRandomFeeds(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	defer func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	}()
	pieces := append(slices.Clone(fastSeeds), htmlSeeds...)
	const rounds = 1500
	fast := 0
	for range rounds {
		var items strings.Builder
		for n := range 1 + random.IntN(4) {
			for range random.IntN(5) {
				piece := pieces[random.IntN(len(pieces))]
				if random.IntN(4) == 0 {
					piece = fmt.Sprintf("<title>%d</title><description type='html'><![CDATA[%s]]></description>", n, piece)
				}
				items.WriteString(piece)
			}
			items.WriteString([]string{"", "</item><item>", "</entry><entry>"}[random.IntN(3)])
		}
		doc := []byte(strings.Replace(fastHeads[random.IntN(len(fastHeads))], "?", items.String(), 1))
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
		if compareReaders(t, doc, "", "https://example.org/feed") == 0 {
			fast++
		}
	}
	if fast < rounds/10 {
		t.Errorf("%d of %d read by the fast reader, want at least a tenth", fast, rounds)
	}
}
