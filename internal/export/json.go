package export

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

// A Line is an item as a line of JSON.
type Line struct {
	Type       string      `json:"type,omitempty"` // "item", where other lines stand beside it
	ID         int64       `json:"id"`             // grows by arrival over all feeds
	Feed       string      `json:"feed"`           // its URL
	FeedName   string      `json:"feed_name"`
	Folder     string      `json:"folder"`
	Seq        int64       `json:"seq"` // grows by arrival within the feed
	GUID       string      `json:"guid"`
	Link       string      `json:"link"`
	Title      string      `json:"title"`
	Author     string      `json:"author"`
	Published  *time.Time  `json:"published"`
	Updated    *time.Time  `json:"updated"`
	FirstSeen  time.Time   `json:"first_seen"`
	Edits      int         `json:"edits"`
	Summary    string      `json:"summary"`
	Content    string      `json:"content"`
	Image      string      `json:"image"`
	Categories []string    `json:"categories"`
	Enclosures []enclosure `json:"enclosures"`
}

// An enclosure is a file that belongs to an item.
type enclosure struct {
	URL    string `json:"url"`
	Type   string `json:"type"`
	Length int64  `json:"length"`
}

// NewLine returns the line of an item.
func NewLine(it *store.Item) Line {
	l := Line{
		ID: it.ID, Feed: feeds.RedactURL(it.FeedURL), FeedName: FeedOf(it), Folder: it.Category,
		Seq: it.Seq, GUID: it.GUID, Link: it.Link, Title: it.Title, Author: it.Author,
		Published: instant(it.Published), Updated: instant(it.Updated), FirstSeen: it.FirstSeen.UTC(), Edits: it.Edits,
		Summary: it.Summary, Content: it.Content, Image: it.Image,
		Categories: append([]string{}, it.Categories...), Enclosures: []enclosure{},
	}
	for _, e := range it.Enclosures {
		l.Enclosures = append(l.Enclosures, enclosure(e))
	}
	return l
}

// lines writes items as lines of JSON.
type lines struct{ out *bufio.Writer }

func newLines(o Options) (Writer, error) { return &lines{bufio.NewWriter(o.Out)}, nil }

func (w *lines) Write(it *store.Item) error { return JSON(w.out, NewLine(it)) }
func (w *lines) Close() error               { return w.out.Flush() }

// JSON writes v as a line of JSON. What could move a terminal's cursor or
// reorder its text, and JSON allows as it is, is spelled \u0000: DEL, C1 controls
// and the marks of direction.
func JSON(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // the & of a URL stays one
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(escapeControls(b.Bytes()))
	return err
}

// escapeControls returns JSON with its unprintable characters spelled out; all
// of them stand within strings.
func escapeControls(line []byte) []byte {
	hidden := func(r rune) bool { return r >= 0x7f && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) }
	if bytes.IndexFunc(line, hidden) < 0 {
		return line
	}
	out := make([]byte, 0, len(line)+16)
	for _, r := range string(line) {
		switch {
		case !hidden(r):
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r) // as JSON knows what is above U+FFFF
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}
