// Package subs reads and writes what feeds a person subscribes to: plain lists and
// OPML files. It opens no file and asks no server.
package subs

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"golang.org/x/net/html"
	"golang.org/x/net/html/charset"

	"feedmill/internal/feeds"
)

// Bounds on an OPML file. What is deeper or longer is cut, and the feeds are kept:
// an attacker's list must not become a store of a thousand times its size.
const (
	maxFolders = 16        // that an outline is within, and paths of one feed
	maxName    = 256       // bytes of a title
	maxPath    = 1024      // bytes of a category
	maxOPML    = 256 << 20 // bytes
	maxTag     = 1 << 20   // bytes of one tag
	maxDepth   = 1024      // outlines whose names are kept
)

// A ListError says why one entry of a list of feeds was left out. The others
// were read.
type ListError struct {
	Line int    // from 1
	URL  string // as the list has it, see feeds.RedactURL
	Err  error  // often a *feeds.Failure
}

// Error returns the line and what is wrong with it.
func (e *ListError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns what is wrong with the entry.
func (e *ListError) Unwrap() error { return e.Err }

// ReadOPML reads the subscriptions of an OPML file, which may be in gzip, in any
// encoding that the web knows and in the order of the file. Outlines without a feed
// give the category of those within them. A feed that is there several times is
// yielded as often: [Join] makes one of them. No more than a tag is kept in memory.
//
// It reads what a browser would read of the file: control characters, bare < and &,
// quotes within quotes, and what stands before or after the lists spoil at most the
// outline that they are in.
//
// The error is a [*ListError] for an outline that was left out. Any other is the last
// thing that is yielded: the reader fails, or a bound is passed. It is a failure of
// class not_a_feed when the file is no OPML.
//
// Rejected: encoding/xml. It ends at the first fault, and one bad byte in a title
// then costs the whole list.
func ReadOPML(r io.Reader) iter.Seq2[feeds.Subscription, error] {
	return func(yield func(feeds.Subscription, error) bool) {
		o := outlines{tokens: html.NewTokenizer(decoded(&boundedInput{r: unzipped(r), left: maxOPML})), line: 1, yield: yield}
		o.tokens.SetMaxBuf(maxTag)
		if err := o.read(); err != nil && !o.enough {
			yield(feeds.Subscription{}, fmt.Errorf("read OPML: %w", err))
		}
	}
}

// Join returns what two outlines of one feed say together: it has the categories of
// both, and the name of the first that has one.
func Join(a, b feeds.Subscription) feeds.Subscription {
	a.Title = cmp.Or(a.Title, b.Title)
	a.Category = joinPaths(append(strings.Split(a.Category, "\n"), strings.Split(b.Category, "\n")...))
	return a
}

// IsOPML reports whether a file that begins with head is to be read as OPML, and
// not as a plain list: its first character that is no white space begins a tag.
func IsOPML(head []byte) bool {
	text, _ := narrow(unzipped(bytes.NewReader(head)))
	head, _ = io.ReadAll(text) // of a part of a character, too, the rest is good
	return bytes.HasPrefix(bytes.TrimSpace(bytes.TrimPrefix(head, listMark)), []byte("<"))
}

// unzipped returns what r holds, if that is gzip, and r itself otherwise.
func unzipped(r io.Reader) io.Reader {
	b := bufio.NewReader(r)
	if head, _ := b.Peek(2); string(head) != "\x1f\x8b" {
		return b
	}
	z, err := gzip.NewReader(b)
	if err != nil {
		return b
	}
	return &unpacked{z}
}

// An unpacked reads what was packed, and ends with errTorn where that breaks off, or
// goes on with what is none of it.
type unpacked struct{ packed *gzip.Reader }

var errTorn = errors.New("the file breaks off")

func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.packed.Read(p)
	if _, corrupt := errors.AsType[flate.CorruptInputError](err); corrupt || err == io.ErrUnexpectedEOF || err == gzip.ErrHeader || err == gzip.ErrChecksum {
		err = errTorn
	}
	return n, err
}

// decoded returns a file as UTF-8. What it declares is not believed of a file whose
// first 64 KiB are UTF-8 with more than ASCII in it, nor if nobody knows it.
func decoded(r io.Reader) io.Reader {
	text, changed := narrow(r)
	b := bufio.NewReaderSize(text, 64<<10)
	head, _ := b.Peek(64 << 10) // an error comes again
	if changed {
		return b
	}
	for n := 0; n < utf8.UTFMax && len(head) > 0 && !utf8.Valid(head); n++ {
		head = head[:len(head)-1] // which may be a part of a character
	}
	label := declaredEncoding.FindSubmatch(head[:min(len(head), 1024)])
	if utf8.Valid(head) && !isASCII(head) || label == nil {
		return b
	}
	if enc, canonical := charset.Lookup(string(label[1])); enc != nil && !strings.HasPrefix(canonical, "utf-") {
		return enc.NewDecoder().Reader(b)
	}
	return b
}

// likeAddress is a name that may be an address, and not one with slashes in it.
var likeAddress = regexp.MustCompile(`^\S*//\S*$|^\s*[A-Za-z][\w+.-]*://\S`)

var declaredEncoding = regexp.MustCompile(`encoding\s*=\s*["']([^"']*)`)

func isASCII(b []byte) bool { return bytes.IndexFunc(b, func(r rune) bool { return r >= 0x80 }) < 0 }

// An outlines yields the subscriptions of one file.
type outlines struct {
	tokens *html.Tokenizer
	line   int      // where the token that is looked at begins
	depth  int      // outlines that are open
	path   []string // the outermost of them: folders, and "" for what is none
	torn   bool     // the last tag was an outline without a feed, and open
	yield  func(feeds.Subscription, error) bool
	enough bool // what yield said
}

func (o *outlines) read() error {
	first, rooted := "", false
	for !o.enough {
		kind := o.tokens.Next()
		raw := o.tokens.Raw()
		switch kind {
		case html.ErrorToken:
			switch err := o.tokens.Err(); {
			case err == errTorn:
				o.leaveOut("", err.Error())
			case err != io.EOF && err != html.ErrBufferExceeded:
				return err
			}
			return o.end(raw, first, rooted)
		case html.StartTagToken, html.SelfClosingTagToken:
			tag, more := o.tokens.TagName()
			name := local(tag)
			if first == "" {
				first = feeds.Clip(name, 32)
			}
			rooted = rooted || name == "opml" || name == "outline"
			if name == "outline" {
				o.start(raw, more, kind == html.SelfClosingTagToken)
			}
			o.tokens.NextIsNotRawText() // a <title/> is a title here, and ends
		case html.TextToken:
			// A > within quotes within quotes has ended an outline too early, as in
			// text="a "b" > c": the rest is text.
			if o.torn && namesFeed(raw) {
				o.close()
				o.outline(append([]byte("<outline "), raw...))
			}
		case html.CommentToken:
			if namesFeed(raw) && !bytes.HasSuffix(raw, []byte("-->")) {
				o.leaveOut("", "a comment without end")
			}
		case html.EndTagToken:
			o.torn = false
			if tag, _ := o.tokens.TagName(); local(tag) == "outline" {
				o.close()
			}
		}
		o.line += bytes.Count(raw, []byte("\n"))
	}
	return nil
}

// end says what there is to say once nothing more is read, raw being what is left of
// a tag. The failure is that of a file that is no list.
func (o *outlines) end(raw []byte, first string, rooted bool) error {
	switch {
	case o.tokens.Err() == html.ErrBufferExceeded:
		o.leaveOut("", "a tag without end")
	case !rooted && first == "":
		return &feeds.Failure{Class: feeds.NotAFeed, Detail: "no OPML, but a document without tags"}
	case !rooted:
		return &feeds.Failure{Class: feeds.NotAFeed, Detail: "no OPML, but <" + first + ">"}
	case bytes.HasPrefix(raw, []byte("<")):
		o.leaveOut("", "the file ends within a tag")
	}
	return nil
}

// start takes the outline that the tokenizer stands on. Where a quote is missing, its
// tag goes on to the end of the next one.
func (o *outlines) start(raw []byte, more, closed bool) {
	if bytes.LastIndexByte(raw, '<') > 0 {
		if next := bytes.LastIndex(bytes.ToLower(raw), []byte("<outline")); next > 0 {
			o.leaveOut("", "a quote is missing")
			o.outline(raw[next:])
			return
		}
	}
	o.open(attributes(o.tokens, more), closed)
}

// namesFeed reports whether a part of a file has the attribute of a feed.
func namesFeed(raw []byte) bool { return bytes.Contains(bytes.ToLower(raw), []byte("xmlurl=")) }

// outline takes the outline that text begins with, in place of what the tokenizer
// made of it.
func (o *outlines) outline(text []byte) {
	tokens := html.NewTokenizer(bytes.NewReader(text))
	kind := tokens.Next()
	if kind == html.ErrorToken {
		o.leaveOut("", "the end of a tag is missing")
		return
	}
	_, more := tokens.TagName()
	o.open(attributes(tokens, more), kind != html.StartTagToken)
}

// close ends the innermost outline.
func (o *outlines) close() {
	if o.depth--; o.depth < len(o.path) {
		o.depth = max(o.depth, 0)
		o.path = o.path[:o.depth]
	}
}

// local returns the name of a tag without its prefix.
func local(tag []byte) string { return string(tag[bytes.LastIndexByte(tag, ':')+1:]) }

// attributes returns those of the tag, by their names in lower case. Of two with one
// name the first counts, as in HTML.
func attributes(tokens *html.Tokenizer, more bool) map[string]string {
	values := make(map[string]string)
	for more {
		var key, value []byte
		key, value, more = tokens.TagAttr()
		if _, ok := values[local(key)]; !ok {
			values[local(key)] = string(value)
		}
	}
	return values
}

// open takes an outline with its attributes.
func (o *outlines) open(values map[string]string, closed bool) {
	title := cleanText(values["title"], maxName)
	if title == "" {
		title = cleanText(values["text"], maxName)
	}
	kind := strings.ToLower(strings.TrimSpace(values["type"]))
	isFeed := kind == "rss" || kind == "atom" || kind == "rdf" || kind == "feed"
	raw := strings.TrimSpace(values["xmlurl"])
	if raw == "" && isFeed {
		raw = strings.TrimSpace(values["url"])
	}
	switch {
	case raw != "":
	case namesFeed([]byte(values["text"] + values["title"])):
		o.leaveOut("", "a quote is missing")
	case isFeed:
		o.leaveOut(values["htmlurl"], "a feed without xmlUrl")
	case closed && kind == "" && strings.Contains(values["text"], "://"):
		o.leaveOut(values["text"], "an address, but no xmlUrl")
	case kind == "include":
		o.leaveOut(values["url"], "another list, which is not read")
	}
	o.torn = raw == "" && !closed
	folder := title
	if raw != "" || kind != "" {
		folder = "" // it is in no folder's path
	}
	defer func() {
		if closed {
			return
		}
		if o.depth++; len(o.path) < maxDepth {
			o.path = append(o.path, folder)
		}
	}()
	if raw == "" {
		return
	}
	if strings.ContainsAny(raw, "\r\n\t") {
		raw = strings.Join(strings.Fields(raw), "") // it was broken to fit a line
	}
	link, err := feeds.GuessURL(raw)
	if err != nil {
		o.refuse(raw, err)
		return
	}
	if name := strings.Join(strings.Fields(title), ""); name == strings.Join(strings.Fields(raw), "") || name == link {
		title = "" // what stands for one in a file that must have one
	} else if likeAddress.MatchString(title) {
		title = feeds.RedactURL(title) // likewise, but of another spelling; names are shown, and go with lists that are given away
	}
	o.say(feeds.Subscription{URL: link, Title: title, Link: homePage(values["htmlurl"]), Category: o.category(values["category"])}, nil)
}

// say yields, unless it was enough.
func (o *outlines) say(s feeds.Subscription, err error) {
	o.enough = o.enough || !o.yield(s, err)
}

func (o *outlines) refuse(url string, err error) {
	o.say(feeds.Subscription{}, &ListError{Line: o.line, URL: feeds.Clip(feeds.RedactURL(url), 1024), Err: err})
}

func (o *outlines) leaveOut(url, why string) {
	o.refuse(strings.TrimSpace(url), feeds.Failf(feeds.BlockedScheme, "%s", why))
}

// category returns the folders that are open as a path, and the categories that an
// outline says it has: paths with slashes, separated by commas (OPML 2.0).
func (o *outlines) category(said string) string {
	var open []string
	for _, name := range o.path {
		if name != "" && len(open) < maxFolders {
			open = append(open, name)
		}
	}
	paths := []string{joinFolders(open)}
	for path := range strings.SplitSeq(cleanText(said, maxPath), ",") {
		paths = append(paths, joinFolders(strings.Split(strings.Trim(strings.TrimSpace(path), "/"), "/")))
	}
	return joinPaths(paths)
}

// joinFolders makes a path of folders. A slash in a name is written \/.
func joinFolders(names []string) string {
	for i, name := range names {
		names[i] = strings.ReplaceAll(name, "/", `\/`)
	}
	return cleanText(strings.Join(names, "/"), maxPath)
}

// splitFolders undoes joinFolders.
func splitFolders(path string) []string {
	const slash = "\x00"
	names := strings.Split(strings.ReplaceAll(path, `\/`, slash), "/")
	if len(names) > maxFolders {
		names = names[:maxFolders]
	}
	for i, name := range names {
		names[i] = strings.ReplaceAll(name, slash, "/")
	}
	return names
}

// joinPaths makes a category of paths, each once.
func joinPaths(paths []string) string {
	var kept []string
	seen := make(map[string]bool)
	for _, path := range paths {
		if path != "" && !seen[path] && len(kept) < maxFolders {
			seen[path] = true
			kept = append(kept, path)
		}
	}
	return strings.Join(kept, "\n")
}

// cleanText returns text on one line, without control characters and what is no
// UTF-8, cut to so many bytes.
func cleanText(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case unicode.IsControl(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	text = strings.TrimSpace(text)
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}

// homePage returns what htmlUrl says, if it is a URL.
func homePage(raw string) string {
	link, err := feeds.NormalizeURL(raw)
	if err != nil {
		return ""
	}
	return link
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
		return 0, feeds.Failf(feeds.TooLarge, "more than %d bytes", int64(maxOPML))
	}
	return n, err
}
