package feeds

import (
	"net/url"
	"strings"
)

// normalURL returns a URL relative to base as gofeed's XmlBaseResolveUrl makes
// it, spelled as net/url does; ref itself when it is no URL.
func normalURL(base *url.URL, ref string) string {
	if isPlainURL(ref) {
		return ref
	}
	u, err := url.Parse(strings.TrimLeft(ref, " "))
	if err != nil {
		return ref
	}
	if base != nil {
		dir := *base
		if dir.Path != "" && ref != "" && !strings.HasSuffix(dir.Path, "/") {
			dir.Path += "/"
		}
		u = dir.ResolveReference(u)
	}
	return u.String()
}

// isPlainURL reports whether s is an absolute URL of http or https that net/url
// reads and spells just as it is, also relative to another one. Many such are none by this: it knows no user,
// no address of IPv6 and no fragment.
func isPlainURL[T string | []byte](s T) bool {
	i := len("http://")
	switch {
	case len(s) > i && string(s[:i]) == "http://":
	case len(s) > i+1 && string(s[:i+1]) == "https://":
		i++
	default:
		return false
	}
	host := i
	for i < len(s) && urlBytes[s[i]]&urlHost != 0 {
		i++
	}
	if i == host || i < len(s) && s[i] != '/' {
		return false
	}
	for ; i < len(s) && s[i] != '?'; i++ {
		// A dot after a slash may be a part of the path that is resolved away.
		if urlBytes[s[i]]&urlPath == 0 || s[i] == '.' && s[i-1] == '/' {
			return false
		}
	}
	for ; i < len(s); i++ {
		if urlBytes[s[i]]&urlQuery == 0 {
			return false
		}
	}
	return true
}

// isPlainURI is isPlainURL, also for what has no "//", such as "tag:a.example,2020:1".
func isPlainURI(s string) bool {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || scheme == "" || rest == "" || rest[0] == '/' {
		return isPlainURL(s)
	}
	for i := range len(scheme) {
		if c := scheme[i]; c < 'a' || c > 'z' {
			return false
		}
	}
	for i := range len(rest) {
		if c := rest[i]; c <= ' ' || c >= 0x7f || c == '#' || c == '?' {
			return false
		}
	}
	return true
}

// Where a byte may stand in a URL that isPlainURL knows.
const (
	urlHost = 1 << iota
	urlPath
	urlQuery
)

var urlBytes = func() (t [256]uint8) {
	for c := range t {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z' && c < 0x80
		digit := '0' <= c && c <= '9'
		switch {
		case letter, digit, c == '.', c == '-':
			t[c] = urlHost | urlPath | urlQuery
		case c < 0x80 && strings.IndexByte("_~!$&'()*+,;=:@/", byte(c)) >= 0:
			t[c] = urlPath | urlQuery
		case c == '?', c == '%':
			t[c] = urlQuery
		}
	}
	return t
}()
