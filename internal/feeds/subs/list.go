package subs

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"unicode"

	"golang.org/x/text/encoding"
	utf16 "golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"

	"feedmill/internal/feeds"
)

// maxListLine bounds a line of a plain list, in bytes: no URL that a server
// takes is as long.
const maxListLine = 16 << 10

// ReadList reads a plain list of feeds: one URL a line, empty lines and lines
// that begin with # left out, and whatever follows a URL after white space, such
// as a comment or the tags and titles of other readers' lists. Lines end in LF, CRLF
// or CR, and are in UTF-8, or in UTF-16 or UTF-32 with a byte order mark; all of it
// may be in gzip. It yields each URL as SubscriptionURL returns it, and a [*ListError] for each
// line that holds none.
//
// It reads as the caller asks for more, so a list may be of any size. Any other
// error is that of r and comes last.
func ReadList(r io.Reader) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		text, _ := narrow(unzipped(r))
		lines := bufio.NewReaderSize(ends{bufio.NewReader(text)}, maxListLine)
		for n := 1; ; n++ {
			line, err := lines.ReadSlice('\n')
			if n == 1 {
				line = bytes.TrimPrefix(line, listMark)
			}
			if err == errTorn { // what is left of a line is none
				yield("", &ListError{Line: n, Err: err})
				return
			}
			switch line = bytes.TrimSpace(line); {
			case errors.Is(err, bufio.ErrBufferFull):
				e := &ListError{Line: n, Err: fmt.Errorf("line over %d bytes", maxListLine)}
				if !yield("", e) {
					return
				}
				err = skipLine(lines)
			case len(line) > 0 && line[0] != '#':
				link, bad := feeds.SubscriptionURL(string(firstWord(line)))
				if bad != nil {
					bad = &ListError{Line: n, URL: feeds.RedactURL(string(line)), Err: bad}
				}
				if !yield(link, bad) {
					return
				}
			}
			if err == io.EOF {
				return
			}
			if err != nil {
				yield("", fmt.Errorf("read list: %w", err))
				return
			}
		}
	}
}

// ends reads what its reader has with LF for each CR that ends a line by itself, as
// spreadsheets for the Mac still write them.
type ends struct{ *bufio.Reader }

func (e ends) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p)
	for i, c := range p[:n] {
		if c != '\r' {
			continue
		}
		next := p[i+1 : n]
		if len(next) == 0 {
			next, _ = e.Peek(1) // an error comes again
		}
		if !bytes.HasPrefix(next, []byte("\n")) {
			p[i] = '\n'
		}
	}
	return n, err
}

// firstWord returns what comes before the first white space of line.
func firstWord(line []byte) []byte {
	if at := bytes.IndexFunc(line, unicode.IsSpace); at >= 0 {
		return line[:at]
	}
	return line
}

// skipLine reads on to the end of a line that is too long.
func skipLine(r *bufio.Reader) error {
	for {
		if _, err := r.ReadSlice('\n'); !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

// listMark is the byte order mark of UTF-8.
var listMark = []byte("\xef\xbb\xbf")

// wide is how a list in UTF-16 or UTF-32 begins: with a byte order mark or, as
// appendix F of the XML recommendation has it, with a tag.
var wide = []struct {
	head string
	mark int // bytes of the head that are a mark
	enc  encoding.Encoding
}{
	{"\xff\xfe\x00\x00", 4, utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM)},
	{"\x00\x00\xfe\xff", 4, utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM)},
	{"\xff\xfe", 2, utf16.UTF16(utf16.LittleEndian, utf16.IgnoreBOM)},
	{"\xfe\xff", 2, utf16.UTF16(utf16.BigEndian, utf16.IgnoreBOM)},
	{"<\x00\x00\x00", 0, utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM)},
	{"\x00\x00\x00<", 0, utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM)},
	{"<\x00", 0, utf16.UTF16(utf16.LittleEndian, utf16.IgnoreBOM)},
	{"\x00<", 0, utf16.UTF16(utf16.BigEndian, utf16.IgnoreBOM)},
}

// narrow returns r as UTF-8 when it begins like UTF-16 or UTF-32, and otherwise
// as it is. changed says whether it had to be changed.
func narrow(r io.Reader) (text io.Reader, changed bool) {
	b := bufio.NewReader(r)
	head, _ := b.Peek(4) // an error comes again
	for _, w := range wide {
		if bytes.HasPrefix(head, []byte(w.head)) {
			b.Discard(w.mark)
			return w.enc.NewDecoder().Reader(b), true
		}
	}
	return b, false
}
