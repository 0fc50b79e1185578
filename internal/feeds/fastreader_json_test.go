package feeds

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
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
	`"authors":[{"name":"B"},{"name":"C (c@d.example)"}]`, `"authors":[]`, `"authors":[null]`, `"authors":null`, `"authors":{"name":"D"}`,
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

// TestBothReadersAgreeOnRandomJSON compares both readers on JSON Feeds that are
// put together at random and then damaged a little.
func TestBothReadersAgreeOnRandomJSON(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	defer func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	}()
	some := func(sep string, n int, piece func() string) string {
		var all []string
		for range n {
			all = append(all, piece())
		}
		return strings.Join(all, sep)
	}
	member := func() string { return jsonMembers[random.IntN(len(jsonMembers))] }
	const rounds = 4000
	fast := 0
	for range rounds {
		items := some(", ", random.IntN(3), func() string { return "{" + some(",\n", random.IntN(5), member) + "}" })
		doc := []byte(fmt.Sprintf(`{"version":"https://jsonfeed.org/version/1.1",%s"items":[%s]%s}`,
			some("", random.IntN(2), func() string { return member() + "," }), items, []string{"", "\n", ",", `,"title":"T"`}[random.IntN(4)]))
		for range random.IntN(4) / 2 {
			at, end := random.IntN(len(doc)), random.IntN(len(doc))
			if random.IntN(2) == 0 {
				doc[at] = doc[end]
			} else {
				doc = slices.Delete(doc, at, min(at+random.IntN(4), len(doc)))
			}
		}
		if body, err := ParserAuto.ReadDocument(doc, "", ""); err == nil && body.Reader == ReaderFast {
			fast++
		}
		compareReaders(t, doc, "", "https://example.org/feed.json")
	}
	if fast < rounds/10 {
		t.Errorf("%d of %d read by the fast reader, want at least a tenth", fast, rounds)
	}
}

// TestEveryJSONMemberIsDecodedAsGofeedDoes compares both readers on each member
// alone, in an item and in the feed.
func TestEveryJSONMemberIsDecodedAsGofeedDoes(t *testing.T) {
	const head = `{"version":"https://jsonfeed.org/version/1","items":[`
	for _, m := range jsonMembers {
		compareReaders(t, []byte(head+`{`+m+`},{"id":"z","title":"y"}]}`), "", "https://example.org/")
		compareReaders(t, []byte(head+`{"id":"z",`+m+`}]}`), "", "https://example.org/")
		compareReaders(t, []byte(head+`{"id":"z"}],`+m+`}`), "", "https://example.org/")
		compareReaders(t, []byte(head+`{`+m+`,`+m+`}]}`), "", "https://example.org/")
	}
	for _, doc := range []string{head + `]}`, head + `]} x`, head + `],}`, head + `]`, head + `1]}`, head + `null]}`, head + `[]]}`,
		`{"version":"https://jsonfeed.org/version/1","items":{"id":"1","title":5}}`, `{"version":"https://jsonfeed.org/version/1","items":null}`,
		`{"version":"https://jsonfeed.org/version/1","items":"none"}`, `{"version":"https://jsonfeed.org/version/1","authors":[],"author":"A","items":[{"id":1,"authors":[]}]}`} {
		compareReaders(t, []byte(doc), "", "https://example.org/")
	}
}
