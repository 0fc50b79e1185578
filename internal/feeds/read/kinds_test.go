package read

import (
	"strings"
	"testing"

	"feedmill/internal/feeds"
)

// TestDocumentsAreReadRight has the smallest document of each kind that was read
// wrongly once, or might be, with the report or the rule that says what is right. %
// stands for a feed around an item of RSS or an entry of Atom; each wanted line is
// one that printDocument writes, and a line after "!" one that it does not; $ ends it.
func TestDocumentsAreReadRight(t *testing.T) {
	const rssHead = `<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:media="http://search.yahoo.com/mrss/" xmlns:atom="http://www.w3.org/2005/Atom" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd" xmlns:dcterms="http://purl.org/dc/terms/"><channel><title>T</title><link>https://pond.example/</link><item>`
	const atomHead = `<feed xmlns="http://www.w3.org/2005/Atom" xmlns:media="http://search.yahoo.com/mrss/" xmlns:dc="http://purl.org/dc/elements/1.1/"><title>T</title><entry><id>e</id>`
	rss := func(item string) string { return rssHead + item + "</item></channel></rss>" }
	atom := func(entry string) string { return atomHead + entry + "</entry></feed>" }
	based := func(base, entry string) string {
		return strings.Replace(atom(entry), "<feed ", `<feed xml:base="`+base+`" `, 1)
	}
	headed := func(head string) string {
		return `<rss xmlns:sy="http://purl.org/rss/1.0/modules/syndication/"><channel><title>T</title>` + head + `</channel></rss>`
	}
	json := func(members string) string {
		return `{"version":"https://jsonfeed.org/version/1.1","items":[{"id":"0"},{"id":"1",` + members + `}]}`
	}
	const xhtml = `<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">`
	for name, c := range map[string]struct {
		doc    string
		source string
		want   []string
	}{
		"CDATA in XHTML is text": {atom(xhtml + `<kbd><![CDATA[a<b> & c]]></kbd> d &lt; e</div></content>`), "feedbin#746",
			[]string{`content: "<kbd>a&lt;b&gt; &amp; c</kbd> d &lt; e"`}},
		"empty elements of XHTML are closed": {atom(xhtml + `<i/>x<div class="c"/><video src="v"/><br></br><hr/>y</div></content>`), "rssguard",
			[]string{`content: "<i></i>x<div class=\"c\"></div><video src=\"v\"></video><br/><hr/>y"`}},
		"style in XHTML is decoded": {atom(xhtml + `<style>a&gt;b{}</style></div></content>`), "XHTML 1.0, C.4",
			[]string{`content: "<style>a>b{}</style>"`}},
		"script in XHTML does not end early": {atom(xhtml + `<script>x=&quot;&lt;/script&gt;&quot;</script></div></content>`), "HTML, 13.2.6.4.7",
			[]string{`content: "<script>x=\"&lt;/script&gt;\"</script>"`}},
		"links in XHTML": {based("https://b.example/p/", `<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml" xml:base="q/"><a href="x">a</a><p xml:base="/r/"><img src="y" alt="/z"/></p></div></content>`), "XML Base, 4",
			[]string{`content: "<a href=\"https://b.example/p/q/x\">a</a><p><img src=\"https://b.example/r/y\" alt=\"/z\"/></p>"`}},
		"two roots in XHTML both stay": {atom(`<content type="xhtml"><p>a</p><p>b</p></content>`), "RFC 4287, 3.1.1.3",
			[]string{`content: "<p>a</p><p>b</p>"`}},
		"XHTML with a prefix": {atom(`<content type="xhtml" xmlns:x="http://www.w3.org/1999/xhtml"><x:div><x:p>a<x:br/>b</x:p></x:div></content>`), "RFC 4287, 3.1.1.3",
			[]string{`content: "<p>a<br/>b</p>"`}},
		"pictures of SVG in XHTML": {atom(xhtml + `<s:svg xmlns:s="http://www.w3.org/2000/svg"><s:path d="M0"/></s:svg></div></content>`), "HTML, 4.8.16",
			[]string{`content: "<svg><path d=\"M0\"></path></svg>"`}},
		"attributes of XHTML keep their quotes": {atom(xhtml + `<a title='a "b"' href="x?a&amp;b">c</a></div></content>`), "XML 1.0, 2.3",
			[]string{`content: "<a title='a \"b\"' href=\"x?a&amp;b\">c</a>"`}},

		"no page around HTML": {based("https://b.example/p/", `<content type="html">&lt;link rel=x href=s.css&gt;&lt;!-- c --&gt;&lt;td&gt;'a' &amp;amp; "b"</content>`), "jekyll-feed#43",
			[]string{`content: "<link rel=x href=\"https://b.example/p/s.css\"><!-- c --><td>'a' &amp; \"b\""`}},
		"HTML in a div that nobody escaped": {atom(`<content type="html"> <div xmlns="http://www.w3.org/1999/xhtml">&lt;p&gt;a &amp;amp; b&lt;/p&gt;</div></content>`), "feedparser: TypePad did", []string{`content: "<p>a &amp; b</p>"`}},
		"HTML beside a div stays":           {atom(`<content type="html"><div>&lt;p&gt;a</div>b</content>`), "feedparser", []string{`content: "<div>&lt;p&gt;a</div>b"`}},
		"a title is the same under a base": {based("https://b.example/", `<title type="html">It's &lt;b&gt;"x"&lt;/b&gt; &amp;amp; y</title>`), "RFC 4287, 4.2.14",
			[]string{`title: "It's <b>\"x\"</b> &amp; y"`}},
		"links in titles": {based("https://b.example/p/", `<title type="html">&lt;a href="x"&gt;It's&lt;/a&gt; &amp;amp; y</title>`), "XML Base, 4; feedparser",
			[]string{`title: "<a href=\"https://b.example/p/x\">It's</a> &amp; y"`}},
		"links in XHTML titles": {based("https://b.example/p/", `<title type="xhtml" xml:base="q/"><div xmlns="http://www.w3.org/1999/xhtml"><img src="x"/></div></title>`), "XML Base, 4; feedparser",
			[]string{`title: "<img src=\"https://b.example/p/q/x\"/>"`}},
		"links in titles of RSS": {strings.Replace(rss(`<title>&lt;a href="x"&gt;a&lt;/a&gt;</title>`), "<channel><title>T", `<channel xml:base="https://b.example/p/"><title>&lt;a href="y"&gt;b&lt;/a&gt;`, 1), "feedparser",
			[]string{`title: "<a href=\"https://b.example/p/y\">b</a>"`, `title: "<a href=\"https://b.example/p/x\">a</a>"`}},
		"absolute links stay as they are": {based("https://b.example/", `<content type="html">&lt;a href='HTTP://X.example/%7ea?b&amp;c'&gt;&lt;a href=mailto:a@b.example&gt;</content>`), "RFC 3986, 5.2",
			[]string{`content: "<a href='HTTP://X.example/%7ea?b&c'><a href=mailto:a@b.example>"`}},
		"links in comments and scripts stay": {based("https://b.example/", `<content type="html">&lt;!-- &lt;a href="x"&gt; --&gt;&lt;script&gt;'&lt;a href="x"&gt;'&lt;/script&gt;</content>`), "HTML, 13.2.5",
			[]string{`content: "<!-- <a href=\"x\"> --><script>'<a href=\"x\">'</script>"`}},
		"srcset": {based("https://b.example/p/", `<content type="html">&lt;img srcset="a.png, b.png 2x,https://c.example/c.png 3x"&gt;</content>`), "feedwordpress#56",
			[]string{`content: "<img srcset=\"https://b.example/p/a.png, https://b.example/p/b.png 2x,https://c.example/c.png 3x\">"`}},
		"a base that is a file": {based("https://b.example/2024/a.html", `<link href="b.html"/><content type="html">&lt;img src="../i.png"&gt;&lt;a href="#n"&gt;&lt;a href="?q"&gt;&lt;a href="//c.example/x"&gt;</content>`), "RFC 3986, 5.4",
			[]string{`link: "https://b.example/2024/b.html"`, `content: "<img src=\"https://b.example/i.png\"><a href=\"https://b.example/2024/a.html#n\"><a href=\"https://b.example/2024/a.html?q\"><a href=\"https://c.example/x\">"`}},
		"a base that is relative": {based("/blog/", `<link href="a"/><media:thumbnail url="t.png"/>`), "XML Base, 4.3",
			[]string{`link: "https://example.org/blog/a"`, `image: "https://example.org/blog/t.png"`}},
		"a base in RSS": {strings.Replace(rss(`<enclosure url="a.ogg"/><itunes:image href="i.png"/><description>&lt;a href="x"&gt;</description>`), "<item>", `<item xml:base="https://b.example/d/">`, 1), "gofeed#290",
			[]string{`enclosure: "https://b.example/d/a.ogg"  0`, `image: "https://b.example/d/i.png"`, `summary: "<a href=\"https://b.example/d/x\">"`}},
		"no base, no rewriting": {atom(`<content type="html">&lt;a href="x"&gt;</content>`), "README", []string{`content: "<a href=\"x\">"`}},
		"white space around a URL": {rss("<link>\n https://pond.example/a\n </link><enclosure url=' https://pond.example/a.ogg\n'/><itunes:image href='\thttps://pond.example/i.png '/>"), "rssguard#914",
			[]string{`link: "https://pond.example/a"`, `enclosure: "https://pond.example/a.ogg"  0`, `image: "https://pond.example/i.png"`}},
		"an empty href is none": {based("https://b.example/x.php", `<link href=""/><link rel="self" href=" "/><link href="c"/>`), "NetNewsWire",
			[]string{`link: "https://b.example/c"`}},
		"ids as they are": {`<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://b.example/"><entry><id>HTTP://Pond.example/ö/../a</id></entry><entry><id>7</id></entry></feed>`, "RFC 4287, 4.2.6.1",
			[]string{`guid: "HTTP://Pond.example/ö/../a"`, `guid: "7"`}},

		"plain text is escaped":            {atom(`<summary>a &lt; b</summary><content type="text">&lt;p&gt; &amp;amp;</content>`), "miniflux#1082", []string{`summary: "a &lt; b"`, `content: "&lt;p&gt; &amp;amp;"`}},
		"a plain title is not":             {atom(`<title>a &lt;b&gt;</title>`), "RFC 4287, 3.1.1.1", []string{`title: "a <b>"`}},
		"media:description is plain":       {rss(`<media:description>a &lt;b&gt;</media:description>`), "Media RSS, description", []string{`summary: "a &lt;b&gt;"`}},
		"media:description that is HTML":   {rss(`<media:description type="html">&lt;b&gt;a&lt;/b&gt;</media:description>`), "Media RSS, description", []string{`summary: "<b>a</b>"`}},
		"markup that nobody escaped":       {rss(`<description><p>a &lt;b&gt; <i>c</i></p></description>`), "feedparser", []string{`summary: "<p>a &lt;b&gt; <i>c</i></p>"`}},
		"CDATA among text":                 {rss(`<description>a &amp;lt; <![CDATA[b &lt; &amp;amp;]]> c</description>`), "XML 1.0, 2.7", []string{`summary: "a &lt; b &lt; &amp;amp; c"`}},
		"marks of CDATA that were escaped": {rss(`<title>&lt;![CDATA[a]]&gt;</title>`), "miniflux#3149", []string{`title: "a"`}},
		"such marks by number":             {rss(`<title>&amp;#x3C;![CDATA[ a]]&amp;#x3e;</title>`), "miniflux#3149", []string{`title: "a"`}},
		"sizes of files": {rss(`<enclosure url="/1" length="1,234"/><enclosure url="/2" length="12.00"/><enclosure url="/3" length="9007199254740993"/><enclosure url="/4" length="1e6"/><enclosure url="/5" length="0x1p4"/><enclosure url="/6" length="1.5"/><enclosure url="/7" length="-1"/>`),
			"RSS 2.0, enclosure", []string{`enclosure: "https://pond.example/1"  1234`, `enclosure: "https://pond.example/2"  12`, `enclosure: "https://pond.example/3"  9007199254740993`,
				`enclosure: "https://pond.example/4"  0`, `enclosure: "https://pond.example/5"  0`, `enclosure: "https://pond.example/6"  0`, `enclosure: "https://pond.example/7"  0`}},
		"one such mark": {rss(`<title>&lt;![CDATA[a]]</title>`), "miniflux#3149", []string{`title: "<![CDATA[a]]"`}},
		"references mean the same everywhere": {rss(`<dc:creator>&Eacute;l&eacute;a &#146;n&#x2019;</dc:creator><dc:subject>&frac12;</dc:subject>`), "miniflux#122",
			[]string{`author: "Éléa ’n’"`, `category: "½"`}},
		"halves of a surrogate pair": {rss(`<title>&#55357;&#56376;</title>`), "HTML, 13.2.5.80, by what is meant", []string{`title: "🐸"`}},
		"a title has one line":       {rss("<title>\n a\n\tb  c\n</title>"), "newsboat#1312", []string{`title: "a b c"`}},
		"an empty element overrides nothing": {rss(`<title>a</title><title/><content:encoded>b</content:encoded><content:encoded><![CDATA[]]></content:encoded>`), "simplepie",
			[]string{`title: "a"`, `content: "b"`}},
		"base64 of Atom 0.3":   {`<feed version="0.3" xmlns="http://purl.org/atom/ns#"><entry><id>e</id><content type="text/html" mode="base64">PGI+YTwvYj4=</content></entry></feed>`, "Atom 0.3, 4.13.2", []string{`content: "<b>a</b>"`}},
		"a picture is no text": {atom(`<title>a</title><content type="image/png">aGVsbG8=</content>`), "RFC 4287, 4.1.3.3", []string{`title: "a"`, `!content: `}},

		"the feed's author":           {`<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>e</id></entry><author><name>Ann</name></author><author><name>Ben</name></author></feed>`, "RFC 4287, 4.2.1", []string{`author: "Ann, Ben"`}},
		"the source's author":         {strings.Replace(atom(`<source><title>S</title><author><name>Cy</name></author></source>`), "<entry>", "<author><name>Ann</name></author><entry>", 1), "RFC 4287, 4.2.11", []string{`author: "Cy"`}},
		"the podcast's author":        {strings.Replace(rss(`<title>a</title></item><item><title>b</title><author>Ben</author>`), "<item>", "<itunes:author>Ann</itunes:author><dc:creator>A. Lee</dc:creator><managingEditor>ed@pond.example</managingEditor><item>", 1), "FreshRSS, Miniflux", []string{`author: "Ann"`, `author: "Ben"`}},
		"the feed's creator, behind":  {strings.Replace(rss(`<title>a</title>`), "</item>", "</item><dc:creator/><dcterms:creator>Ann</dcterms:creator><dcterms:creator>Ben</dcterms:creator>", 1), "FreshRSS", []string{`author: "Ann, Ben"`}},
		"who edits wrote nothing":     {strings.Replace(rss(`<title>a</title>`), "<item>", "<managingEditor>ed@pond.example (Ed)</managingEditor><webMaster>wm@pond.example</webMaster><item>", 1), "RSS 2.0, managingEditor", []string{`!author: `}},
		"the name before the address": {rss(`<author>a@pond.example</author><dc:creator>Ann Lee</dc:creator>`), "FeedReader#853", []string{`author: "Ann Lee"`}},
		"elements in an author":       {rss(`<author><name>Ann</name><title>Dr</title></author>`), "NetNewsWire", []string{`author: "Ann"`}},
		"several authors":             {rss(`<author>a@pond.example (Ann, the first), b@pond.example (Ben)</author>`), "RSS 2.0, author", []string{`author: "Ann, the first, Ben"`}},
		"an author in brackets":       {rss(`<author>Ann Lee &lt;a@pond.example&gt;</author>`), "RFC 5322, 3.4", []string{`author: "Ann Lee"`}},
		"an author that is a text":    {atom(`<author>Ann</author>`), "feedparser", []string{`author: "Ann"`}},
		"Dublin Core in Atom":         {atom(`<dc:creator>Ann</dc:creator><dc:subject>reeds</dc:subject><dc:date>2024-05-06T00:00:00Z</dc:date>`), "gofeed#175", []string{`author: "Ann"`, `category: "reeds"`, `published: "2024-05-06T00:00:00Z"`}},

		"the page among versions":        {atom(`<link rel="alternate" type="application/pdf" href="https://pond.example/a.pdf"/><link type="text/html" href="https://pond.example/a"/>`), "rssguard#104", []string{`link: "https://pond.example/a"`}},
		"a relation by its IRI":          {atom(`<link rel="http://www.iana.org/assignments/relation/alternate" href="https://pond.example/a"/>`), "RFC 4287, 4.2.7.2", []string{`link: "https://pond.example/a"`}},
		"content that stands elsewhere":  {based("https://b.example/", `<content type="text/html" src="a.html"/><title>a</title>`), "RFC 4287, 4.1.3.2", []string{`link: "https://b.example/a.html"`}},
		"a link before that":             {atom(`<content src="https://pond.example/c"/><link href="https://pond.example/a"/>`), "RFC 4287, 4.1.1", []string{`link: "https://pond.example/a"`}},
		"a link that is a text":          {atom(`<link>https://pond.example/a</link>`), "web3#16", []string{`link: "https://pond.example/a"`}},
		"an id that is a page":           {strings.Replace(atom(``), "<id>e</id>", "<id>https://pond.example/e</id>", 1), "FeedReader#41", []string{`link: "https://pond.example/e"`}},
		"a link of Atom in RSS":          {rss(`<guid isPermaLink="false">1</guid><atom:link rel="replies" href="https://pond.example/c"/><atom:link href="https://pond.example/a"/>`), "feed-rs#137", []string{`link: "https://pond.example/a"`}},
		"links that are others":          {rss(`<link>https://pond.example/a</link><link rel="edit" href="https://pond.example/edit"/>`), "feedsmith#22", []string{`link: "https://pond.example/a"`}},
		"a guid that is no link":         {rss(`<guid IsPermalink=" FALSE ">https://pond.example/a</guid>`), "RSS 2.0, guid", []string{`guid: "https://pond.example/a"`, `!link: "https://pond.example/a"`}},
		"what an item is about":          {`<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"><channel/><item r:about="https://pond.example/1"><title>a</title></item></r:RDF>`, "RSS 1.0, 5.5", []string{`guid: "https://pond.example/1"`, `link: "https://pond.example/1"`}},
		"the link before the redirector": {strings.Replace(rss(`<link>https://f.example/~r/1</link><fb:origLink>https://pond.example/1</fb:origLink>`), "<rss ", `<rss xmlns:fb="http://rssnamespace.org/feedburner/ext/1.0" `, 1), "rss-parser#10", []string{`link: "https://pond.example/1"`}},

		"a thumbnail before a file": {rss(`<media:content url="https://pond.example/me.png" medium="image"/><media:thumbnail url="https://pond.example/t.png"/>`), "FreshRSS#1920", []string{`image: "https://pond.example/t.png"`, `enclosure: "https://pond.example/me.png"  0`}},
		"every file once": {rss(`<enclosure url="https://pond.example/a.mp3" type="audio/mpeg" length="1,024"/><enclosure URL="https://pond.example/a.mp3"/><media:group><media:content url="https://pond.example/b.mp4" fileSize="7"/></media:group><enclosure>https://pond.example/c.ogg</enclosure>`), "mastodon#14538",
			[]string{`enclosure: "https://pond.example/a.mp3" audio/mpeg 1024`, `enclosure: "https://pond.example/b.mp4"  7`, `enclosure: "https://pond.example/c.ogg"  0`}},
		"a file before the redirector":    {strings.Replace(rss(`<enclosure url="https://f.example/~5/a.mp3" type="audio/mpeg" length="7"/><fb:origEnclosureLink> https://pond.example/a.mp3 </fb:origEnclosureLink>`), "<rss ", `<rss xmlns:fb="http://rssnamespace.org/feedburner/ext/1.0" `, 1), "Miniflux", []string{`enclosure: "https://pond.example/a.mp3" audio/mpeg 7`, `!enclosure: "https://f.example`}},
		"a file of peers":                 {rss(`<media:peerLink type="application/x-bittorrent" href="https://pond.example/a.torrent"/>`), "Media RSS, peerLink", []string{`enclosure: "https://pond.example/a.torrent" application/x-bittorrent 0`}},
		"an image that is nowhere":        {rss(`<title>a</title><image><url/><title>b</title></image>`), "NetNewsWire's medscape.rss", []string{`title: "a"`, `!image: `}},
		"a picture by the end of its URL": {rss(`<media:content url="https://pond.example/a.JPEG?w=1"/>`), "NetNewsWire", []string{`image: "https://pond.example/a.JPEG?w=1"`}},
		"a title of Media RSS":            {rss(`<media:content url="https://pond.example/a.png"><media:title>Ann</media:title></media:content><media:title>A heron</media:title>`), "feedparser", []string{`title: "A heron"`}},
		"content in RSS":                  {rss(`<description>a</description><content>&lt;p&gt;b&lt;/p&gt;</content>`), "FreshRSS#2523", []string{`summary: "a"`, `content: "<p>b</p>"`}},
		"body in RSS":                     {rss(`<body xmlns="http://www.w3.org/1999/xhtml"><p>b<br/></p></body>`), "feedparser", []string{`content: "<p>b<br/></p>"`}},
		"XHTML of Atom in RSS":            {rss(`<atom:content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p/>a</div></atom:content>`), "feedparser", []string{`content: "<p></p>a"`}},
		"dates of Atom in RSS":            {rss(`<pubDate>Mon, 06 May 2024 00:00:00 GMT</pubDate><dc:date>2024-05-07</dc:date><atom:updated>2024-05-08T00:00:00Z</atom:updated>`), "feed-rs#288", []string{`published: "2024-05-06T00:00:00Z"`, `updated: "2024-05-08T00:00:00Z"`}},
		"dates of Dublin Core's terms":    {rss(`<dcterms:issued>2024-05-06</dcterms:issued><dcterms:modified>2024-05-07</dcterms:modified>`), "DCMI terms", []string{`published: "2024-05-06T00:00:00Z"`, `updated: "2024-05-07T00:00:00Z"`}},
		"its terms under another name":    {rss(`<dc:created>2024-05-06</dc:created><dc:modified>2024-05-07</dc:modified>`), "DCMI terms, 1.3", []string{`published: "2024-05-06T00:00:00Z"`, `updated: "2024-05-07T00:00:00Z"`}},
		"an update is a publication":      {rss(`<atom:updated>2024-05-08T00:00:00Z</atom:updated>`), "feed-rs#288", []string{`published: "2024-05-08T00:00:00Z"`}},
		"a list of categories":            {rss(`<categories> <category>a</category>, <category>b</category></categories>`), "NetNewsWire's macworld.rss", []string{`category: "a"`, `category: "b"`}},
		"categories of Media RSS":         {rss(`<media:category scheme="urn:x" label="Ponds">water/ponds</media:category><media:keywords>frog, reed</media:keywords>`), "feedparser, Miniflux", []string{`category: "Ponds"`, `category: "frog"`, `category: "reed"`, `!water`}},
		"categories once, and in others":  {rss(`<category>a</category><category>a</category><category><category>b</category></category><itunes:category text="c"/><itunes:keywords>d, a</itunes:keywords>`), "macworld.rss", []string{`category: "a"`, `category: "b"`, `category: "c"`, `category: "d"`}},

		"a file's description is second":   {rss(`<media:content url="https://pond.example/a.png"><media:description>of the file</media:description></media:content><media:content url="https://pond.example/b.png"><media:description>of another</media:description></media:content><media:description>of the item</media:description>`), "Media RSS, description", []string{`summary: "of the item"`}},
		"the first file's description":     {rss(`<media:content url="https://pond.example/a.png"><media:description>of the file</media:description></media:content><media:content url="https://pond.example/b.png"><media:description>of another</media:description></media:content>`), "Media RSS, description", []string{`summary: "of the file"`}},
		"no picture by its type":           {rss(`<enclosure url="https://pond.example/a.png" type="audio/mpeg" length="-7"/><enclosure url="https://pond.example/b" type=" image/png" length="12.0"/><enclosure url="https://pond.example/c" length="1.5"/>`), "RSS 2.0, enclosure", []string{`image: "https://pond.example/b"`, `enclosure: "https://pond.example/a.png" audio/mpeg 0`, `enclosure: "https://pond.example/b" image/png 12`, `enclosure: "https://pond.example/c"  0`}},
		"a picture by its medium":          {rss(`<media:content url="https://pond.example/a" medium=" Image "/>`), "Media RSS, medium", []string{`image: "https://pond.example/a"`}},
		"no picture by a name":             {rss(`<enclosure url="https://pond.example/png#a.png"/>`), "feedmill", []string{`!image: `}},
		"an image by its href, by its URL": {rss(`<image><url> https://pond.example/i.png </url></image><image>https://pond.example/j.png</image>`), "feedparser", []string{`image: "https://pond.example/i.png"`}},
		"what was not where it says":       {rss(`<enclosure url=" " href="https://pond.example/a.mp3"/>`), "feedparser", []string{`enclosure: "https://pond.example/a.mp3"  0`}},

		"a name that is missing":           {strings.Replace(atom(`<author><name> </name></author>`), "<entry>", "<author><name>Ann</name></author><entry>", 1), "RFC 4287, 4.2.1", []string{`author: "Ann"`}},
		"an author without a name":         {strings.Replace(atom(`<author><uri>https://pond.example/b</uri></author>`), "<entry>", "<author><name>Ann</name></author><entry>", 1), "RFC 4287, 4.2.1: the entry's own holds", []string{`!author: `}},
		"an author by address":             {atom(`<author><email>a@pond.example</email></author><author><name>Ben</name><email>b@pond.example</email></author>`), "RFC 4287, 3.2", []string{`author: "a@pond.example, Ben"`}},
		"creators beside the author":       {rss(`<author>Ann</author><dc:creator>Ann</dc:creator><dc:creator>Ben</dc:creator>`), "feedmill: one of them is the author", []string{`author: "Ann, Ben"`}},
		"creators in other words":          {rss(`<author>Ann</author><dc:creator>A. Lee</dc:creator><dc:creator>Ben</dc:creator>`), "feedmill", []string{`author: "Ann"`}},
		"a prefix bound to nothing":        {`<r:rss xmlns:r=""><r:channel><r:title>T</r:title><r:item><r:title>a</r:title><r:author>Ann</r:author></r:item></r:channel></r:rss>`, "gofeed", []string{`author: "Ann"`}},
		"a prefix that nothing declares":   {"<r:rss><r:channel><r:title>T</r:title><r:item><r:title>a</r:title><r:author>Ann</r:author></r:item></r:channel></r:rss>", "gofeed", []string{`author: "Ann"`}},
		"the first of addresses":           {rss(`<author>a@pond.example</author><dc:creator>b@pond.example</dc:creator>`), "RSS 2.0, author", []string{`author: "a@pond.example"`}},
		"an address as a link":             {rss(`<author>mailto:a@pond.example</author>`), "RFC 6068", []string{`author: "a@pond.example"`}},
		"a name behind its address":        {rss(`<author>a@pond.example Ann Lee</author>`), "feedparser", []string{`author: "Ann Lee"`}},
		"two addresses":                    {rss(`<author>a@pond.example b@pond.example</author>`), "feedmill", []string{`author: "a@pond.example b@pond.example"`}},
		"a handle is no address":           {rss(`<author>@ann Lee</author>`), "RFC 5322, 3.4.1", []string{`author: "@ann Lee"`}},
		"a name in quotes":                 {rss(`<author>"Ann Lee" &lt;mailto:a@pond.example&gt;; "Ben" &lt;b@pond.example&gt;</author>`), "RFC 5322, 3.4", []string{`author: "Ann Lee, Ben"`}},
		"a name with brackets":             {rss(`<author>a@pond.example (Ann (Lee))</author>`), "RFC 5322, 3.2.2", []string{`author: "Ann (Lee)"`}},
		"a bracket that is not shut":       {rss(`<author>a@pond.example (Ann</author>`), "feedmill", []string{`author: "Ann"`}},
		"no list of people":                {rss(`<author>a@pond.example (Ann) and b@pond.example (Ben)</author>`), "feedmill", []string{`author: "a@pond.example (Ann) and b@pond.example (Ben)"`}},
		"a list that ends in a name":       {rss(`<author>a@pond.example (Ann), Ben</author>`), "feedmill", []string{`author: "Ann, Ben"`}},
		"names and addresses in a list":    {rss(`<author>a@pond.example (Ann), Ben (at work); c@pond.example</author>`), "RFC 5322, 3.4", []string{`author: "Ann, Ben (at work), c@pond.example"`}},
		"addresses in a list":              {rss(`<author>a@pond.example, mailto:b@pond.example</author><dc:creator>Ann Lee</dc:creator>`), "FeedReader#853", []string{`author: "Ann Lee"`}},
		"addresses alone in a list":        {rss(`<author>a@pond.example, mailto:b@pond.example</author>`), "RFC 5322, 3.4", []string{`author: "a@pond.example, b@pond.example"`}},
		"a comma in quotes":                {rss(`<author>"Lee, Ann" &lt;a@pond.example&gt;, Ben</author>`), "RFC 5322, 3.4", []string{`author: "Lee, Ann, Ben"`}},
		"an address without its name":      {rss(`<author>a@pond.example (), Ben</author>`), "feedmill", []string{`author: "a@pond.example, Ben"`}},
		"markup that is no part of a name": {rss(`<author>&lt;b&gt;Ann&lt;/b&gt; Lee</author>`), "feedmill", []string{`author: "Ann Lee"`}},
		"what is in brackets alone":        {rss(`<author>(Ann)</author>`), "feedmill", []string{`author: "(Ann)"`}},

		"a link over two lines":   {rss("<link>https://pond.example/a\n  ?b=c</link>"), "rssguard#914", []string{`link: "https://pond.example/a?b=c"`}},
		"marks around a link":     {rss("<link>\u200bhttps://pond.example/a\ufeff</link>"), "feedmill", []string{`link: "https://pond.example/a"`}},
		"an empty href in HTML":   {based("https://b.example/p/", `<content type="html">&lt;a href=""&gt;&lt;img src=""&gt;&lt;a href&gt;&lt;a HREF=x&gt;</content>`), "HTML, 4.6.2", []string{`content: "<a href=\"https://b.example/p/\"><img src=\"\"><a href><a HREF=\"https://b.example/p/x\">"`}},
		"data of objects":         {based("https://b.example/p/", `<content type="html">&lt;object data = "x"&gt;&lt;p data="x"&gt;</content>`), "HTML, 4.8.7", []string{`content: "<object data = \"https://b.example/p/x\"><p data=\"x\">"`}},
		"links in noscript":       {based("https://b.example/p/", `<content type="html">&lt;NoScript&gt;&lt;img src="x"&gt;&lt;/noscript&gt;</content>`), "HTML, 4.12.2", []string{`content: "<NoScript><img src=\"https://b.example/p/x\"></noscript>"`}},
		"references in links":     {based("https://b.example/p/", `<content type="html">&lt;a href="x?a=1&amp;amp;b='2'"&gt;</content>`), "HTML, 13.1.2.3", []string{`content: "<a href=\"https://b.example/p/x?a=1&amp;b=&#39;2&#39;\">"`}},
		"one of a srcset":         {based("https://b.example/p/", `<content type="html">&lt;img srcset="https://c.example/c.png 1x, d.png 2x,"&gt;</content>`), "HTML, 4.8.4.2.2", []string{`content: "<img srcset=\"https://c.example/c.png 1x, https://b.example/p/d.png 2x,\">"`}},
		"a srcset of one":         {based("https://b.example/p/", `<content type="html">&lt;img srcset=" d.png "&gt;</content>`), "HTML, 4.8.4.2.2", []string{`content: "<img srcset=\" https://b.example/p/d.png \">"`}},
		"a srcset that is whole":  {based("https://b.example/p/", `<content type="html">&lt;img srcset='https://c.example/a"&lt;.png 1x, //c.example/b.png 2x'&gt;&lt;img srcset='https://c.example/&amp;amp;.png'&gt;</content>`), "HTML, 4.8.4.2.2", []string{`content: "<img srcset='https://c.example/a&#34;&lt;.png 1x, https://c.example/b.png 2x'><img srcset='https://c.example/&amp;.png'>"`}},
		"a site that is no place": {`<rss><channel><link>urn:x</link><item><link>/a</link></item></channel></rss>`, "RFC 3986, 5.2", []string{`link: "https://example.org/a"`}},

		"brackets in XHTML":             {atom(xhtml + `<p>1 < 2, I <3 you</p></div></content>`), "libxml2, recover", []string{`content: "<p>1 &lt; 2, I &lt;3 you</p>"`}},
		"end tags of XHTML":             {atom(`<content type="xhtml"><div><p>a<b>c</p></i></div></content>`), "feedmill", []string{`content: "<p>a<b>c</b></p>"`}},
		"a div that is not all":         {atom(`<content type="xhtml"><div>a</div> b</content>`), "RFC 4287, 3.1.1.3", []string{`content: "<div>a</div> b"`}},
		"a div in another element":      {atom(`<content type="xhtml"><p><div>a</div></p></content>`), "RFC 4287, 3.1.1.3", []string{`content: "<p><div>a</div></p>"`}},
		"languages and spaces of XHTML": {atom(`<content type="xhtml"><div><p xml:lang="fr" xml:space="preserve" class="c">a</p></div></content>`), "XHTML 1.0, C.7", []string{`content: "<p lang=\"fr\" class=\"c\">a</p>"`}},
		"a prefix of something else":    {atom(xhtml + `<x:p xmlns:x="urn:x">a</x:p></div></content>`), "XML Names, 6.1", []string{`content: "<x:p>a</x:p>"`}},
		"links that stay in XHTML":      {based("https://b.example/p/", `<content type="xhtml"><div><img src="" alt="x"/><a href="">a</a></div></content>`), "HTML, 4.6.2", []string{`content: "<img src=\"\" alt=\"x\"/><a href=\"https://b.example/p/\">a</a>"`}},
		"style in CDATA":                {atom(xhtml + `<style><![CDATA[a>b{}]]></style>a<![CDATA[>]]></div></content>`), "XHTML 1.0, C.4", []string{`content: "<style>a>b{}</style>a&gt;"`}},

		"references that end nowhere":  {rss(`<title>&lt &quot &ampx &eacute &#65 &#; &#x; &a b; &; &unknown;</title>`), "feedmill", []string{`title: "&lt &quot &ampx &eacute &#65 &#; &#x; &a b; &; &unknown;"`}},
		"references that begin alike":  {rss(`<title>&notin;&notit;&nbsp;&gt;&Quot;</title>`), "HTML, 13.5", []string{"title: \"∉&notit;\\u00a0>&Quot;\""}},
		"characters of windows-1252":   {rss(`<title>&#128;&#x9F;&#xA0;.</title>`), "HTML, 13.2.5.80", []string{"title: \"€Ÿ\\u00a0.\""}},
		"numbers of no character":      {rss(`<title>a&#1;&#x7f;&#xfffe;&#xD83D;&#xD83D;A&#xDC00;&#x110000;&#99999999999;&#9;b</title>`), "XML 1.0, 2.2", []string{"title: \"a" + strings.Repeat("\uFFFD", 3) + "\uFFFD\uFFFDA\uFFFD\uFFFD\uFFFD\\tb\""}},
		"the ends of surrogate pairs":  {rss(`<title>&#xD800;&#xDC00;&#xDBFF;&#xDFFF;&#xD800;&#xE000;</title>`), "HTML, 13.2.5.80, by what is meant", []string{`title: "𐀀\U0010ffff�\ue000"`}},
		"marks of CDATA around markup": {rss(`<description>&amp;lt;![CDATA[&lt;p&gt;a&lt;/p&gt;]]&amp;gt;</description>`), "miniflux#3149", []string{`summary: "<p>a</p>"`}},

		"nothing in a ttl of less than one":        {headed(`<ttl>-5</ttl><sy:updatePeriod>often</sy:updatePeriod><sy:updateFrequency>3</sy:updateFrequency>`), "RSS 2.0, ttl", []string{`!pacing: `}},
		"updates of a day that is not named":       {headed(`<sy:updateFrequency> 2 </sy:updateFrequency>`), "RSS 1.0, syndication", []string{`pacing: ttl 12h0m0s, `}},
		"updates of a week":                        {headed(`<ttl>60</ttl><sy:updatePeriod> Weekly</sy:updatePeriod><sy:updateFrequency>2</sy:updateFrequency>`), "RSS 1.0, syndication", []string{`pacing: ttl 84h0m0s, `}},
		"an update in no time":                     {headed(`<sy:updatePeriod>hourly</sy:updatePeriod><sy:updateFrequency>0</sy:updateFrequency>`), "RSS 1.0, syndication", []string{`pacing: ttl 1h0m0s, `}},
		"the longer of two":                        {headed(`<ttl>120</ttl><sy:updatePeriod>hourly</sy:updatePeriod>`), "feedmill", []string{`pacing: ttl 2h0m0s, `}},
		"hours that there are":                     {headed(`<skipHours><hour>-1</hour><hour>0</hour><hour>23</hour><hour>25</hour></skipHours>`), "RSS 2.0, skipHours", []string{`pacing: ttl 0s, skip hours 0x800001, skip days 0x0`}},
		"all days are a mistake":                   {headed(`<ttl>1</ttl><skipDays><day>Monday</day><day>Tuesday</day><day>Wednesday</day><day>Thursday</day><day>Friday</day><day>Saturday</day><day>Sunday</day></skipDays>`), "feedmill", []string{`pacing: ttl 1m0s, skip hours 0x0, skip days 0x0`}},
		"dates that say which end is the newest":   {headed(`<item><title>a</title><pubDate>2024-01-01</pubDate></item><item><title>b</title><pubDate>2024-01-01</pubDate></item><item><title>c</title><pubDate>2024-01-02</pubDate></item>`), "feedmill", []string{"title: \"a\"\n  published: \"2024-01-01T00:00:00Z\"\nitem", "title: \"c\"\n  published: \"2024-01-02T00:00:00Z\"\n$"}},
		"dates that are all the same say nothing":  {headed(`<item><title>a</title><pubDate>2024-01-01</pubDate></item><item><title>b</title><pubDate>2024-01-01</pubDate></item>`), "feedmill", []string{"title: \"a\"\n  published: \"2024-01-01T00:00:00Z\"\n$"}},
		"nor do some that are missing":             {headed(`<item><title>a</title></item><item><title>b</title><pubDate>2024-01-02</pubDate></item>`), "feedmill", []string{"title: \"a\"\n$"}},
		"a site that does harm is no item's":       {headed(`<link>javascript:x</link><item><link>VBScript:y</link><enclosure url="data:,z"/></item>`), "feedmill", []string{`note: "2 unsafe links"`}},
		"a channel of something else with a title": {`<channel><title>Five</title><number>5</number></channel>`, "feedmill", []string{`class: not_a_feed`}},

		"types of JSON that do not fit":     {json(`"title":{"a":1}`), "feedmill", []string{`note: "types repaired"`}},
		"a list of JSON with nothing in it": {json(`"tags":[null,"a"]`), "feedmill", []string{`note: "types repaired"`, `category: "a"`}},
		"types of JSON that fit":            {json(`"title":null,"tags":["a"],"date_published":1704164645,"author":{"name":"Ann"},"_x":[1,-2.5e+3,1e999,true,{"a":null}]`), "JSON Feed 1.1", []string{`class: ok`, `!note: `}},
		"a tab in JSON":                     {json("\"title\":\"\ta\""), "RFC 8259, 7", []string{`title: "a"`, `note: "sanitized"`}},
		"a line break in JSON":              {json("\"title\":\"\na\""), "RFC 8259, 7", []string{`title: "a"`, `note: "sanitized"`}},
		"a comma too many in JSON":          {json(`"tags":["a",]`), "RFC 8259, 5", []string{`category: "a"`, `note: "sanitized"`}},
		"escapes of JSON":                   {json(`"title":"\\","summary":"a\\\"b\/\u00E9\uFFFE\ud83d\u0041\t","content_text":"c\\"`), "RFC 8259, 7", []string{`title: "\\"`, `summary: "a\\\"b/é` + "\uFFFD" + `A"`, `content: "c\\"`}},
		"an escape that JSON has not":       {json(`"title":"\u00_1"`), "RFC 8259, 7", []string{`class: parse`}},
		"an escape that is cut":             {json(`"title":"\u00"`), "RFC 8259, 7", []string{`class: parse`}},
		"a number with a sign":              {json(`"_x":+1`), "RFC 8259, 6", []string{`class: parse`}},
		"a number without an end":           {json(`"_x":Infinity`), "RFC 8259, 6", []string{`class: parse`}},
		"what is no number":                 {json(`"_x":NaN`), "RFC 8259, 6", []string{`class: parse`}},
		"a number without a beginning":      {json(`"_x":.5`), "RFC 8259, 6", []string{`class: parse`}},
		"a name without quotes":             {json(`title:"a"`), "RFC 8259, 4", []string{`class: parse`}},
		"a name that is a number":           {json(`1:"a"`), "RFC 8259, 4", []string{`class: parse`}},
		"authors of all":                    {`{"version":"https://jsonfeed.org/version/1.1","authors":[{"name":"Ann"},{"name":"Ben"}],"items":[{"id":"1"},{"id":"2"},{"id":"3","authors":["Cy","Di"]}]}`, "JSON Feed 1.1, authors", []string{"guid: \"2\"\n  author: \"Ann, Ben\"", "guid: \"1\"\n  author: \"Ann, Ben\"", "guid: \"3\"\n  author: \"Cy, Di\""}},

		"a feed in something else":    {`<x><rss><channel/></rss></x>`, "feedmill", []string{`class: not_a_feed`}},
		"a tag that is cut":           {`<rs`, "feedmill", []string{`class: truncated`}},
		"a tag that is cut in a text": {`hello <rs`, "feedmill", []string{`class: not_a_feed`}},
		"a bracket before a feed":     {`<` + rss(`<title>a</title>`), "feedparser", []string{`class: ok`, `title: "a"`, `note: "junk before the feed"`}},
		"a bracket in a text":         {`< x`, "feedmill", []string{`class: not_a_feed`}},
		"breaks before a feed":        {`<br><hr/><x/><p>warning</p>` + rss(`<title>a</title>`), "feedparser", []string{`class: ok`, `title: "a"`, `note: "junk before the feed"`}},
		"a picture before a feed":     {`<img src="x">` + rss(`<title>a</title>`), "HTML, 13.1.2", []string{`class: ok`, `title: "a"`, `note: "junk before the feed"`}},
		"a page in a page": {`<div><!DOCTYPE  HTML><title> A
 page </title><title>B</title></div>`, "feedmill", []string{`class: not_a_feed`, `detail: "HTML page titled \"A page\""`}},
		"a page whose title is long":   {`<html><title>` + strings.Repeat("x", 79) + `éé</title>`, "feedmill", []string{`detail: "HTML page titled \"` + strings.Repeat("x", 79) + `\"..."`}},
		"a page whose title is not":    {`<html><title>` + strings.Repeat("x", 80) + `</title>`, "feedmill", []string{`detail: "HTML page titled \"` + strings.Repeat("x", 80) + `\""`}},
		"a page that names four feeds": {`<html><base href="/b/">` + numbered(4, `<link rel="alternate" type="text/xml; charset=utf-8" href=" %d ">`), "feedmill", []string{`hint: "the page names a feed: https://example.org/b/0, https://example.org/b/1, https://example.org/b/2"`}},
		"eight empty feeds in front":   {strings.Repeat("<feed/>", 8) + atom(``), "feedmill", []string{`guid: "e"`}},
		"nine empty feeds in front":    {strings.Repeat("<feed/>", 9) + atom(``), "feedmill", []string{`class: ok`, `!guid: `, `note: "trailing data"`}},
		"an item in a picture":         {headed(`<image><item><guid>1</guid></item></image>`), "feedmill", []string{`class: parse`, `detail: "1 item in places where none belong"`}},
		"what follows a feed":          {rss(``) + `<!-- c --><?p?> `, "XML 1.0, 2.1", []string{`class: ok`, `!note: "trailing`}},
		"a text that follows a feed":   {rss(``) + ` x`, "XML 1.0, 2.1", []string{`note: "trailing data"`}},
		"end tags missing at the end":  {rssHead + `<title>a</title></item>`, "feedjira", []string{`note: "end tags missing at the end"`}},
		"end tags missing before it":   {rss(`<title>a<link>https://pond.example/a</link>`), "feedparser", []string{`note: "1 end tag missing"`}},
		"end tags of void elements":    {rss(`<title>a</title></br></p>`), "HTML, 13.1.2", []string{`note: "1 end tag of nothing"`}},
		"end tags in another case":     {rss(`<Title>a</TITLE><guid>1</guid>`), "feedparser", []string{`title: "a"`, `guid: "1"`}},

		"a base on a base":               {based("https://b.example/", `</entry><entry xml:base="x/"><id>1</id><link xml:base="x/" href="l"/></entry><entry xml:base="x/"><id>2</id><link href="l"/></entry><entry><id>3</id><link href="l"/>`), "XML Base, 4", []string{"\"1\"\n  link: \"https://b.example/x/x/l\"", "\"2\"\n  link: \"https://b.example/x/l\"", "\"3\"\n  link: \"https://b.example/l\""}},
		"a base with a reference":        {based("https://b.example/a&amp;b/", `<link href="c"/>`), "XML 1.0, 3.3.3", []string{`link: "https://b.example/a&b/c"`}},
		"a base that is empty":           {based(" ", `<link href="c"/><content type="html">&lt;a href="d"&gt;</content>`), "feedmill", []string{`link: "https://example.org/c"`, `content: "<a href=\"d\">"`}},
		"attributes with a prefix":       {rss(`<enclosure xml:url="x" a:url="https://pond.example/a"/><enclosure a:url="x" url="https://pond.example/b"/>`), "feedparser", []string{`enclosure: "https://pond.example/a"  0`, `enclosure: "https://pond.example/b"  0`}},
		"attributes that begin alike":    {strings.Replace(rss(`<title>a</title>`), "<rss ", "<rss "+numbered(70, " xmlnsx%d='u'"), 1), "XML Names, 3", []string{`title: "a"`}},
		"the last link of RSS":           {rss(`<link>https://pond.example/a</link><link>https://pond.example/b</link><link/>`), "feedmill: as keys have it", []string{`link: "https://pond.example/b"`}},
		"the first link of Atom":         {atom(`<link href="https://pond.example/a"/><link href="https://pond.example/b"/>`), "RFC 4287, 4.1.2", []string{`link: "https://pond.example/a"`}},
		"what is on the web goes first":  {atom(`<link href="ftp://pond.example/a"/><link type="application/pdf" href="HTTPS://pond.example/b"/>`), "feedmill", []string{`link: "HTTPS://pond.example/b"`}},
		"a page before its versions":     {atom(`<link type="application/pdf" href="https://pond.example/b"/><link type="application/xhtml+xml" href="/c"/><link type="text/html" href="https://pond.example/d"/>`), "rssguard#104", []string{`link: "https://example.org/c"`}},
		"the first channel's site":       {`<rss><channel><link>https://pond.example/</link><item><guid>1</guid></item></channel><channel><link>https://else.example/</link></channel></rss>`, "feedmill", []string{`link: "https://pond.example/"`}},
		"a site by a link of Atom":       {`<rss xmlns:atom="http://www.w3.org/2005/Atom"><channel><link/><atom:link rel="self" href="https://x.example/"/><atom:link href="https://pond.example/"/><atom:link href="https://y.example/"/><dc:title>D</dc:title></channel></rss>`, "feed-rs#137", []string{`title: "D"`, `link: "https://pond.example/"`}},
		"a link of Atom to a file":       {rss(`<atom:link rel="enclosure" href="https://pond.example/a.mp3" length="7"/><atom:link rel="via" href="https://x.example/"/>`), "RFC 4287, 4.2.7.2", []string{`enclosure: "https://pond.example/a.mp3"  7`, `!link: "https://x.example/"`}},
		"the first link of Atom in RSS":  {rss(`<atom:link href="https://pond.example/a"/><atom:link href="https://pond.example/b"/>`), "feedmill", []string{`link: "https://pond.example/a"`}},
		"no file before the redirector":  {strings.Replace(rss(`<title>a</title><fb:origEnclosureLink>https://pond.example/a.mp3</fb:origEnclosureLink>`), "<rss ", `<rss xmlns:fb="http://rssnamespace.org/feedburner/ext/1.0" `, 1), "feedmill", []string{`title: "a"`, `!enclosure`}},
		"a file with a text":             {rss(`<enclosure url="https://pond.example/a.mp3">https://x.example/</enclosure>`), "RSS 2.0, enclosure", []string{`enclosure: "https://pond.example/a.mp3"  0`}},
		"plain text in base64":           {atom(`<content mode="base64">YSA8IGI=</content><summary type="text/html" mode="base64">!</summary>`), "Atom 0.3, 4.13.2", []string{`content: "a &lt; b"`, `!summary`}},
		"a picture in base64":            {atom(`<content type="image/png" mode="base64">YQ==</content>`), "Atom 0.3, 4.13.2", []string{`!content`}},
		"XML that is no text":            {atom(`<content type="application/xml"><x>a</x></content><summary type="image/svg+xml"><svg/></summary>`), "RFC 4287, 4.1.3.3", []string{`content: "<x>a</x>"`, `summary: "<svg/>"`}},
		"a title of another type":        {atom(`<title type="application/x">a &lt; b</title>`), "feedmill", []string{`title: "a < b"`}},
		"escaped XHTML of Atom 0.3":      {atom(`<content type="application/xhtml+xml" mode="escaped">&lt;p/&gt;</content>`), "Atom 0.3, 4.13.2", []string{`content: "<p/>"`}},
		"elements of XHTML nest so deep": {atom(xhtml[:len(xhtml)-len(`<div xmlns="http://www.w3.org/1999/xhtml">`)] + strings.Repeat("<p>", maxDepth+2) + `a</content>`), "feedmill", []string{`content: "` + strings.Repeat("<p>", maxDepth+2) + `a` + strings.Repeat("</p>", maxDepth) + `"`}},

		"Atom by https":                 {`<feed xmlns="https://www.w3.org/2005/Atom/"><entry><id>e</id><title>a</title></entry></feed>`, "miniflux#1232", []string{`title: "a"`}},
		"RSS in Atom's namespace":       {`<rss xmlns="http://www.w3.org/2005/Atom"><channel><title>T</title><item><title>a</title></item></channel></rss>`, "newsboat#1086", []string{`title: "T"`, `title: "a"`}},
		"a channel in a namespace":      {`<rss><channel xmlns="urn:x"><title>T</title><item><title>a</title></item></channel></rss>`, "feedparser", []string{`title: "a"`}},
		"a prefix of any name":          {`<rss xmlns:p="http://www.itunes.com/dtds/Podcast-1.0.dtd" xmlns:q="http://www.rssboard.org/media-rss"><channel><item><p:author>Ann</p:author><q:thumbnail url="https://pond.example/t.png"/></item></channel></rss>`, "podcastparser", []string{`author: "Ann"`, `image: "https://pond.example/t.png"`}},
		"a prefix that is not declared": {`<rss><channel><item><dc:creator>Ann</dc:creator></item></channel></rss>`, "feedparser", []string{`author: "Ann"`}},

		"values without quotes":                  {`<rss version=2.0><channel><item><enclosure url=https://pond.example/a.mp3 length=7/><title>a</title></item></channel></rss>`, "feedjira", []string{`title: "a"`, `enclosure: "https://pond.example/a.mp3"  7`}},
		"an element nobody closed":               {strings.Replace(rss(`<title>a</title>`), "<item>", `<itunes:category text="x"><itunes:explicit>no<item>`, 1), "feedjira", []string{`title: "a"`}},
		"a field nobody closed":                  {rss(`<title>a<link>https://pond.example/a</link><guid>1</guid>`), "feedparser", []string{`title: "a"`, `link: "https://pond.example/a"`, `guid: "1"`}},
		"an item nobody closed":                  {rss(`<title>a</title><item><title>b</title>`), "feedparser", []string{`title: "a"`, `title: "b"`}},
		"end tags that are missing":              {rssHead + `<title>a</title></item>`, "feedjira", []string{`class: ok`, `title: "a"`}},
		"items in items":                         {`<rss><channel><items><item><title>a</title></item></items></channel></rss>`, "feedmill", []string{`title: "a"`}},
		"items in what means nothing":            {`<rss><channel><x><y><item><title>a</title></item></y></x></channel></rss>`, "feedmill", []string{`title: "a"`}},
		"a channel without its rss":              {`<channel><title>c</title><item><title>a</title></item></channel>`, "feedparser", []string{`title: "c"`, `title: "a"`}},
		"a channel of something else":            {`<channel><number>5</number></channel>`, "feedmill", []string{`class: not_a_feed`}},
		"an empty feed in front":                 {`<feed/><feed xmlns="http://www.w3.org/2005/Atom"><entry><id>e</id></entry></feed>`, "feedparser#62", []string{`guid: "e"`}},
		"brackets that are text":                 {rss(`<title>1 < 2, I <3 you</title>`), "libxml2, recover", []string{`title: "1 < 2, I <3 you"`}},
		"an entry that is the document":          {`<?xml version="1.0"?><entry xmlns="http://www.w3.org/2005/Atom"><id>e</id><title>a</title></entry>`, "RFC 4287, 2", []string{`class: ok`, `guid: "e"`, `title: "a"`}},
		"an entry of something else":             {`<entry><number>5</number></entry>`, "feedmill", []string{`class: not_a_feed`}},
		"a guid that is repeated, without links": {`<rss><channel><item><guid>n/a</guid><title>a</title></item><item><guid>n/a</guid><title>b</title></item><item><guid>n/a</guid><title>b</title></item></channel></rss>`, "miniflux#4197: an edit cannot be told from another item, and what is left out is lost", []string{`title: "a"`, `title: "b"`, `note: "1 duplicate item"`}},
		"line ends are line feeds":               {"<rss><channel><item><description>a\r\nb\rc&#13;</description></item></channel></rss>", "XML 1.0, 2.11", []string{`summary: "a\nb\nc"`}},
		"RSS 1.0 without anything":               {`<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"></r:RDF>`, "gofeed", []string{`class: ok`}},
		"RDF of something else":                  {`<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://xmlns.com/foaf/0.1/"></r:RDF>`, "RDF 1.1 XML, 2", []string{`class: not_a_feed`}},
		"a root without anything":                {`<rss version="2.0"></rss>`, "RSS 2.0", []string{`class: ok`}},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := readAs(feeds.ParserAuto, []byte(c.doc), "", "https://example.org/feed")
			got := printDocument(d, err) + "$"
			for _, line := range c.want {
				line, absent := strings.CutPrefix(line, "!")
				if strings.Contains(got, line) == absent {
					t.Errorf("%s (%s)\ngot\n%swant %q: %v", c.doc, c.source, got, line, !absent)
				}
			}
		})
	}
}
