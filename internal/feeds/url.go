package feeds

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// maxURL bounds a URL, in bytes. No server is known to take longer ones.
const maxURL = 8 << 10

// maxHost is how long a name can be that a name server is asked for, without the dot at
// its end, in bytes (RFC 1035, 2.3.4).
const maxHost = 253

// NormalizeURL returns the one spelling under which a feed's URL is stored:
// scheme and host in lower case, the host in its ASCII form, no default port,
// no fragment, "/" for an empty path, bytes that are no UTF-8 escaped. Userinfo
// stays, and every other byte stays as it is, because a server may tell apart what
// RFC 3986 calls equal.
// White space around raw is dropped. Normalizing twice changes nothing.
//
// The error is a *Failure of class blocked_scheme: neither http nor https, or
// no URL that could be asked at all (longer than 8 KiB, control characters, no
// host, a port out of range). It never repeats the userinfo.
func NormalizeURL(raw string) (string, error) {
	raw = strings.Trim(raw, " \t\r\n")
	if len(raw) > maxURL {
		return "", badURL("longer than 8 KiB")
	}
	for i := range len(raw) {
		if raw[i] < 0x20 || raw[i] == 0x7f {
			return "", badURL("control characters in it")
		}
	}
	raw, _, _ = strings.Cut(raw, "#")
	raw = escapeInvisible(strings.TrimRight(raw, " \t"))
	p := SplitURL(raw)
	switch p.Scheme = strings.ToLower(p.Scheme); p.Scheme {
	case "http", "https":
	case "":
		return "", badURL("no scheme; http or https is needed")
	default:
		return "", &Failure{Class: BlockedScheme, Detail: "neither http nor https: " + strconv.QuoteToASCII(Clip(p.Scheme, 32))}
	}
	u, err := url.Parse(raw)
	if err != nil {
		// Its text may quote a part of the userinfo.
		return "", badURL("not readable as one")
	}
	if p.Host, err = normalHost(u.Hostname()); err != nil {
		return "", err
	}
	if p.Port, err = normalPort(p.Scheme, u.Port()); err != nil {
		return "", err
	}
	if p.rest == "" || p.rest[0] != '/' {
		p.rest = "/" + p.rest
	}
	out := p.String()
	if out == raw {
		return raw, nil // the usual case, and read above already
	}
	if _, err := url.Parse(out); err != nil || len(out) > maxURL {
		return "", badURL("not readable as one")
	}
	return out, nil
}

// escapeInvisible escapes what would move a terminal's cursor, or turn the direction
// of what follows, wherever the URL is shown, and what is no text. It goes over the wire
// like that anyway.
func escapeInvisible(url string) string {
	hidden := func(r rune) bool { return r > 0x7f && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }
	if strings.IndexFunc(url, hidden) < 0 && utf8.ValidString(url) {
		return url
	}
	var b strings.Builder
	for i := 0; i < len(url); {
		r, size := utf8.DecodeRuneInString(url[i:])
		if hidden(r) || r == utf8.RuneError && size == 1 {
			for _, c := range []byte(url[i : i+size]) {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		} else {
			b.WriteString(url[i : i+size])
		}
		i += size
	}
	return b.String()
}

// readerSchemes are the schemes by which pages and lists tell a browser to hand
// a URL to a feed reader, and the one that is meant.
var readerSchemes = map[string]string{
	"feed": "http", "feeds": "https", "itpc": "http", "pcast": "http", "podcast": "http", "rss": "http", "http": "http", "https": "https",
}

// SubscriptionURL normalizes, as NormalizeURL does, what people and lists call the
// address of a feed: feed://example.org/x is http://example.org/x, and what stands behind
// feed: in feed:https://example.org/x, or http:// in http://https://example.org/x, is
// the URL itself. What nobody sees around an address is no part of it. Neither is
// known anywhere else, and never in a redirect.
func SubscriptionURL(raw string) (string, error) {
	raw = strings.TrimFunc(raw, func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) })
	scheme, rest, _ := strings.Cut(raw, ":")
	meant, ok := readerSchemes[strings.ToLower(scheme)]
	if !ok {
		return NormalizeURL(raw)
	}
	// feed://https://example.org/x is no URL, but there are lists that have it.
	inner := strings.TrimLeft(rest, "/")
	if scheme, _, ok := strings.Cut(inner, "://"); ok && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https")) {
		return NormalizeURL(inner)
	}
	if !strings.HasPrefix(rest, "//") {
		return NormalizeURL(raw)
	}
	return NormalizeURL(meant + ":" + rest)
}

// GuessURL normalizes, as SubscriptionURL does, an address that may lack its scheme,
// as people write it: example.org/feed and //example.org/feed are taken for https. A name
// without a dot is no address.
func GuessURL(raw string) (string, error) {
	url, err := SubscriptionURL(raw)
	if err == nil {
		return url, nil
	}
	rest := strings.TrimPrefix(strings.Trim(raw, " \t\r\n"), "//")
	host, _, _ := strings.Cut(rest, "/")
	name, port, _ := strings.Cut(host, ":")
	if strings.Contains(rest, "://") || strings.Contains(host, "@") || !strings.Contains(strings.Trim(name, "."), ".") || strings.Trim(port, "0123456789") != "" {
		return "", err
	}
	if url, e := NormalizeURL("https://" + rest); e == nil {
		return url, nil
	}
	return "", err
}

// badURL returns the failure of a URL that cannot be asked.
func badURL(why string) *Failure {
	return &Failure{Class: BlockedScheme, Detail: "unusable URL: " + why}
}

// normalHost returns a host as a URL spells it: lower case, ASCII, brackets
// around IPv6.
func normalHost(host string) (string, error) {
	if strings.Contains(host, ":") {
		addr, err := netip.ParseAddr(host)
		if err != nil || addr.Zone() != "" {
			return "", badURL("a host that is no address")
		}
		return "[" + strings.ToLower(host) + "]", nil
	}
	if !isASCII(host) {
		ascii, err := idna.Lookup.ToASCII(host)
		if err != nil {
			return "", badURL("a host that is no name")
		}
		host = ascii
	}
	if strings.Trim(host, ".") == "" {
		return "", badURL("no host")
	}
	host = strings.ToLower(host)
	if len(strings.TrimRight(host, ".")) > maxHost {
		return "", badURL("a host that is no name")
	}
	if strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
		return "", badURL("a host that is no name")
	}
	return host, nil
}

// normalPort returns port as a decimal number, or "" for the scheme's own.
func normalPort(scheme, port string) (string, error) {
	if port == "" {
		return "", nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", badURL("a port out of range")
	}
	if scheme == "http" && n == 80 || scheme == "https" && n == 443 {
		return "", nil
	}
	return strconv.FormatUint(n, 10), nil
}

// URLParts are the parts of a URL as they are written.
type URLParts struct {
	Scheme  string
	User    string
	HasUser bool
	Host    string // with the brackets of IPv6
	Port    string
	rest    string // path, query, fragment
}

// SplitURL cuts a URL into its parts without judging them, so that it has an
// answer for any string. Without "://" all of it is the rest.
func SplitURL(raw string) (p URLParts) {
	scheme, after, ok := strings.Cut(raw, "://")
	if !ok || strings.ContainsAny(scheme, "/?#@") {
		p.rest = raw
		return p
	}
	p.Scheme = scheme
	authority := after
	if i := strings.IndexAny(after, "/?#"); i >= 0 {
		authority, p.rest = after[:i], after[i:]
	}
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		p.User, p.HasUser, authority = authority[:i], true, authority[i+1:]
	}
	p.Host = authority
	if i := strings.LastIndexByte(authority, ':'); i >= 0 && i > strings.LastIndexByte(authority, ']') {
		p.Host, p.Port = authority[:i], authority[i+1:]
	}
	return p
}

// String puts the parts together again.
func (p URLParts) String() string {
	if p.Scheme == "" && p.Host == "" {
		return p.rest
	}
	user, port := "", ""
	if p.HasUser {
		user = p.User + "@"
	}
	if p.Port != "" {
		port = ":" + p.Port
	}
	return p.Scheme + "://" + user + p.Host + port + p.rest
}

// Hostname returns the host without brackets.
func (p URLParts) Hostname() string {
	return strings.TrimSuffix(strings.TrimPrefix(p.Host, "["), "]")
}

// Origin returns scheme, host and port: whom credentials are meant for. The
// parts must be those of a normalized URL.
func (p URLParts) Origin() string {
	return p.Scheme + "://" + p.Host + ":" + p.Port
}

// Clip cuts s to at most n bytes, for showing.
func Clip(s string, n int) string {
	if len(s) > n {
		return s[:n] + "..."
	}
	return s
}
