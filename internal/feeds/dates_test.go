package feeds

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mmcdole/gofeed/rss"
)

// FuzzDates promises that the form in which a date is given to gofeed changes
// nothing about what gofeed makes of it.
func FuzzDates(f *testing.F) {
	for _, zone := range []string{"GMT", "UT", "UTC", "EST", "EDT", "CST", "CDT", "MST", "MDT", "PST", "PDT", "Z", "CET", "+0200", ""} {
		for _, date := range []string{
			"Sat, 07 Sep 2002 00:00:01 ", "Sat, 7 Sep 2002 23:59:59 ", "Sun, 29 Feb 2004 12:00:00 ", "Xyz, 07 Sep 2002 00:00:01 ", "Sat, 31 Feb 2002 00:00:01 ",
			"Sat, 07 Sep 2002 24:00:00 ", "Sat, 07 Sep 2002 00:60:00 ", "Sat, 00 Sep 2002 00:00:60 ", "Sat, 07 Sep 0000 00:00:01 ", "sat, 07 sep 2002 00:00:01 ",
			"Sat, 07 Sep 02 00:00:01 ", "07 Sep 2002 00:00:01 ", "Saturday, 07 Sep 2002 00:00:01 ", "Sat, 07 Foo 2002 00:00:01 ", "  Sat, 07 Sep 2002 00:00:01 ",
		} {
			f.Add(date + zone)
		}
	}
	f.Add("Sat, 7 Sep 2002 23:59:59 UT\f")
	f.Fuzz(func(t *testing.T, text string) {
		plain, ok := plainDate([]byte(text))
		if !ok {
			return
		}
		got, want := gofeedDate(t, plain), gofeedDate(t, text)
		if !got.Equal(want) {
			t.Fatalf("%q became %q: got %v, want %v", text, plain, got, want)
		}
	})
}

// gofeedDate returns what gofeed makes of a date; the zero time when nothing.
func gofeedDate(t *testing.T, text string) time.Time {
	var escaped bytes.Buffer
	if err := xml.EscapeText(&escaped, []byte(text)); err != nil {
		t.Fatal(err)
	}
	doc := "<rss><channel><item><pubDate>" + escaped.String() + "</pubDate></item></channel></rss>"
	feed, err := (&rss.Parser{}).Parse(strings.NewReader(doc))
	if err != nil || len(feed.Items) != 1 {
		t.Fatalf("%q: %v", doc, err)
	}
	if feed.Items[0].PubDateParsed == nil {
		return time.Time{}
	}
	return *feed.Items[0].PubDateParsed
}

// TestGofeedIsGivenSoManyOddDates: of dates in a form that gofeed has to look for
// it is given so many and no more, whatever the format; common ones are read
// after them, too. The fast reader of XML counts only what is no date.
func TestGofeedIsGivenSoManyOddDates(t *testing.T) {
	const n = maxOddDates + 100
	const odd, common, iso = "09 May 20 10:00 +0000", "Sat, 09 May 2020 10:00:00 GMT", "2020-05-09T10:00:00Z"
	list := func(item, last string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, item, i, odd)
		}
		fmt.Fprintf(&b, item, n, last)
		return b.String()
	}
	for name, doc := range map[string]string{
		"rss":   "<rss><channel>" + list("<item><guid>%d</guid><pubDate>%s</pubDate></item>", common) + "</channel></rss>",
		"cdata": "<rss><channel>" + list("<item><guid>%d</guid><pubDate><![CDATA[%s]]></pubDate></item>", common) + "</channel></rss>",
		"dc": "<rss xmlns:dc='http://purl.org/dc/elements/1.1/'><channel>" +
			list("<item><guid>%d</guid><dc:date>%s</dc:date></item>", iso) + "</channel></rss>",
		"atom": "<feed xmlns='http://www.w3.org/2005/Atom'>" + list("<entry><id>%d</id><published>%s</published></entry>", iso) + "</feed>",
		"json": `{"version":"https://jsonfeed.org/version/1","items":[` + list("{\"id\":\"%d\",\"date_published\":\"%s\n\"},", iso) + "{}]}",
	} {
		for _, parser := range []Parser{ParserAuto, ParserGofeed} {
			d, err := parser.ReadDocument([]byte(doc), "", "")
			if err != nil || len(d.Items) != n+1 {
				t.Fatalf("%s, parser %d: got %v, want %d items", name, parser, err, n+1)
			}
			want := n + 1
			if note := fmt.Sprintf("%d odd dates, tried the first %d", n, maxOddDates); parser == ParserGofeed || name == "json" {
				want = maxOddDates + 1
				if !slices.Contains(d.Notes, note) {
					t.Errorf("%s, parser %d: notes %q, want %q", name, parser, d.Notes, note)
				}
			}
			dated := 0
			for i := range d.Items {
				if d.Items[i].Published == 1589018400 || d.Items[i].Updated == 1589018400 {
					dated++
				}
			}
			if dated != want {
				t.Errorf("%s, parser %d: %d items have a date, want %d", name, parser, dated, want)
			}
		}
	}
}

// TestDatesInATextAreText: an element of HTML that somebody named like a date of
// feeds keeps what it says.
func TestDatesInATextAreText(t *testing.T) {
	for _, said := range []string{"Sat, 09 May 2020 10:00:00 GMT", strings.Repeat("long ago ", 50)} {
		doc := `<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>1</id><content type="xhtml"><div><pubDate>` + said + `</pubDate></div></content></entry></feed>`
		for _, parser := range []Parser{ParserAuto, ParserGofeed} {
			d, err := parser.ReadDocument([]byte(doc), "", "")
			if err != nil || len(d.Items) != 1 || !strings.Contains(d.Items[0].Content, strings.TrimSpace(said)) {
				t.Errorf("parser %d: got %+v, %v, want an item that says %q", parser, d, err, said)
			}
		}
	}
}

func TestAbsurdDatesAreNoDates(t *testing.T) {
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		year int
		want bool
	}{{0, false}, {1, false}, {999, false}, {1000, true}, {1969, true}, {2026, true}, {2036, true}, {2037, false}, {9999, false}} {
		date := time.Date(c.year, 2, 3, 4, 5, 6, 0, time.UTC)
		if got := sensibleDate(unixDate(&date), now); (got != 0) != c.want || c.want && got != date.Unix() {
			t.Errorf("year %d: got %d, want a date: %v", c.year, got, c.want)
		}
	}
	if got := unixDate(nil); got != 0 {
		t.Errorf("no date: got %d, want 0", got)
	}
}

// FuzzCommonDates promises that the dates which are read by hand are what gofeed
// makes of them.
func FuzzCommonDates(f *testing.F) {
	for _, date := range []string{
		"2020-01-02T03:04:05Z", "2020-01-02T03:04:05+01:30", "2020-01-02T03:04:05.678-05:00", "2020-02-30T03:04:05Z", "2020-02-29", "2019-02-29",
		"2020-1-2", "1 Jan 2020 00:00:00 UT", "2020-01-02T03:04:05", "2020-01-02T03:04:05.", "2020-01-02T03:04:05,5Z", "2020-01-02T24:00:00Z", "2020-01-02T03:04:60Z", "0000-01-01T00:00:00Z",
		"2020-01-02T03:04:05.1234567891Z", "2020-01-02T03:04:05+24:00", "2020-01-02T03:04:05-00:00", "2020-13-02T03:04:05Z", "2020-00-02", "2020-01-00",
		"Thu, 02 Jan 2020 03:04:05 GMT", "Thu, 2 Jan 2020 03:04:05 +0100", "2 Jan 2020 03:04:05 EST", "02 Jan 2020 03:04:05  PDT", "Thu, 02 Jan 2020 03:04:05 +2400",
		"Thu, 31 Apr 2020 03:04:05 GMT", "Xyz, 02 Jan 2020 03:04:05 GMT", "Thu, 02 jan 2020 03:04:05 GMT", "Thu, 02 May 2020 03:04:05 -0059", "Thu, 1 Jan 0001 00:00:00 UT",
		"2020/1/10 14:33:00", "2020/01/10", "2020/01/10 14:33", "2020/1/1", "2020/", "6/1/2 15:04", "06/1/2 15:04", "00000-", "2020-01-02 03:04:05",
	} {
		f.Add(date)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > maxDate {
			t.Skipf("longer than %d bytes: the reader tries no such date", maxDate)
		}
		var r fastReader
		got, ok := r.date(text)
		want, wantOK := anyDate(text)
		if got != want || ok != wantOK {
			t.Fatalf("%q: got %d, %v, want %d, %v", text, got, ok, want, wantOK)
		}
	})
}
