package feeds

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
)

// maxListLine bounds a line of a plain list, in bytes: no URL that a server
// takes is as long.
const maxListLine = 16 << 10

// ReadList reads a plain list of feeds: one URL a line, empty lines and lines
// that begin with # left out, and whatever follows a URL after white space, such
// as a comment or the tags and titles of other readers' lists. Lines end in LF or
// CRLF, and are in UTF-8, or in UTF-16 or UTF-32 with a byte order mark. It
// yields each URL as SubscriptionURL returns it, and a [*ListError] for each
// line that holds none.
//
// It reads as the caller asks for more, so a list may be of any size. Any other
// error is that of r and comes last.
func ReadList(r io.Reader) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		text, _ := narrow(r)
		lines := bufio.NewReaderSize(text, maxListLine)
		for n := 1; ; n++ {
			line, err := lines.ReadSlice('\n')
			if n == 1 {
				line = bytes.TrimPrefix(line, utf8Mark)
			}
			switch line = bytes.TrimSpace(line); {
			case errors.Is(err, bufio.ErrBufferFull):
				e := &ListError{Line: n, URL: snippet(line), Err: fmt.Errorf("line over %d bytes", maxListLine)}
				if !yield("", e) {
					return
				}
				err = skipLine(lines)
			case len(line) > 0 && line[0] != '#':
				link, bad := SubscriptionURL(string(firstWord(line)))
				if bad != nil {
					bad = &ListError{Line: n, URL: string(line), Err: bad}
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

// firstWord returns what comes before the first white space of line.
func firstWord(line []byte) []byte {
	if at := bytes.IndexAny(line, " \t"); at >= 0 {
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
