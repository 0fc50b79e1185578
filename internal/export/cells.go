package export

import (
	"encoding/csv"
	"encoding/json"
	"strconv"
	"time"

	"feedmill/internal/store"
)

// cellNames are the columns of CSV and TSV.
var cellNames = []string{"id", "feed", "feed_name", "folder", "seq", "guid", "link", "title", "author", "published", "updated",
	"first_seen", "edits", "summary", "content", "image", "categories", "enclosures"}

// cells writes CSV as RFC 4180 has it, with a row of names, and with a tab in the
// comma's place TSV as spreadsheets and Python's excel-tab have it.
type cells struct {
	out   *csv.Writer
	begun bool
}

func newCells(o Options, comma rune) Writer {
	w := &cells{out: csv.NewWriter(o.Out)}
	w.out.Comma = comma
	return w
}

func (w *cells) Write(it *store.Item) error {
	if err := w.begin(); err != nil {
		return err
	}
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

func (w *cells) begin() error {
	if w.begun {
		return nil
	}
	w.begun = true
	return w.out.Write(cellNames)
}

func (w *cells) Close() error {
	err := w.begin()
	w.out.Flush()
	if err != nil {
		return err
	}
	return w.out.Error()
}
