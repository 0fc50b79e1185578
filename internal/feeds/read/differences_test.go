package read

import (
	"encoding/json"
	"fmt"
	stdhtml "html"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"feedmill/internal/feeds"
)

// A difference is one between what is right and what gofeed makes of a field, with
// where it is written. right makes the right value of gofeed's and of the text of
// the document, by none of the reader's own code.
type difference struct {
	kind, fields, source string
	right                func(gofeed string, at place) string
}

// A place is where an item stands: its text in the document, and all that stands
// around the items.
type place struct{ item, head string }

// differences are all that are known, in the order in which they hold of one field.
// One that is not here is a mistake of either reader.
var differences = []difference{
	{"what the item is about", "GUID", "RSS 1.0, 5.5: rdf:about is the item's identity; nextcloud/news#71", func(gofeed string, at place) string {
		return firstOf(gofeed, all(`^<item[^>]* rdf:about="([^"]+)"`, at.item)...)
	}},
	{"an id is not respelled", "GUID", "RFC 4287, 4.2.6.1: compared character by character", func(gofeed string, at place) string {
		return firstOf("", append(all(`<id>\s*(.*?)\s*</id>`, at.item), gofeed)...)
	}},
	{"an empty link is none", "Link", "NetNewsWire's OneFootTsunami.atom", func(gofeed string, at place) string {
		if strings.Contains(at.item, `rel="alternate" type="text/html" href=""`) {
			return firstOf("", all(`<id>(.*?)</id>`, at.item)...)
		}
		return gofeed
	}},
	{"elements in an author are no name", "Author", "NetNewsWire's cloudblog.rss", func(gofeed string, at place) string {
		if strings.Contains(gofeed, "<name>") {
			return strings.Join(all(`<author[^>]*><name>\s*(.*?)\s*</name>`, at.item), ", ")
		}
		return gofeed
	}},
	{"the feed's author", "Author", "RFC 4287, 4.2.1; rssguard#104; FreshRSS", func(gofeed string, at place) string {
		names := all(`(?s)<author>.*?<name>\s*(.*?)\s*</name>`, at.head)
		if len(names) == 0 {
			names = all(`<(?:dc:creator|itunes:author)>(.*?)</`, at.head)
		}
		var feed struct {
			Author  struct{ Name string }
			Authors []struct{ Name string }
		}
		if json.Unmarshal([]byte(at.head), &feed) == nil { // JSON Feed 1.1, "authors"
			for _, a := range append(feed.Authors, feed.Author) {
				if len(names) == 0 || len(feed.Authors) > len(names) {
					names = append(names, a.Name)
				}
			}
		}
		return firstOf(gofeed, strings.Join(names, ", "))
	}},
	{"a name has one line", "Author", "newsboat#1312", func(gofeed string, at place) string { return strings.Join(strings.Fields(gofeed), " ") }},
	{"a date is one of the item's", "Published Updated", "RFC 3339; RFC 822, 5", func(gofeed string, at place) string {
		if moments := momentsOf(at.item); len(moments) > 0 && !slices.Contains(moments, gofeed) {
			return "one of " + strings.Join(moments, ", ")
		}
		return gofeed
	}},
	{"a picture", "Image", "FreshRSS#1920; NetNewsWire's tests", func(gofeed string, at place) string {
		return strings.TrimSpace(firstOf("", slices.Concat(
			all(`<itunes:image href="(.*?)"`, at.item), all(`(?s)<image>\s*<url>(.*?)</url>`, at.item), all(`<image>([^<>]*)</image>`, at.item),
			all(`<media:thumbnail[^>]* url="(.*?)"`, at.item), []string{gofeed},
			all(`<media:content[^>]* url="([^"]*)"[^>]* medium="image"`, at.item), all(`<media:content[^>]* url="([^"]*\.(?:jpe?g|png|gif))"`, at.item),
			all(`<enclosure[^>]* url="([^"]*\.jpe?g)"`, at.item), all(`<enclosure[^>]* url="([^"]*)"[^>]* type="image/`, at.item))...))
	}},
	{"each file once", "Enclosures", "mastodon#14538, feedbin#750", func(gofeed string, at place) string { return once(strings.Split(gofeed, "\n")) }},
	{"a list of categories", "Categories", "NetNewsWire's macworld.rss", func(gofeed string, at place) string {
		if strings.Contains(at.item, "<categories>") {
			return once(all(`<category>\s*(.*?)\s*</category>`, at.item))
		}
		return once(strings.Split(gofeed, "\n"))
	}},
	{"plain text is escaped", "Summary Content", "RFC 4287, 3.1.1.1; miniflux#1082", func(gofeed string, at place) string {
		for _, text := range all(`(?s)<(?:summary|content)(?: type="text")?>(.*?)</`, at.item) {
			if text = strings.TrimSpace(text); text == gofeed {
				return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
			}
		}
		return gofeed
	}},
	{"links in srcset are absolute", "Summary Content", "HTML, 4.8.4.2.1; feedwordpress#56; NetNewsWire's pappacoda.atom", func(gofeed string, at place) string {
		bases := append(all(`<(?:content|description|content:encoded)[^>]* xml:base="(.*?)"`, at.item), all(`<feed[^>]* xml:base="(.*?)"`, at.head)...)
		return regexp.MustCompile(`srcset="[^"]*"`).ReplaceAllStringFunc(gofeed, func(set string) string { return absoluteSet(set, bases) })
	}},
	{"xml:lang is lang", "Summary Content", "XHTML 1.0, C.7", func(gofeed string, at place) string {
		return strings.ReplaceAll(gofeed, " xml:lang=", " lang=")
	}},
}

// all returns what the group of pattern is, with references decoded, wherever
// pattern fits text.
func all(pattern, text string) (found []string) {
	if patterns[pattern] == nil {
		patterns[pattern] = regexp.MustCompile(pattern)
	}
	for _, m := range patterns[pattern].FindAllStringSubmatch(text, -1) {
		found = append(found, stdhtml.UnescapeString(m[1]))
	}
	return found
}

// patterns holds those that were compiled.
var patterns = map[string]*regexp.Regexp{}

// firstOf returns value, or the first of others that says something where value says
// nothing.
func firstOf(value string, others ...string) string {
	for _, other := range others {
		if value == "" {
			value = other
		}
	}
	return value
}

// once returns lines without those that are there before.
func once(lines []string) string {
	var kept []string
	for _, line := range lines {
		if !slices.Contains(kept, line) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

// momentsOf returns the dates of an item as the standard library reads them, and 0
// for one that is not there; none when it cannot read one of them.
func momentsOf(item string) []string {
	if item == "" {
		return nil // it is in JSON
	}
	moments := []string{"0"}
	for _, date := range all(`(?s)<(?:pubDate|published|updated|modified|issued|dc:date|dc:created|atom:updated)>\s*(.*?)\s*</`, item) {
		at, err := time.Parse(time.RFC3339, date)
		if err != nil {
			at, err = time.Parse(time.RFC1123Z, strings.Replace(date, "GMT", "+0000", 1))
		}
		if err != nil {
			return nil
		}
		moments = append(moments, fmt.Sprint(at.Unix()))
	}
	return moments
}

// absoluteSet makes the URLs in a srcset absolute by the innermost of bases.
func absoluteSet(set string, bases []string) string {
	for _, base := range bases {
		root, err := url.Parse(base)
		if err != nil || !root.IsAbs() {
			continue
		}
		return regexp.MustCompile(`(["\s,])([^"\s,]+)((?: [\d.]+[xw])?)`).ReplaceAllStringFunc(set, func(one string) string {
			at := strings.IndexFunc(one, func(r rune) bool { return !strings.ContainsRune("\" ,\n\t", r) })
			link, size, _ := strings.Cut(one[at:], " ")
			ref, err := root.Parse(link)
			if err != nil || len(size) == 0 && strings.Trim(link, "0123456789.xw") == "" {
				return one
			}
			return strings.TrimRight(one[:at]+ref.String()+" "+size, " ")
		})
	}
	return set
}

// respelled returns HTML as the parser of HTML spells it: that is not respelled by
// the own reader, and by gofeed where a link in it is.
func respelled(text string) string {
	doc, err := html.Parse(strings.NewReader(text))
	if err != nil {
		return text
	}
	var b strings.Builder
	if err := html.Render(&b, doc); err != nil {
		return text
	}
	return strings.ReplaceAll(b.String(), "\r", "")
}

// fieldsOf returns what the fields of an item say, by name.
func fieldsOf(it *feeds.Item) map[string]string {
	var files []string
	for _, e := range it.Enclosures {
		files = append(files, fmt.Sprintf("%s %s %d", e.URL, e.Type, e.Length))
	}
	return map[string]string{
		"GUID": it.GUID, "Link": it.Link, "Title": it.Title, "Author": it.Author, "Summary": it.Summary, "Content": it.Content,
		"Image": it.Image, "Published": fmt.Sprint(it.Published), "Updated": fmt.Sprint(it.Updated),
		"Categories": strings.Join(it.Categories, "\n"), "Enclosures": strings.Join(files, "\n"),
	}
}

// places returns where the items of a document in XML stand, the oldest first as far
// as that is known; none when there are not n of them.
func places(text string, n int) (list []place) {
	items := regexp.MustCompile(`(?s)<(?:item|entry)[ >].*?</(?:item|entry)>`)
	found := items.FindAllString(text, -1)
	if len(found) != n {
		return make([]place, n)
	}
	head := items.ReplaceAllString(text, "")
	for _, item := range slices.Backward(found) {
		list = append(list, place{item, head})
	}
	return list
}

// TestReadersDifferAsArgued compares what the own reader makes of real feeds with
// what gofeed makes of them and what is argued.
func TestReadersDifferAsArgued(t *testing.T) {
	files := corpusFiles()
	if len(files) == 0 {
		t.Skip("FEEDMILL_CORPUS names no folder with real feeds")
	}
	seen := map[string]int{}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(file)
		own, _ := readAs(feeds.ParserAuto, body, "", "https://example.org/feed")
		gofeed, _ := readAs(feeds.ParserGofeed, body, "", "https://example.org/feed")
		if gofeed == nil {
			continue
		}
		if own == nil || own.Title != gofeed.Title || own.Link != gofeed.Link || own.Pacing != gofeed.Pacing || len(own.Items) != len(gofeed.Items) {
			t.Errorf("%s: got %.200v, want as gofeed %.200v", name, own, gofeed)
			continue
		}
		at := places(string(body), len(own.Items))
		if strings.HasSuffix(name, "json") {
			at = slices.Repeat([]place{{head: string(body)}}, len(own.Items))
		}
		for i := range own.Items {
			got, want := fieldsOf(&own.Items[i]), fieldsOf(&gofeed.Items[i])
			for field := range got {
				right, isHTML := want[field], field == "Content" || field == "Summary" || field == "Title"
				for _, d := range differences {
					if slices.Contains(strings.Fields(d.fields), field) {
						if r := d.right(right, at[i]); r != right {
							seen[d.kind]++
							right = r
							isHTML = isHTML && d.kind != "plain text is escaped"
						}
					}
				}
				if got[field] != right && !(isHTML && respelled(got[field]) == respelled(right)) {
					t.Errorf("%s, item %d, %s: got %.300q, right is %.300q, gofeed has %.300q", name, i, field, got[field], right, want[field])
				}
			}
		}
	}
	t.Logf("%v", seen)
}
