package export

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"feedmill/internal/store"
)

// cellNames are the columns of CSV and TSV.
var cellNames = []string{"id", "feed", "feed_name", "folder", "seq", "guid", "link", "title", "author", "published", "updated",
	"first_seen", "edits", "summary", "content", "image", "categories", "enclosures"}

// cells writes CSV as RFC 4180 has it, with a row of names, and with a tab in the
// comma's place TSV as spreadsheets and Python's excel-tab have it.
type cells struct{ out *csv.Writer }

func newCells(o Options, comma rune) (Writer, error) {
	w := cells{csv.NewWriter(o.Out)}
	w.out.Comma = comma
	return w, w.out.Write(cellNames)
}

func (w cells) Write(it *store.Item) error {
	l := NewLine(it)
	categories, err := json.Marshal(l.Categories)
	if err != nil {
		return err
	}
	enclosures, err := json.Marshal(l.Enclosures)
	if err != nil {
		return err
	}
	at := func(t *time.Time) string {
		if t == nil {
			return ""
		}
		return t.Format(time.RFC3339)
	}
	return w.out.Write([]string{strconv.FormatInt(l.ID, 10), l.Feed, l.FeedName, l.Folder, strconv.FormatInt(l.Seq, 10), l.GUID, l.Link,
		l.Title, l.Author, at(l.Published), at(l.Updated), l.FirstSeen.Format(time.RFC3339), strconv.Itoa(l.Edits),
		l.Summary, l.Content, l.Image, string(categories), string(enclosures)})
}

func (w cells) Close() error {
	w.out.Flush()
	return w.out.Error()
}

// sfeed writes what sfeed's programs read (sfeed(5)): nine fields with a tab
// between two, the content with its line feeds, tabs and backslashes escaped, and
// a space for every control character of the others. The feed and its folder are
// the first two categories.
type sfeed struct{ out *bufio.Writer }

func newSfeed(o Options) (Writer, error) { return &sfeed{bufio.NewWriter(o.Out)}, nil }

var sfeedContent = strings.NewReplacer("\\", "\\\\", "\n", "\\n", "\t", "\\t", "\r", "")

func (w *sfeed) Write(it *store.Item) error {
	categories := append([]string{FeedOf(it)}, labels(it)...)
	for i, c := range categories {
		categories[i] = strings.ReplaceAll(c, "|", " ") // which stands between two
	}
	enclosure := ""
	if len(it.Enclosures) > 0 {
		enclosure = it.Enclosures[0].URL
	}
	fields := []string{strconv.FormatInt(DateOf(it).Unix(), 10), it.Title, it.Link, sfeedContent.Replace(body(it)), "html",
		cmp.Or(it.GUID, it.Link, strconv.FormatInt(it.ID, 10)), it.Author, enclosure, strings.Join(categories, "|")}
	for i := range fields {
		fields[i] = oneLine(fields[i])
	}
	_, err := fmt.Fprintln(w.out, strings.Join(fields, "\t"))
	return err
}

func (w *sfeed) Close() error { return w.out.Flush() }

// oneLine returns s with a space for each control character.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
