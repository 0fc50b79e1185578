package read

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"feedmill/internal/feeds"
)

// jsonMembers are members of an item, and of what is around it, whose decoding
// is easy to get wrong.
var jsonMembers = []string{
	`"id":"1"`, `"id":7`, `"id":7.50`, `"id":null`, `"id":true`, `"ID":"2"`, `"i\u0064":"3"`, `"id":{"a":1}`, "\"\u0130d\":1",
	`"url":"https://a.example/\u00e9"`, `"url":"/x y"`, `"url":5`, `"external_url":"https://b.example/"`,
	`"title":"a \"b\" \\ \/ \b\f\n\r\t"`, `"title":"\ud83d\ude00 \ud83d x \ude00\ud83d\u0041"`, `"title":"\uD83D\uDE0"`, `"title":"\x"`,
	`"title":"\u+041"`, `"title":"\u004_"`, "\"title\":\"a\x01b\"", "\"title\":\"a\tb\"", "\"title\":\"\\\tb\"", `"title":null`, `"title":""`, `"Title":"T"`,
	`"content_html":"<p>x &amp; y<\/p>"`, `"content_text":"plain"`, `"summary":"s"`, `"summary":["s"]`,
	`"image":"i.png"`, `"banner_image":"b.png"`, `"date_published":"2020-01-02T03:04:05Z"`, `"date_modified":"2021-01-02T03:04:05.6+01:00"`,
	`"date_published":"never"`, `"author":{"name":" A ","url":"u"}`, `"author":"A"`, `"author":{}`, `"author":null`, `"author":{"name":1}`,
	`"authors":[{"name":"B"},{"name":"C"}]`, `"authors":[]`, `"authors":[null]`, `"authors":null`, `"authors":{"name":"D"}`,
	`"tags":["a"," b ",""]`, `"tags":[]`, `"tags":"a"`, `"tags":[1]`, `"tags":[null]`, `"tags":null`,
	`"attachments":[{"url":"e.mp3","mime_type":"audio/mpeg","size_in_bytes":5,"duration_in_seconds":60,"title":"t"}]`,
	`"attachments":[{"url":"e","size_in_bytes":"5"},{"size_in_bytes":5e3},{"size_in_bytes":-1},{"size_in_bytes":99999999999999999999}]`,
	`"attachments":{"url":"e","size_in_bytes":7}`, `"attachments":["e"]`, `"attachments":7`, `"authors":"N"`, `"authors":["N",{"name":"M"},[{"name":"L"}],5,{}]`,
	`"author":[{"name":"F"},{"name":"G"}]`, `"author":[]`, `"author":[7,{"name":"G"}]`, `"author":7`, `"tags":{"a":1}`, `"tags":["a",{},[],true,null,"b"]`, `"tags":7`,
	`"summary":{"a":"b"}`, `"title":7.0`, `"title":false`, `"_own":[null]`, `"version":1`, `"items":{"id":"1"}`,
	`"attachments":[]`, `"attachments":null`, `"attachments":[null]`, `"attachments":[{"size_in_bytes":05}]`,
	`"_own":{"a":[1,-2.5e+3,{"b":null}],"b":false}`, `"_own":[tru]`, `"_own":1.`, `"_own":-`, `"_own":0x1`, `"_own":"\u12"`, `"_own":{"a":1,}`, `"_own":[1,]`, `"_own":{1:2}`,
	`"language":"en"`, `"expired":"true"`, `"user_comment":5`, `"icon":"i"`, `"home_page_url":"https://h.example/"`, `"feed_url":""`,
}

// TestBothReadersAgreeOnRandomJSON compares both readers on JSON Feeds that are put
// together at random, where gofeed takes them. What only ours does is left out: a feed's
// authors are those of its items, an item that has only been modified was published
// then, lists that are told twice are joined, and names of members have one spelling.
func TestBothReadersAgreeOnRandomJSON(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	members := func(n int, sep string, but *regexp.Regexp, all ...string) string {
		named := func(m string) func(string) bool {
			return func(other string) bool { return strings.HasPrefix(other, m[:strings.Index(m, ":")+1]) }
		}
		for range n {
			if m := jsonMembers[random.IntN(len(jsonMembers))]; !but.MatchString(m) && !slices.ContainsFunc(all, named(m)) {
				all = append(all, m)
			}
		}
		return strings.Join(all, sep)
	}
	notInHead, notInItem := regexp.MustCompile(`^"(authors?|Title|items)"`), regexp.MustCompile(`^"(ID|İd|i\\u0064|Title)"`)
	const rounds = 4000
	read := 0
	for range rounds {
		var items []string
		for range random.IntN(3) {
			items = append(items, "{"+members(1+random.IntN(4), ",\n", notInItem, `"date_published":"2019-08-07T06:05:04Z"`)+"}")
		}
		doc := fmt.Appendf(nil, `{"version":"https://jsonfeed.org/version/1.1",%s,"items":[%s]}`, members(1, ",", notInHead, `"description":"d"`), strings.Join(items, ", "))
		want, wantErr := readAs(feeds.ParserGofeed, doc, "", "https://example.org/feed.json")
		if wantErr != nil {
			continue
		}
		read++
		got, err := readAs(feeds.ParserAuto, doc, "", "https://example.org/feed.json")
		if printDocument(got, err) != printDocument(want, wantErr) {
			t.Fatalf("seed %d: %q: got\n%s\nwant\n%s", seed, doc, printDocument(got, err), printDocument(want, wantErr))
		}
	}
	if read < rounds/4 {
		t.Errorf("seed %d: %d of %d read, want at least a quarter", seed, read, rounds)
	}
}

// jsonItems reads a JSON Feed of one item, or several, with those members.
func jsonItems(t *testing.T, head string, items ...string) []feeds.Item {
	t.Helper()
	doc := `{"version":"https://jsonfeed.org/version/1.1","home_page_url":"https://pond.example/",` + head + `"items":[{` + strings.Join(items, "},{") + `}]}`
	d, err := readAs(feeds.ParserAuto, []byte(doc), "", "https://pond.example/feed.json")
	if err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	return d.Items
}

// TestJSONItems: what becomes of the members of an item.
func TestJSONItems(t *testing.T) {
	const authors = `"authors":[{"name":"Feed"}],`
	for _, c := range []struct{ head, item, field, want string }{
		{"", `"content_text":"a < b & c"`, "content", "a &lt; b &amp; c"},
		{"", `"content_text":"plain","content_html":"<p>rich</p>"`, "content", "<p>rich</p>"},
		{"", `"content_text":"plain","content_html":" "`, "content", "plain"},
		{"", `"summary":"1 < 2","id":"x"`, "summary", "1 &lt; 2"},
		{"", `"title":"Q & A <1>"`, "title", "Q & A <1>"},
		{authors, `"id":"1"`, "author", "Feed"},
		{`"author":{"name":"Old"},`, `"id":"1"`, "author", "Old"},
		{`"author":{"name":"Old"},` + authors, `"id":"1"`, "author", "Feed"},
		{authors, `"id":"1","authors":[]`, "author", "Feed"},
		{authors, `"id":"1","author":{"name":"Own"}`, "author", "Own"},
		{authors, `"id":"1","authors":[{"name":"A"},{"name":" B "},{"name":"A"}]`, "author", "A, B"},
		{authors, `"id":"1","authors":["A",[1],null]`, "author", "A"},
		{"", `"id":"1","url":"/a"`, "link", "https://pond.example/a"},
		{"", `"id":"1","url":"","external_url":"https://else.example/"`, "link", "https://else.example/"},
		{"", `"id":"https://pond.example/1"`, "link", "https://pond.example/1"},
		{"", `"id":"tag:1"`, "link", ""},
		{"", `"id":12345678901234567890`, "guid", "12345678901234567890"},
		{"", `"ID":"1","Title":"T"`, "title", "T"},
		{"", `"id":"1","image":" ","banner_image":"b.png"`, "image", "https://pond.example/b.png"},
		{"", `"id":"1","date_published":"2024-01-02T03:04:05Z"`, "published", "1704164645"},
		{"", `"id":"1","date_published":1704164645`, "published", "1704164645"},
		{"", `"id":"1","date_published":1704164645000`, "published", "1704164645"},
		{"", `"id":"1","date_modified":"2024-01-02T03:04:05Z"`, "published", "1704164645"},
		{"", `"id":"1","date_published":"soon","date_modified":"2024-01-02T03:04:05Z"`, "published", "1704164645"},
		{"", `"id":"1","date_published":"2023-01-02","date_modified":"2024-01-02T03:04:05Z"`, "updated", "1704164645"},
		{"", `"id":"1","tags":["a"," b ","a","",null,7]`, "tags", "a|b|7"},
		{"", `"id":"1","tags":"one, two"`, "tags", "one, two"},
		{"", `"id":"1","attachments":[{"url":"/a","mime_type":"audio/mpeg","size_in_bytes":12},{"url":"/a"},{"url":"/b","size_in_bytes":"7"},{"url":"/c","size_in_bytes":1.5e3},{"url":"/d","size_in_bytes":1234.5},{"mime_type":"x/y"}]`,
			"files", "https://pond.example/a audio/mpeg 12|https://pond.example/b  7|https://pond.example/c  1500|https://pond.example/d  1234"},
		{"", `"id":"1","title":"a\ud83d b \ud83d\ude00 c\u0000\bd"`, "title", "a\uFFFD b \U0001F600 cd"},
		{"", "\"id\":\"1\",\"title\":\"a\tb\"", "title", "a\tb"},
		{"", `"id":"1","title":"t",`, "title", "t"},
	} {
		items := jsonItems(t, c.head, c.item)
		if len(items) != 1 {
			t.Errorf("%s: got %d items, want 1", c.item, len(items))
			continue
		}
		it := items[0]
		var files []string
		for _, e := range it.Enclosures {
			files = append(files, fmt.Sprint(e.URL, " ", e.Type, " ", e.Length))
		}
		got := map[string]string{
			"guid": it.GUID, "link": it.Link, "title": it.Title, "author": it.Author, "summary": it.Summary, "content": it.Content, "image": it.Image,
			"published": fmt.Sprint(it.Published), "updated": fmt.Sprint(it.Updated), "tags": strings.Join(it.Categories, "|"), "files": strings.Join(files, "|"),
		}[c.field]
		if got != c.want {
			t.Errorf("%s%s: %s is %q, want %q", c.head, c.item, c.field, got, c.want)
		}
	}
}

// TestBrokenJSONGivesWhatItHas: a document that ends anywhere gives the items that
// are complete, and says that it was cut.
func TestBrokenJSONGivesWhatItHas(t *testing.T) {
	whole := `{"version":"https://jsonfeed.org/version/1.1","title":"T\u00e9","items":[{"id":"1","tags":["a",1.5e3,true]},{"id":"2","_x":{"y":[null,{}]}},{"id":"3","title":"a\"b"}]}`
	ends := []int{strings.Index(whole, `,{"id":"2"`), strings.Index(whole, `,{"id":"3"`), len(whole) - 2}
	for cut := strings.Index(whole, `,"title"`); cut < len(whole); cut++ {
		want := 0
		for _, end := range ends {
			if cut >= end {
				want++
			}
		}
		d, err := readAs(feeds.ParserAuto, []byte(whole[:cut]), "", "")
		got := 0
		if d != nil {
			got = len(d.Items)
		}
		if got != want || !strings.HasPrefix(failureText(err), "truncated ") {
			t.Errorf("%q: got %d items, %q; want %d, truncated", whole[:cut], got, failureText(err), want)
		}
	}
	for doc, line := range map[string]string{
		`{"version":"https://jsonfeed.org/version/1","items":[{"id":"1"},` + "\n" + `{"id":"2" "title":"t"}]}`: "line 2",
		`{"version":"https://jsonfeed.org/version/1","items":[{"id":"1"},{"id":'2'}]}`:                         "line 1",
		`{"version":"https://jsonfeed.org/version/1","items":[{"id":"1"}` + "\n\n" + `{"id":"2"}]}`:            "line 3",
		`{"version":"https://jsonfeed.org/version/1","items":[{"id":"1"},{"id":"\x"}]}`:                        "line 1",
	} {
		d, err := readAs(feeds.ParserAuto, []byte(doc), "", "")
		if want := "parse " + line + ": invalid JSON, 1 item before that"; strings.TrimSpace(failureText(err)) != want || len(d.Items) != 1 {
			t.Errorf("%s: got %q, want %q", doc, failureText(err), want)
		}
	}
}

// TestJSONBounds: of too many items the first are read, too many values and too
// deep ones are refused.
func TestJSONBounds(t *testing.T) {
	const head = `{"version":"https://jsonfeed.org/version/1","items":[`
	many := head + numbered(maxItems, `{"id":"%d"},`) + `{"id":"x"}]}`
	if d, err := readAs(feeds.ParserGofeed, []byte(many), "", ""); err != nil || len(d.Items) != maxItems || len(d.Notes) != 1 {
		t.Errorf("got %v, %d items, notes %q, want one", err, len(d.Items), d.Notes)
	}
	for _, c := range []struct{ doc, want string }{
		{head + numbered(maxItems, `{"id":"%d"},`) + `{"id":"x"},{"id":"y"}]}`, "ok"},
		{head + strings.Repeat("1,", maxElements) + `1]}`, "limit_size"},
		{head + strings.Repeat("[", maxDepth-2) + strings.Repeat("]", maxDepth-2) + `]}`, "ok"},
		{head + strings.Repeat("[", maxDepth-1) + strings.Repeat("]", maxDepth-1) + `]}`, "limit_depth"},
		{head + strings.Repeat(`{"a":`, maxDepth) + `]}`, "limit_depth"},
	} {
		d, err := readAs(feeds.ParserAuto, []byte(c.doc), "", "")
		class, _, _ := strings.Cut(failureText(err), " ")
		if class != strings.TrimPrefix(c.want, "ok") {
			t.Errorf("%.80s: got %v, want %s", c.doc, err, c.want)
		}
		if err == nil && strings.Contains(c.doc, `"y"`) && (len(d.Items) != maxItems || !slices.Contains(d.Notes, fmt.Sprintf("%d items, read the first %d", maxItems+2, maxItems))) {
			t.Errorf("%.80s: got %d items, notes %q", c.doc, len(d.Items), d.Notes)
		}
	}
}

// FuzzJSON promises of every JSON Feed what is promised of every document.
func FuzzJSON(f *testing.F) {
	for _, m := range jsonMembers {
		f.Add([]byte(`{"version":"https://jsonfeed.org/version/1","items":[{` + m + `},{"id":"z"}]}`))
	}
	f.Fuzz(checkReading)
}

// TestRSSInJSON: RSS may be spelt in JSON.
func TestRSSInJSON(t *testing.T) {
	const doc = `{"rss":{"version":"2.0","channel":{"title":"Pond","link":"https://pond.example/","cloud":{"port":80},"item":[
		{"title":"One","link":"/1","description":"<b>a</b> &amp; b","pubDate":"Mon, 26 Jun 2017 12:20:05 GMT","guid":{"isPermaLink":"false","#value":"g1"},
			"category":["x",{"#value":"y","domain":"d"},"x"],"author":"Ann","enclosure":{"url":"/a.mp3","type":"audio/mpeg","length":"12"},"source:outline":{"text":"t"}},
		{"description":"two","guid":"https://pond.example/2","enclosure":[{"url":"/b"},{"url":"/c"}]}]}}}`
	for _, parser := range []feeds.Parser{feeds.ParserAuto, feeds.ParserGofeed} { // who does not know it
		d, err := readAs(parser, []byte(doc), "", "https://pond.example/rss.json")
		if err != nil || d.Title != "Pond" || d.Link != "https://pond.example/" || len(d.Items) != 2 {
			t.Fatalf("parser %d: got %+v, %v", parser, d, err)
		}
		one, two := d.Items[1], d.Items[0]
		want := feeds.Item{
			Key: one.Key, Hash: one.Hash, GUID: "g1", Link: "https://pond.example/1", Title: "One", Author: "Ann", Summary: "<b>a</b> &amp; b",
			Published: 1498479605, Categories: []string{"x", "y"}, Enclosures: []feeds.Enclosure{{URL: "https://pond.example/a.mp3", Type: "audio/mpeg", Length: 12}},
		}
		if !reflect.DeepEqual(one, want) {
			t.Errorf("parser %d: got %+v, want %+v", parser, one, want)
		}
		if two.Link != "https://pond.example/2" || two.Summary != "two" || len(two.Enclosures) != 2 {
			t.Errorf("parser %d: got %+v", parser, two)
		}
	}
}
