package feeds

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// A livingFeed is a feed that changes from fetch to fetch, in every way that
// matters to what its items are read as, and in some that do not.
type livingFeed struct {
	random                  *rand.Rand
	format                  format
	odd                     bool // it has items that share keys, or that leave notes
	serial                  int
	site, base, title, root string // root: attributes of the root
	items                   []livingItem
}

type livingItem struct{ guid, link, title, date, extra string }

func (f *livingFeed) pick(list ...string) string { return list[f.random.IntN(len(list))] }

// add puts a new item on top.
func (f *livingFeed) add() {
	f.serial++
	it := livingItem{
		guid: fmt.Sprintf("guid-%d", f.serial), link: fmt.Sprintf("/item/%d", f.serial), title: fmt.Sprintf("Title %d", f.serial),
		date: f.pick("2020-01-02T03:04:05Z", "2021-01-02T03:04:05+01:00", ""),
	}
	if f.random.IntN(12) == 0 {
		it.guid = "" // the link tells
	}
	if !f.odd {
		f.items = slices.Insert(f.items, 0, it)
		return
	}
	switch f.random.IntN(24) {
	case 1:
		it.link = "javascript:x"
	case 2:
		it.date = fmt.Sprintf("%d-01-01T00:00:00Z", time.Now().Year()+20)
	case 3:
		it = livingItem{}
	}
	f.items = slices.Insert(f.items, 0, it)
}

// change does one thing to the feed.
func (f *livingFeed) change() {
	if len(f.items) == 0 || f.random.IntN(3) == 0 {
		f.add()
		return
	}
	at, other := f.random.IntN(len(f.items)), f.random.IntN(len(f.items))
	it := &f.items[at]
	switch f.random.IntN(18) {
	case 0, 1:
		it.title += "!"
	case 2:
		it.extra = f.pick("", " ", "<!-- c -->", "<unknown>1</unknown>", "<category>c</category>", "<description>d</description>")
	case 3, 4, 5:
		f.share(at, other)
	case 6, 7, 8:
		f.items = f.items[:len(f.items)-1]
	case 9:
		f.items = slices.Delete(f.items, at, at+1)
	case 10:
		f.random.Shuffle(len(f.items), func(i, j int) { f.items[i], f.items[j] = f.items[j], f.items[i] })
	case 11:
		f.site = f.pick("https://site.example/", "https://other.example/x/", "")
	case 12:
		f.base = f.pick("https://feed.example/rss", "https://feed.example/dir/rss")
	case 13:
		f.root = f.pick("", ` xmlns:x="urn:x"`, ` xml:base="https://base.example/"`, ` xmlns:dc="http://purl.org/dc/elements/1.1/"`)
	default:
		f.title += "."
	}
}

// share makes two items alike, if that may be.
func (f *livingFeed) share(at, other int) {
	switch {
	case !f.odd:
	case f.random.IntN(3) == 0:
		f.items[at].guid = f.items[other].guid
	case f.random.IntN(2) == 0:
		f.items[at].link = f.items[other].link
	default:
		f.items = slices.Insert(f.items, other, f.items[at])
	}
}

// document writes the feed.
func (f *livingFeed) document() []byte {
	var b strings.Builder
	switch f.format {
	case formatAtom:
		fmt.Fprintf(&b, `<feed xmlns="http://www.w3.org/2005/Atom"%s><title>%s</title><link href="%s"/>`, f.root, f.title, f.site)
	case formatRDF:
		fmt.Fprintf(&b, `<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"%s><channel><title>%s</title><link>%s</link></channel>`, f.root, f.title, f.site)
	default:
		fmt.Fprintf(&b, `<rss%s><channel><title>%s</title><link>%s</link>`, f.root, f.title, f.site)
	}
	for _, it := range f.items {
		if f.format == formatAtom {
			fmt.Fprintf(&b, `<entry><id>%s</id><link href="%s"/><title>%s</title><published>%s</published>%s</entry>`, it.guid, it.link, it.title, it.date, it.extra)
		} else {
			fmt.Fprintf(&b, `<item><guid isPermaLink="false">%s</guid><link>%s</link><title>%s</title><pubDate>%s</pubDate>%s</item>`, it.guid, it.link, it.title, it.date, it.extra)
		}
	}
	b.WriteString(map[format]string{formatAtom: "</feed>", formatRDF: "</rdf:RDF>", formatRSS: "</channel></rss>"}[f.format])
	return []byte(b.String())
}

// A keeper is what a store keeps of a feed.
type keeper struct {
	hashes map[Key]uint64
	spans  []string // of every fetch
}

func (k *keeper) known() []Known {
	var list []Known
	for key, hash := range k.hashes {
		list = append(list, Known{key, hash})
	}
	return list
}

// disturb does what a user, a lost result or an older program may do.
func (k *keeper) disturb(random *rand.Rand) {
	keys := slices.SortedFunc(maps.Keys(k.hashes), func(a, b Key) int { return bytes.Compare(a[:], b[:]) })
	for _, key := range keys {
		switch random.IntN(40) {
		case 0:
			k.hashes[key] = 0 // removed
		case 1:
			delete(k.hashes, key) // and taken back
		case 2:
			k.hashes[key]++ // edited
		}
	}
}

// TestOnlyTheNewsIsStoredTheSame promises that leaving out items which are
// stored as the document has them changes nothing that a refresh finds out,
// whatever happens to the feed and to what is remembered of it.
func TestOnlyTheNewsIsStoredTheSame(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	items, left := 0, 0
	for n := range 60 {
		f := &livingFeed{random: random, format: []format{formatRSS, formatRDF, formatAtom}[n%3], odd: n%4 == 0, site: "https://site.example/", base: "https://feed.example/rss"}
		k := &keeper{hashes: map[Key]uint64{}, spans: []string{""}}
		for range random.IntN(10) {
			f.add()
		}
		for step := range 40 {
			for range random.IntN(3) {
				f.change()
			}
			if random.IntN(4) == 0 {
				k.disturb(random)
			}
			spans := k.spans[len(k.spans)-1]
			if random.IntN(8) == 0 {
				spans = k.spans[random.IntN(len(k.spans))]
			}
			body, known := f.document(), k.known()
			want, err := ReadDocument(body, "", f.base)
			if err != nil {
				t.Fatal(err)
			}
			got, err := ParserAuto.readDocument(body, "", f.base, &recall{spans, known, true}, watch{})
			if err != nil {
				t.Fatal(err)
			}
			items, left = items+len(want.Items), left+got.left
			compareNews(t, fmt.Sprintf("seed %d, feed %d, step %d", seed, n, step), got, want, known)
			changed, _, _ := Diff(want.Items, known)
			for i := range changed {
				k.hashes[changed[i].Key] = changed[i].Hash
			}
			k.spans = append(k.spans, got.spans)
		}
	}
	t.Logf("%d of %d items were left out", left, items)
	if left < items/4 {
		t.Errorf("%d of %d items were left out, want at least a quarter", left, items)
	}
}

// compareNews fails the test when a refresh would make something else of got,
// from which items were left out, than of want.
func compareNews(t *testing.T, when string, got, want *Document, known []Known) {
	t.Helper()
	type news struct {
		items          []Item
		added, updated int
		seen           int
		title, link    string
		pacing         Pacing
		notes          []string
	}
	newsOf := func(d *Document) (n news) {
		n = news{seen: len(d.Items) + d.left, title: d.Title, link: d.Link, pacing: d.Pacing, notes: d.Notes}
		n.items, n.added, n.updated = Diff(d.Items, known)
		n.items = append([]Item{}, n.items...)
		return n
	}
	if g, w := newsOf(got), newsOf(want); !reflect.DeepEqual(g, w) {
		t.Fatalf("%s: got\n%+v, want\n%+v", when, g, w)
	}
}

// TestChangedContextMakesAllUnknown changes what items inherit, and what they do
// not.
func TestChangedContextMakesAllUnknown(t *testing.T) {
	const doc = `<rss version="2.0"><channel><title>T</title><link>https://site.example/</link>` +
		`<item><guid>1</guid><link>a</link></item><item><guid>2</guid><link>b</link></item></channel></rss>`
	const base = "https://feed.example/rss"
	first, err := ParserAuto.readDocument([]byte(doc), "", base, &recall{}, watch{})
	if err != nil {
		t.Fatal(err)
	}
	known := []Known{{first.Items[0].Key, first.Items[0].Hash}, {first.Items[1].Key, first.Items[1].Hash}}
	for _, c := range []struct {
		name, old, new, base string
		left                 int
	}{
		{"nothing", "", "", base, 2},
		{"the title", "<title>T", "<title>U", base, 2},
		{"an item", "<guid>1<", "<guid>3<", base, 1},
		{"an item added", "<item>", "<item><guid>0</guid></item><item>", base, 2},
		{"an item that is there twice", "<item>", "<item><guid>1</guid><link>a</link></item><item>", base, 0},
		{"an item that shares a guid", "<item>", "<item><guid>1</guid><link>c</link></item><item>", base, 0},
		{"the root", `version="2.0"`, `version="2.0" xmlns:x="urn:x"`, base, 0},
		{"xml:base", "<channel>", `<channel xml:base="https://base.example/">`, base, 0},
		{"the site", "site.example", "other.example", base, 0},
		{"the site, behind the items", "</channel>", "<link>https://other.example/</link></channel>", base, 0},
		{"where it came from", "", "", "https://feed.example/other", 0},
	} {
		body := []byte(strings.Replace(doc, c.old, c.new, 1))
		got, err := ParserAuto.readDocument(body, "", c.base, &recall{first.spans, known, true}, watch{})
		if err != nil {
			t.Fatal(err)
		}
		if got.left != c.left {
			t.Errorf("%s: got %d items left out, want %d", c.name, got.left, c.left)
		}
		want, err := ReadDocument(body, "", c.base)
		if err != nil {
			t.Fatal(err)
		}
		compareNews(t, c.name, got, want, known)
	}
}

// FuzzSpans promises that nothing that is said to be remembered does harm.
func FuzzSpans(f *testing.F) {
	f.Add("", uint64(0))
	f.Add(strings.Repeat("x", spanSize), uint64(1))
	f.Add(strings.Repeat("x", MaxSpans+spanSize), uint64(1))
	body := generateRSS(3, 100)
	f.Fuzz(func(t *testing.T, spans string, hash uint64) {
		known := []Known{{Key{1}, hash}}
		got, err := ParserAuto.readDocument(body, "", "", &recall{spans, known, true}, watch{})
		if err != nil || got.left != 0 || len(got.Items) != 3 || len(got.spans) != 3*spanSize {
			t.Fatalf("got %+v, %v", got, err)
		}
	})
}

// TestRefreshLeavesOutWhatIsStored refreshes a feed with one new item after it was
// stored.
func TestRefreshLeavesOutWhatIsStored(t *testing.T) {
	n := 20
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, feedBody(n)) })
	for _, ship := range []Ship{ShipNew, ShipAll} {
		r := refresher(t, Options{Ship: ship})
		n = 20
		first := r.Refresh(t.Context(), Job{ID: 1, URL: s.URL})
		if first.Class != OK || len(first.Items) != 20 || len(first.Spans) != 20*spanSize {
			t.Fatalf("got %+v, want 20 items and their spans", first)
		}
		job := Job{ID: 2, URL: s.URL, Spans: first.Spans, BodyHash: first.BodyHash}
		for _, it := range first.Items {
			job.Known = append(job.Known, Known{it.Key, it.Hash})
		}
		n = 21
		got := r.Refresh(t.Context(), job)
		shipped := map[Ship]int{ShipNew: 1, ShipAll: 21}[ship]
		if got.Class != OK || got.New != 1 || got.Updated != 0 || got.Seen != 21 || len(got.Items) != shipped || len(got.Spans) != 21*spanSize {
			t.Errorf("ship %d: got %d items, %d new, %d seen, %d bytes of spans", ship, len(got.Items), got.New, got.Seen, len(got.Spans))
		}
	}
}

// BenchmarkNews shows what a document costs of which all items but one are
// stored, beside what it costs when none is.
func BenchmarkNews(b *testing.B) {
	for _, size := range []int{300, 1500, 20_000} {
		doc := generateRSS(20, size)
		d, err := ParserAuto.readDocument(doc, "", "", &recall{}, watch{})
		if err != nil {
			b.Fatal(err)
		}
		rec := &recall{spans: d.spans, skip: true}
		for _, it := range d.Items[1:] {
			rec.known = append(rec.known, Known{it.Key, it.Hash})
		}
		for name, rec := range map[string]*recall{"all": {}, "one": rec} {
			b.Run(fmt.Sprintf("%s-of-20/bytes=%d", name, size), func(b *testing.B) {
				b.SetBytes(int64(len(doc)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := ParserAuto.readDocument(doc, "", "", rec, watch{}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
