package ipc

import (
	"fmt"
	"net/url"
	"strings"

	"feedmill/internal/feeds"
)

// What a message may hold at most. The numbers are far above what an honest
// worker sends: package feeds has bounds of its own, and Conn.SendResult keeps
// to these.
const (
	maxItems  = 1 << 17 // items of one frame
	maxNested = 1 << 20 // categories and enclosures of one frame: an empty one takes one byte here and sixteen in memory

	maxLine      = 256      // bytes of what a program says of itself
	maxOptions   = 1 << 20  // bytes of the options of a run
	maxDetail    = 8 << 10  // bytes of a detail or a hint
	maxTitle     = 64 << 10 // bytes of a feed's title
	maxURL       = 8 << 10  // bytes of a URL, as in feeds
	maxValidator = 8 << 10  // bytes of an ETag or Last-Modified
)

// text reads a string of at most limit bytes that is independent of the
// payload: whoever keeps it must not keep a whole frame.
func (d *decoder) text(limit int) string {
	s := d.string()
	if len(s) > limit {
		d.fail("a text of %d bytes, limit %d", len(s), limit)
		return ""
	}
	return strings.Clone(s)
}

// line reads a text that a terminal shows on one line and obeys in nothing.
func (d *decoder) line(limit int) string {
	s := d.text(limit)
	if strings.ContainsFunc(s, control) {
		d.fail("a line with control characters")
		return ""
	}
	return s
}

// control reports whether a terminal may take r for an order: the controls of
// ASCII and of Latin-1, and what turns the direction of writing.
func control(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// httpURL reads an absolute URL of http or https, or nothing.
func (d *decoder) httpURL() string {
	s := d.text(maxURL)
	if s == "" || isHTTP(s) {
		return s
	}
	d.fail("a URL that is neither of http nor of https")
	return ""
}

func isHTTP(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && !strings.ContainsFunc(s, control)
}

// fit brings what a worker found within the bounds of the wire. Texts for people
// are cut, and what is of no use when it is cut is left out.
func fit(r *feeds.Result) {
	for _, s := range []*string{&r.Detail, &r.Hint} {
		*s = cut(*s, maxDetail)
	}
	r.Title = cut(r.Title, maxTitle)
	if len(r.Link) > maxURL {
		r.Link = ""
	}
	if len(r.MovedTo) > maxURL || r.MovedTo != "" && !isHTTP(r.MovedTo) {
		r.MovedTo = ""
	}
	if len(r.Validators.ETag) > maxValidator {
		r.Validators.ETag = ""
	}
	if len(r.Validators.LastModified) > maxValidator {
		r.Validators.LastModified = ""
	}
}

// cut returns at most the first n bytes of s.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n-3], "") + "…"
}

// The bounds below say how long something can become at most, without
// encoding it: every number, length and count at its longest.
const (
	maxHead   = 5 // array or string
	maxNumber = 9

	itemsBound = int64(1 + maxNumber + maxHead)
)

func stringsBound(list ...string) int64 {
	n := int64(0)
	for _, s := range list {
		n += maxHead + int64(len(s))
	}
	return n
}

// itemBound returns a bound on the length of it, in bytes.
func itemBound(it *feeds.Item) int64 {
	n := int64(1+keySize+3*maxNumber+2*maxHead) +
		stringsBound(it.GUID, it.Link, it.Title, it.Author, it.Summary, it.Content, it.Image) +
		stringsBound(it.Categories...)
	for i := range it.Enclosures {
		n += 1 + stringsBound(it.Enclosures[i].URL, it.Enclosures[i].Type) + maxNumber
	}
	return n
}

// resultBound returns a bound on the length of r without its items, in bytes.
func resultBound(r *feeds.Result) int64 {
	const numbers = 1 + 2 + 1 + 2 + pacingFields + costFields + 2 // in the order of the fields
	return maxHead*6 + maxNumber*numbers + 1 + stringsBound(r.Links...) +
		stringsBound(string(r.Class), r.Detail, r.Hint, r.MovedTo, r.Validators.ETag, r.Validators.LastModified, r.Title, r.Link)
}

// checkItem returns an error if an item that takes bound bytes cannot go into
// any frame that the peer accepts.
func checkItem(it *feeds.Item, bound, limit int64) error {
	if bound > limit {
		return tooLarge("item", bound, limit)
	}
	if n := len(it.Categories) + len(it.Enclosures); n > maxNested {
		return fmt.Errorf("%w: item with %d categories and enclosures, limit %d", ErrMessageTooLarge, n, maxNested)
	}
	return nil
}

// checkItems returns an error if a list holds more than a frame may.
func checkItems(items []feeds.Item) error {
	nested := 0
	for i := range items {
		nested += len(items[i].Categories) + len(items[i].Enclosures)
	}
	if len(items) > maxItems || nested > maxNested {
		return fmt.Errorf("%w: %d items with %d categories and enclosures, limits %d and %d",
			ErrMessageTooLarge, len(items), nested, maxItems, maxNested)
	}
	return nil
}

func tooLarge(what string, n, limit int64) error {
	return fmt.Errorf("%w: %s of %d bytes, the peer accepts %d", ErrMessageTooLarge, what, n, limit)
}
