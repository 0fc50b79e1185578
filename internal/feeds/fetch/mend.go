package fetch

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/net/http/httpguts"
)

// A mender passes on what a server sends over HTTP/1, and mends the heads of its
// answers where net/http refuses what curl and browsers read: words in
// Transfer-Encoding that are no chunks (golang.org/issue/49194), or chunks named
// twice; a length named twice in one line; a version without a minor; lines that
// are no header. What they say of the body is kept, everything else is left out.
//
// Rejected: an HTTP of our own. What is wrong within a body stays wrong.
type mender struct {
	due    atomic.Bool // the head of an answer comes next
	mended atomic.Bool // some head was changed: nobody else gets the connection
	alien  atomic.Bool // what came is no answer of HTTP
	bound  int64       // of a head, in bytes; a longer one is passed on as it is

	left []byte // mended, and not read yet
	err  error  // what comes behind it
}

// read reads into p what receive gives, mended.
func (m *mender) read(p []byte, receive func([]byte) (int, error)) (int, error) {
	if len(m.left) > 0 || m.err != nil {
		return m.rest(p)
	}
	n, err := receive(p)
	if !m.due.Load() || n == 0 {
		return n, err
	}
	came := p[:n]
	m.alien.Store(!bytes.EqualFold(came[:min(n, 5)], []byte("HTTP/")[:min(n, 5)]))
	out, whole := m.mend(came)
	if whole && &out[0] == &p[0] {
		return n, err // as almost always
	}
	if !whole {
		came = bytes.Clone(came)
	}
	for !whole && err == nil && int64(len(came)) <= m.bound {
		n, err = receive(p)
		came = append(came, p[:n]...)
		if endsHead(came[max(len(came)-n-3, 0):]) {
			out, whole = m.mend(came)
		}
	}
	if !whole {
		out = came
		m.due.Store(false)
	}
	m.left, m.err = out, err
	return m.rest(p)
}

// endsHead reports whether an empty line is in b.
func endsHead(b []byte) bool {
	return bytes.Contains(b, []byte("\n\n")) || bytes.Contains(b, []byte("\n\r\n"))
}

// rest reads what is left of what came.
func (m *mender) rest(p []byte) (n int, err error) {
	n = copy(p, m.left)
	if m.left = m.left[n:]; len(m.left) == 0 {
		m.left, err, m.err = nil, m.err, nil
	}
	return n, err
}

// mend returns b with the heads at its beginning mended, b itself if nothing is
// wrong with them; whole is false when the last of them is not all there.
func (m *mender) mend(b []byte) (out []byte, whole bool) {
	for at := 0; ; {
		head, ok := headOf(b[at:])
		if !ok {
			return nil, false
		}
		interim := isInterim(head)
		if good := mendHead(head); good != nil {
			m.mended.Store(true)
			b = append(append(bytes.Clone(b[:at]), good...), b[at+len(head):]...)
			head = good
		}
		at += len(head)
		if !interim {
			m.due.Store(false)
			return b, true
		}
		if at == len(b) {
			return b, true
		}
	}
}

// headOf returns the lines up to and with the empty one, if that is there.
func headOf(b []byte) ([]byte, bool) {
	for at := 0; ; {
		n := bytes.IndexByte(b[at:], '\n')
		if n < 0 {
			return nil, false
		}
		at += n + 1
		if n == 0 || n == 1 && b[at-2] == '\r' {
			return b[:at], true
		}
	}
}

// isInterim reports whether another head follows this one: 1xx, but for 101.
func isInterim(head []byte) bool {
	_, status, _ := bytes.Cut(head[:bytes.IndexByte(head, '\n')], []byte(" "))
	status = bytes.TrimLeft(status, " ")
	return len(status) >= 3 && status[0] == '1' && string(status[:3]) != "101"
}

// mendHead returns a head as net/http takes it, or nil when nothing had to be
// changed.
func mendHead(head []byte) []byte {
	var out []byte
	chunked, same := false, 0 // of head, up to same is in out
	for at := 0; at < len(head); {
		line, next := head[at:], 0
		for next == 0 || next < len(line) && (line[next] == ' ' || line[next] == '\t') {
			next += bytes.IndexByte(line[next:], '\n') + 1
		}
		line = line[:next]
		good, ok := line, true
		switch whole := unfolded(line); {
		case at == 0:
			first := line[:bytes.IndexByte(line, '\n')+1]
			good, ok = mendStatusLine(first)
			ok = ok && len(first) == len(line)
		case len(line) <= 2: // the empty line
		default:
			good, ok = mendLine(whole, &chunked)
			ok = ok && len(whole) == len(line)
		}
		if !ok {
			out = append(append(out, head[same:at]...), good...)
			same = at + next
		}
		at += next
	}
	if same == 0 {
		return nil
	}
	return append(out, head[same:]...)
}

// unfolded returns a header that goes on over several lines as one line (RFC 9112,
// section 5.2), and any other as it is.
func unfolded(line []byte) []byte {
	if bytes.IndexByte(line, '\n') == len(line)-1 {
		return line
	}
	parts := bytes.Split(line, []byte("\n"))
	for i, part := range parts {
		parts[i] = bytes.TrimSpace(part)
	}
	return append(bytes.TrimSpace(bytes.Join(parts, []byte(" "))), "\r\n"...)
}

// mendStatusLine writes a version that net/http does not read, as in "HTTP/2 200"
// of a proxy that speaks HTTP/1.1, or under which it reads no chunks, and puts a blank
// between the status and its text. ok says that the line needs no change.
func mendStatusLine(line []byte) (good []byte, ok bool) {
	version, rest, _ := bytes.Cut(line, []byte(" "))
	ok = true
	switch v := string(version); {
	case strings.EqualFold(v, "HTTP/1") || strings.EqualFold(v, "HTTP/2") || strings.EqualFold(v, "HTTP/1.0"):
		version, ok = []byte("HTTP/1.1"), false
	case len(v) == len("HTTP/1.1") && v[:5] != "HTTP/" && strings.EqualFold(v[:5], "HTTP/"):
		version, ok = []byte("HTTP/"+v[5:]), false
	}
	if digits := len(rest) - len(bytes.TrimLeft(rest, "0123456789")); digits == 3 && rest[3] > ' ' {
		rest, ok = slices.Concat(rest[:3], []byte(" "), rest[3:]), false
	}
	if ok {
		return line, true
	}
	return slices.Concat(version, []byte(" "), rest), false
}

// mendLine returns what is to be read in place of a header line, empty for
// nothing. chunked says that a line before it named chunks. ok says that the line
// needs no change.
func mendLine(line []byte, chunked *bool) (good []byte, ok bool) {
	name, value, found := bytes.Cut(line, []byte(":"))
	if !found {
		return line, true // curl, too, gives up
	}
	value = bytes.TrimSpace(value)
	switch {
	case bytes.EqualFold(name, []byte("Transfer-Encoding")):
		if !*chunked && strings.EqualFold(string(value), "chunked") {
			*chunked = true
			return line, true
		}
		for word := range strings.SplitSeq(strings.ToLower(string(value)), ",") {
			word, _, _ = strings.Cut(word, ";")
			switch word = strings.Trim(word, "\" \t"); {
			case word == "chunked" && !*chunked:
				*chunked = true
				good = append(good, "Transfer-Encoding: chunked\r\n"...)
			case decoders[word] != nil:
				good = append(good, "Content-Encoding: "+word+"\r\n"...)
			}
		}
		return good, false
	case bytes.EqualFold(name, []byte("Content-Length")):
		first, more, twice := strings.Cut(string(value), ",")
		plain := strings.TrimPrefix(strings.TrimSpace(first), "+")
		for twice {
			if first, more, twice = strings.Cut(more, ","); strings.TrimSpace(first) != plain {
				return line, true // which of them is it?
			}
		}
		if end := strings.IndexAny(plain, " ;."); end > 0 {
			plain = plain[:end]
		}
		if _, err := strconv.ParseInt(plain, 10, 64); errors.Is(err, strconv.ErrRange) {
			return nil, false // the end of the connection will tell
		}
		if plain == string(value) {
			return line, true
		}
		return []byte("Content-Length: " + plain + "\r\n"), false
	}
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return nil, false
		}
	}
	for _, c := range name {
		if c != ' ' && !httpguts.IsTokenRune(rune(c)) {
			return nil, false
		}
	}
	if len(name) == 0 {
		return nil, false
	}
	return line, true
}
