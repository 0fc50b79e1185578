package read

import "bytes"

// maxURL bounds a URL, in bytes. No server is known to take longer ones. What is
// longer is no link, and nothing is relative to it.
const maxURL = 8 << 10

// A location is what links are relative to, taken apart: RFC 3986, section 5.2. A
// nil location is nowhere, and leaves links as they are.
//
// Rejected: net/url, which refuses what people write in links and spells the rest
// anew. Here every byte stays as it is, but for those that end a URL in a text.
type location struct {
	scheme []byte // with its colon
	host   []byte // with the two slashes before it; nil where there is none
	path   []byte
	query  []byte // with its question mark
}

// locationOf takes a URL apart. It is nil for one that is empty or too long.
func locationOf(url []byte) *location {
	url = bytes.TrimSpace(url)
	if len(url) == 0 || len(url) > maxURL {
		return nil
	}
	if n := bytes.IndexByte(url, '#'); n >= 0 {
		url = url[:n]
	}
	l, n := new(location), schemeSize(url)
	l.scheme, url = url[:n], url[n:]
	if bytes.HasPrefix(url, []byte("//")) {
		n := bytes.IndexAny(url[2:], "/?")
		if n < 0 {
			n = len(url) - 2
		}
		l.host, url = url[:2+n], url[2+n:]
	}
	l.path = url
	if n := bytes.IndexByte(url, '?'); n >= 0 {
		l.path, l.query = url[:n], url[n:]
	}
	return l
}

// schemeSize returns the length of the scheme that url begins with, with its
// colon; 0 when it is relative.
func schemeSize[T string | []byte](url T) int {
	for i := 0; i < len(url); i++ {
		switch c := url[i]; {
		case 'a' <= c|0x20 && c|0x20 <= 'z':
		case c == ':' && i > 0:
			return i + 1
		case i == 0 || !isDecimal(c) && c != '+' && c != '-' && c != '.':
			return 0
		}
	}
	return 0
}

func isDecimal(c byte) bool { return '0' <= c && c <= '9' }

// join returns the location of a reference relative to l.
func (l *location) join(ref []byte) *location {
	if l == nil {
		return locationOf(bytes.Clone(ref))
	}
	return locationOf(l.appendTo(nil, ref))
}

// appendTo appends what ref means relative to l.
func (l *location) appendTo(dst, ref []byte) []byte {
	if l == nil || schemeSize(ref) > 0 {
		return append(dst, ref...)
	}
	dst = append(dst, l.scheme...)
	if bytes.HasPrefix(ref, []byte("//")) {
		return appendEncoded(dst, ref)
	}
	dst = append(dst, l.host...)
	path, rest := ref, []byte(nil)
	if n := bytes.IndexAny(ref, "?#"); n >= 0 {
		path, rest = ref[:n], ref[n:]
	}
	from := len(dst)
	switch {
	case len(path) == 0:
		dst = append(dst, l.path...)
		if len(rest) == 0 || rest[0] == '#' {
			dst = append(dst, l.query...)
		}
		return appendEncoded(dst, rest)
	case path[0] == '/':
	case len(l.path) == 0 && l.host != nil:
		dst = append(dst, '/')
	default:
		dst = append(dst, l.path[:bytes.LastIndexByte(l.path, '/')+1]...)
	}
	dst = appendEncoded(dst, path)
	return appendEncoded(removeDots(dst, from), rest)
}

// appendEncoded appends a part of a URL with what cannot stand in one escaped.
func appendEncoded(dst, part []byte) []byte {
	const digits = "0123456789ABCDEF"
	for _, c := range part {
		switch {
		case c > ' ' && c != '"' && c != '<' && c != '>' && c != '`':
			dst = append(dst, c)
		case c == '\n', c == '\r', c == '\t':
		default:
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		}
	}
	return dst
}

// removeDots removes the segments "." and ".." from the path dst[from:].
func removeDots(dst []byte, from int) []byte {
	path := dst[from:]
	if !bytes.Contains(path, []byte("/.")) && path[0] != '.' {
		return dst
	}
	segments := bytes.Split(path, []byte("/"))
	rooted, kept := btoi(path[0] == '/'), segments[:0] // the first segment of a rooted path is empty, and stays
	for i, segment := range segments {
		switch string(segment) {
		case "..":
			kept = kept[:max(len(kept)-1, rooted)]
			fallthrough
		case ".":
			if i == len(segments)-1 {
				kept = append(kept, nil)
			}
		default:
			kept = append(kept, segment)
		}
	}
	return append(dst[:from], bytes.Join(kept, []byte("/"))...)
}
