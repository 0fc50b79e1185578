package subs

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode"

	"feedmill/internal/feeds"
)

// A Listed is a subscription with a number, by which it can be had again.
type Listed struct {
	ID int64
	feeds.Subscription
}

// WriteOPML writes what all yields as an OPML 2.0 file of that title.
// Subscriptions of one category stand together in an outline of its name, which
// is where the first of them comes; one with several is there several times. What
// comes before the first category is written as it comes. Of the rest only numbers
// are kept in memory, and again is asked for some at a time, in any order; it may
// have lost one. An error of theirs is returned as it is.
//
// Characters that would move a terminal's cursor, or turn the direction of what
// follows, are written as references.
func WriteOPML(w io.Writer, title string, all iter.Seq2[Listed, error], again func(ids []int64) iter.Seq2[Listed, error]) error {
	o := writer{Writer: bufio.NewWriter(w), again: again}
	fmt.Fprintf(o, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<opml version=\"2.0\">\n  <head>\n    <title>%s</title>\n  </head>\n  <body>\n", escape(title))
	root := &folder{}
	for s, err := range all {
		if err != nil {
			return err
		}
		for path := range strings.SplitSeq(s.Category, "\n") {
			if path == "" && len(root.in) == 0 { // nothing need be kept
				if err := o.outline(indent, &s.Subscription); err != nil {
					return fmt.Errorf("write OPML: %w", err)
				}
				continue
			}
			f := root
			if path != "" {
				for _, name := range splitFolders(path) {
					f = f.child(name)
				}
			}
			f.in = append(f.in, member{feed: s.ID})
		}
	}
	if err := o.folder(root, indent); err != nil {
		return err
	}
	if err := o.write(); err != nil {
		return err
	}
	o.WriteString("  </body>\n</opml>\n")
	if err := o.Flush(); err != nil {
		return fmt.Errorf("write OPML: %w", err)
	}
	return nil
}

// indent is what the outlines of a file are indented by.
const indent = "    "

// A folder is a category that is being written.
type folder struct {
	name   string
	in     []member // in the order in which they came
	byName map[string]*folder
}

// A member of a folder is a folder, or else a feed by its number.
type member struct {
	feed   int64
	folder *folder
}

func (f *folder) child(name string) *folder {
	c := f.byName[name]
	if c == nil {
		c = &folder{name: name}
		if f.byName == nil {
			f.byName = make(map[string]*folder)
		}
		f.byName[name] = c
		f.in = append(f.in, member{folder: c})
	}
	return c
}

// A writer writes outlines. What it writes next it gathers first, so that feeds are
// had again many at a time, however few are in a folder.
type writer struct {
	*bufio.Writer
	again func(ids []int64) iter.Seq2[Listed, error]
	next  []line
	ids   []int64 // of the feeds among next
}

// A line is a tag of a folder, or else a feed.
type line struct {
	indent, tag string
	feed        int64
}

// atOnce is how many feeds are had again at a time.
const atOnce = 256

// folder writes what is in a folder. The error is that of again, or of the disk.
func (o *writer) folder(f *folder, indent string) error {
	for _, m := range f.in {
		if m.folder == nil {
			o.next, o.ids = append(o.next, line{indent: indent, feed: m.feed}), append(o.ids, m.feed)
			if len(o.ids) == atOnce {
				if err := o.write(); err != nil {
					return err
				}
			}
			continue
		}
		o.next = append(o.next, line{indent: indent, tag: `<outline text="` + escape(m.folder.name) + `">`})
		if err := o.folder(m.folder, indent+"  "); err != nil {
			return err
		}
		o.next = append(o.next, line{indent: indent, tag: "</outline>"})
	}
	return nil
}

// write writes what was gathered.
func (o *writer) write() error {
	found := make(map[int64]*feeds.Subscription, len(o.ids))
	if len(o.ids) > 0 {
		for s, err := range o.again(o.ids) {
			if err != nil {
				return err
			}
			found[s.ID] = &s.Subscription
		}
	}
	var err error
	for _, l := range o.next {
		if l.tag != "" {
			_, err = fmt.Fprintf(o, "%s%s\n", l.indent, l.tag)
		} else if s := found[l.feed]; s != nil {
			err = o.outline(l.indent, s)
		}
	}
	o.next, o.ids = o.next[:0], o.ids[:0]
	if err != nil {
		return fmt.Errorf("write OPML: %w", err)
	}
	return nil
}

// outline writes one subscription. The error is that of the writer below, which
// keeps it.
func (o *writer) outline(indent string, s *feeds.Subscription) error {
	text := s.Title
	if text == "" {
		text = s.URL // OPML requires a text
	}
	fmt.Fprintf(o, "%s<outline", indent)
	for _, a := range [...][2]string{{"text", text}, {"title", s.Title}, {"type", "rss"}, {"xmlUrl", s.URL}, {"htmlUrl", homePage(s.Link)}} {
		if a[1] != "" {
			fmt.Fprintf(o, " %s=\"%s\"", a[0], escape(a[1]))
		}
	}
	_, err := o.WriteString("></outline>\n")
	return err
}

// escape makes text fit for an attribute.
func escape(text string) string {
	odd := func(r rune) bool { return r < ' ' || r > '~' || r == '<' || r == '>' || r == '&' || r == '"' }
	if strings.IndexFunc(text, odd) < 0 {
		return text // as most URLs are
	}
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(text, "\uFFFD") {
		switch {
		case strings.ContainsRune("<>&\"\t\n\r", r), r >= 0x7f && unicode.IsControl(r), unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp):
			fmt.Fprintf(&b, "&#%d;", r)
		case unicode.IsControl(r), r == 0xfffe, r == 0xffff:
			// No XML may have it.
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
