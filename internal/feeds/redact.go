package feeds

import (
	"regexp"
	"strings"
)

// hiddenUser stands where a name or a password was.
const hiddenUser = "xxxxx"

// textUser is the userinfo of what is a URL in a text, or may be meant as one: behind
// slashes of either kind, or the name of a scheme. A password may have a slash in it
// where no host has come, as in innerUser.
var textUser = regexp.MustCompile(`((?i:\b(?:https?|feed|ftp|socks5h?|postgres(?:ql)?):)[/\\]*|[/\\]{2,})(?:[^/\\?#\s"]*|[^/\\?#.\[@\s"]*:[^\s"]*)(?:[@＠﹫]|%40)`)

// innerUser is the same behind the host of a URL, where all that is left is known to
// belong to it: a password there may have a slash, but what has a dot is a host, as
// in /https://host.example/@name.
var innerUser = regexp.MustCompile(`//(?:[^/?#]*|[^/?#.\[@]*:.*)@`)

// wideAts are what some keyboards write, besides @, and anyAt is how it is spelled where
// it must not stand.
const wideAts = "@＠﹫"

var anyAt = regexp.MustCompile("(?i)[" + wideAts + "]|%40|&#0*64;|&#x0*40;|&commat;")

// strayPort is a port that is none: more likely a password whose host is missing.
var strayPort = regexp.MustCompile(`^((?:[^:/\\?#@]*:)?[/\\]{2}[^:/\\?#@\s]*:)([0-9]*[^0-9/\\?#@\s:][^/\\?#@\s]*)($|[/\\?#\s])`)

// RedactURL returns what was given as a URL for showing: without its userinfo, of
// which the name may be a token as well as the password. What is no URL that could
// be asked may still have a password in it, in any place and with any character:
// of that everything goes between the scheme, or the slashes, and the last @. So it
// does where the host has no dot and an @ comes later: that is more likely a name,
// and a password with a slash in it.
func RedactURL(raw string) string {
	if strings.Contains(raw, "://") && strings.Count(raw, ":") == 1 && !strings.ContainsAny(raw, "@%&=") && !strings.Contains(raw, "＠") && !strings.Contains(raw, "﹫") {
		return raw // as almost all are, and each line about a feed or an item has one
	}
	at := strings.LastIndexAny(raw, wideAts)
	_, err := NormalizeURL(raw)
	if err != nil {
		raw = givenPassword.ReplaceAllString(raw, "${1}"+hiddenUser)
		all := anyAt.FindAllStringIndex(raw, -1)
		if all == nil {
			return strayPort.ReplaceAllString(raw, "${1}"+hiddenUser+"${3}")
		}
		at = all[len(all)-1][0]
	}
	if at < 0 {
		return raw
	}
	if err == nil {
		p := SplitURL(strings.Trim(raw, " \t\r\n"))
		p.rest = innerUser.ReplaceAllString(p.rest, "//"+hiddenUser+"@")
		if p.HasUser {
			p.User = hiddenUser
		}
		if strings.ContainsAny(p.Host, ".[") || p.Host == "localhost" {
			return p.String()
		}
	}
	start := len(raw) - len(strings.TrimLeft(raw, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-."))
	if start == 0 || start >= at || raw[start] != ':' {
		start = 0
	}
	for start < at && (raw[start] == ':' || raw[start] == '/') {
		start++
	}
	return raw[:start] + hiddenUser + raw[at:]
}

// givenPassword is a password in a query, or in a line that says how to connect to a
// database.
var givenPassword = regexp.MustCompile(`(?i)\b((?:ssl)?password\s*=\s*)('[^']*'|[^&\s"']*)`)

// RedactText returns a text for showing: without the userinfo of the URLs in it, as
// far as that can be told from what else there is, and without what stands after
// password=. Who knows that all of it is one URL takes RedactURL.
func RedactText(text string) string {
	text = textUser.ReplaceAllString(text, "${1}"+hiddenUser+"@")
	return givenPassword.ReplaceAllString(text, "${1}"+hiddenUser)
}

// WithoutUser returns a normalized URL without its userinfo.
func WithoutUser(url string) string {
	p := SplitURL(url)
	p.User, p.HasUser = "", false
	return p.String()
}

// WithoutPasswords returns a normalized URL without its userinfo and without that of
// the URLs within it, as lists have it that others may see.
func WithoutPasswords(url string) string {
	p := SplitURL(url)
	p.User, p.HasUser = "", false
	p.rest = innerUser.ReplaceAllString(p.rest, "//")
	return p.String()
}
