// Package export writes stored items in the forms that other programs read:
// lines of JSON, CSV and TSV, sfeed's TSV, Atom, RSS, JSON Feed, a page of HTML,
// mbox and Maildir.
//
// Every form carries an item's id, its feed and the folder of that. HTML of feeds
// is sanitised where somebody would show it, which is the page; all other forms
// carry it as the feed gave it. The package refuses to choose items and knows no
// order: it writes what it is given as it comes.
package export

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

// A Writer writes items. What was written is there when Close has returned nil,
// and not before: what stands before the first item waits in a buffer. The item may be
// used again when Write has returned.
type Writer interface {
	Write(*store.Item) error
	Close() error
}

// Options say how items are written. The zero value of each field means its
// default.
type Options struct {
	Out     io.Writer // for all forms but maildir
	Dir     string    // of a maildir, which is made where there is none
	Title   string    // of a feed or page; default "feedmill"
	Self    string    // the URL at which a feed will be found
	Images  bool      // pages may load images from where items have them
	Updated time.Time // when a feed or page changed last; zero means now
}

// forms are the names of all forms with what makes a writer of each.
//
// Rejected: Parquet. parquet-go is kept well, and is six modules, protobuf among
// them, that make the program a quarter larger (34.7 to 43.0 MB) for everybody.
// Who has a use for Parquet has a program that makes it of jsonl or csv.
var forms = []struct {
	name string
	make func(Options) (Writer, error)
}{
	{"jsonl", newLines},
	{"csv", func(o Options) (Writer, error) { return newCells(o, ',') }},
	{"tsv", func(o Options) (Writer, error) { return newCells(o, '\t') }},
	{"sfeed", newSfeed},
	{"atom", newAtom},
	{"rss", newRSS},
	{"jsonfeed", newJSONFeed},
	{"html", newPage},
	{"mbox", newMbox},
	{"maildir", newMaildir},
}

// Formats returns the names of all forms.
func Formats() []string {
	var names []string
	for _, f := range forms {
		names = append(names, f.name)
	}
	return names
}

// New returns a writer of the form of that name, which must be one of Formats.
func New(format string, o Options) (Writer, error) {
	o.Title = cmp.Or(o.Title, "feedmill")
	if o.Updated.IsZero() {
		o.Updated = time.Now()
	}
	for _, f := range forms {
		if f.name == format {
			return f.make(o)
		}
	}
	return nil, fmt.Errorf("write items: there is no form %q", format)
}

// FeedOf returns what people call an item's feed.
func FeedOf(it *store.Item) string { return firstSeen(it.FeedLabel, feeds.RedactURL(it.FeedURL)) }

// TitleOf returns what people call an item, which need not have a title.
func TitleOf(it *store.Item) string {
	return firstSeen(strings.TrimSpace(it.Title), it.Link, it.GUID, "untitled")
}

// authorOf returns who wrote an item, nothing where nobody can be seen to have.
func authorOf(it *store.Item) string { return strings.TrimSpace(firstSeen(it.Author)) }

// firstSeen returns the first of all in which there is something to see: a form that
// asks for a title or a name wants more than blanks and what shown drops.
func firstSeen(all ...string) string {
	for _, s := range all {
		if strings.TrimSpace(strings.Map(shown, s)) != "" {
			return s
		}
	}
	return ""
}

// DateOf returns when an item was published as far as that is known, else when it
// arrived.
func DateOf(it *store.Item) time.Time {
	if at := cmp.Or(instant(it.Published), instant(it.Updated)); at != nil {
		return *at
	}
	return it.FirstSeen.UTC()
}

// instant returns the time of Unix seconds, nil for 0 and for what no form can say:
// whoever wrote a year of five digits into a store, the items must come out again.
func instant(seconds int64) *time.Time {
	t := time.Unix(seconds, 0).UTC()
	if seconds == 0 || t.Year() < 1 || t.Year() > 9999 {
		return nil
	}
	return &t
}

// body returns what an item says, as HTML.
func body(it *store.Item) string { return cmp.Or(it.Content, it.Summary) }

// Folders returns the paths of the folders that an item's feed is in.
func Folders(it *store.Item) []string {
	if it.Category == "" {
		return nil
	}
	return strings.Split(it.Category, "\n")
}

// folder returns them on one line.
func folder(it *store.Item) string { return strings.Join(Folders(it), ", ") }

// labels returns an item's folders and its categories, each once.
func labels(it *store.Item) []string {
	var all []string
	for _, c := range append(Folders(it), it.Categories...) {
		if firstSeen(c) != "" && !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	return all
}
