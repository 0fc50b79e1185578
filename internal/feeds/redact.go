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
var textUser = regexp.MustCompile(`((?i:\b(?:https?|feed|ftp|socks5h?|postgres(?:ql)?):)[/\\]*|[/\\]{2,})(?:[^/\\?#\s"]*|[^/\\?#.\[@\s"]*:[^\s"]*)[@＠﹫]`)

// innerUser is the same behind the host of a URL, where all that is left is known to
// belong to it: a password there may have a slash, but what has a dot is a host, as
// in /https://host.example/@name.
var innerUser = regexp.MustCompile(`//(?:[^/?#]*|[^/?#.\[@]*:.*)@`)

// RedactURL returns what was given as a URL for showing: without its userinfo, of
// which the name may be a token as well as the password. What is no URL that could
// be asked may still have a password in it, in any place and with any character:
// of that everything goes between the scheme, or the slashes, and the last @. So it
// does where the host has no dot and an @ comes later: that is more likely a name,
// and a password with a slash in it. A database server's URL may have one among its
// parameters, too.
func RedactURL(raw string) string {
	if strings.Contains(raw, "postgres") {
		raw = givenPassword.ReplaceAllString(raw, "${1}"+hiddenUser)
	}
	at := strings.LastIndexAny(raw, "@＠﹫") // the wide one is what some keyboards write
	if at < 0 {
		return raw
	}
	if _, err := NormalizeURL(raw); err == nil {
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
