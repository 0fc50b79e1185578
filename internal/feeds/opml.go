package feeds

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/net/html/charset"
)

// A Subscription is a feed in a list that people exchange between readers.
type Subscription struct {
	URL      string // absolute, http or https, as SubscriptionURL returns it
	Title    string
	Category string // the path of outlines that it was under, joined by "/"
}

// Bounds on an OPML file.
const (
	maxOutlineDepth  = 64
	maxSubscriptions = 1_000_000
	maxOPML          = 256 << 20 // bytes
)

// A ListError says why one entry of a list of feeds was left out. The others
// were read.
type ListError struct {
	Line int    // from 1
	URL  string // as the list has it
	Err  error  // often a *Failure
}

// Error returns the line and what is wrong with it.
func (e *ListError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns what is wrong with the entry.
func (e *ListError) Unwrap() error { return e.Err }

// ReadOPML reads the subscriptions of an OPML file, in any encoding that the
// web knows and in the order of the file. Outlines without xmlUrl give the
// category of those within them.
//
// The error is one of two kinds. When entries were left out, because their URL
// is none or not http or https, it joins a [*ListError] for each of them, the
// first hundred, and the subscriptions are complete but for those. When the
// file cannot be read to its end it is anything else, and the subscriptions are
// those before the fault. It is a failure of class not_a_feed when the file is
// no OPML.
func ReadOPML(r io.Reader) ([]Subscription, error) {
	text, wide := narrow(&boundedInput{r: r, left: maxOPML})
	d := xml.NewDecoder(text)
	d.Strict = false
	d.CharsetReader = func(label string, input io.Reader) (io.Reader, error) {
		if wide || strings.HasPrefix(strings.ToLower(label), "utf-16") {
			return input, nil // it is UTF-8 by now, or has always been
		}
		return charset.NewReaderLabel(label, input)
	}
	o := outlines{decoder: d}
	err := o.read()
	if err != nil {
		return o.subs, fmt.Errorf("read OPML: %w", err)
	}
	return o.subs, errors.Join(o.errs...)
}

// IsOPML reports whether a file that begins with head is to be read as OPML, and
// not as a plain list: its first character that is no white space begins a tag.
func IsOPML(head []byte) bool {
	text, _ := narrow(bytes.NewReader(head))
	head, _ = io.ReadAll(text) // of a part of a character, too, the rest is good
	return bytes.HasPrefix(bytes.TrimSpace(bytes.TrimPrefix(head, utf8Mark)), []byte("<"))
}

// maxListErrors bounds the ListErrors of one file.
const maxListErrors = 100

// An outlines collects the subscriptions of one file.
type outlines struct {
	decoder *xml.Decoder
	path    []string // the categories of the outlines that are open
	subs    []Subscription
	errs    []error
}

func (o *outlines) read() error {
	rooted, depth := false, 0
	for {
		token, err := o.decoder.Token()
		if err == io.EOF && rooted {
			return nil
		}
		if err != nil && (rooted || err != io.EOF) {
			return err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth++; depth > maxDepth {
				return limit(LimitDepth, "elements nested more than %d deep", maxDepth)
			}
			if rooted = rooted || strings.EqualFold(t.Name.Local, "opml"); !rooted {
				return &Failure{Class: NotAFeed, Detail: "no OPML, but <" + t.Name.Local + ">"}
			}
			if strings.EqualFold(t.Name.Local, "outline") {
				if err := o.open(t.Attr); err != nil {
					return err
				}
			}
		case xml.EndElement:
			depth--
			if strings.EqualFold(t.Name.Local, "outline") && len(o.path) > 0 {
				o.path = o.path[:len(o.path)-1]
			}
		case nil:
			return &Failure{Class: NotAFeed, Detail: "no OPML, but an empty document"}
		}
	}
}

// open takes in an outline with its attributes.
func (o *outlines) open(attrs []xml.Attr) error {
	if len(o.path) == maxOutlineDepth {
		return limit(LimitDepth, "outlines nested more than %d deep", maxOutlineDepth)
	}
	values := make(map[string]string, len(attrs))
	for _, a := range attrs {
		values[strings.ToLower(a.Name.Local)] = strings.TrimSpace(a.Value)
	}
	title := values["text"]
	if values["title"] != "" {
		title = values["title"]
	}
	raw := values["xmlurl"]
	if raw == "" {
		o.path = append(o.path, title)
		return nil
	}
	category := o.category()
	o.path = append(o.path, "")
	link, err := SubscriptionURL(raw)
	if err != nil {
		if line, _ := o.decoder.InputPos(); len(o.errs) < maxListErrors {
			o.errs = append(o.errs, &ListError{Line: line, URL: raw, Err: err})
		}
		return nil
	}
	if len(o.subs) == maxSubscriptions {
		return limit(LimitItems, "more than %d subscriptions", maxSubscriptions)
	}
	if title == raw {
		title = "" // what stands for one in a file that must have one
	}
	o.subs = append(o.subs, Subscription{URL: link, Title: title, Category: category})
	return nil
}

// category joins the names of the outlines that are open.
func (o *outlines) category() string {
	var named []string
	for _, name := range o.path {
		if name != "" {
			named = append(named, name)
		}
	}
	return strings.Join(named, "/")
}

// A boundedInput fails once more than left bytes were read from r, where
// io.LimitReader would pretend that the input ends.
type boundedInput struct {
	r    io.Reader
	left int64
}

func (l *boundedInput) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, limit(TooLarge, "more than %d bytes", int64(maxOPML))
	}
	return n, err
}

// WriteOPML writes subs as an OPML 2.0 file of that title. Subscriptions of one
// category stand together in outlines of its name, in the order in which the
// categories first come.
func WriteOPML(w io.Writer, title string, subs []Subscription) error {
	root := &folder{}
	for i := range subs {
		f := root
		if subs[i].Category != "" {
			for name := range strings.SplitSeq(subs[i].Category, "/") {
				f = f.child(name)
			}
		}
		f.feeds = append(f.feeds, &subs[i])
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("write OPML: %w", err)
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(opmlFile{Version: "2.0", Title: title, Body: root.outline().Outlines}); err != nil {
		return fmt.Errorf("write OPML: %w", err)
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return fmt.Errorf("write OPML: %w", err)
	}
	return nil
}

// A folder is a category that is being written.
type folder struct {
	name    string
	feeds   []*Subscription
	folders []*folder
	byName  map[string]*folder
}

func (f *folder) child(name string) *folder {
	c := f.byName[name]
	if c == nil {
		c = &folder{name: name}
		if f.byName == nil {
			f.byName = make(map[string]*folder)
		}
		f.byName[name] = c
		f.folders = append(f.folders, c)
	}
	return c
}

func (f *folder) outline() outline {
	o := outline{Text: f.name}
	for _, s := range f.feeds {
		text := s.Title
		if text == "" {
			text = s.URL // OPML requires a text
		}
		o.Outlines = append(o.Outlines, outline{Text: text, Title: s.Title, Type: "rss", URL: s.URL})
	}
	for _, c := range f.folders {
		o.Outlines = append(o.Outlines, c.outline())
	}
	return o
}

type opmlFile struct {
	XMLName xml.Name  `xml:"opml"`
	Version string    `xml:"version,attr"`
	Title   string    `xml:"head>title"`
	Body    []outline `xml:"body>outline"`
}

type outline struct {
	Text     string    `xml:"text,attr"`
	Title    string    `xml:"title,attr,omitempty"`
	Type     string    `xml:"type,attr,omitempty"`
	URL      string    `xml:"xmlUrl,attr,omitempty"`
	Outlines []outline `xml:"outline"`
}
