package feeds

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestNormalizeURL(t *testing.T) {
	for _, tt := range []struct{ raw, want string }{
		{"http://example.org", "http://example.org/"},
		{" HTTP://Example.ORG/Feed ", "http://example.org/Feed"},
		{"http://example.org:80/", "http://example.org/"},
		{"https://example.org:443", "https://example.org/"},
		{"https://example.org:80/", "https://example.org:80/"},
		{"http://example.org:/", "http://example.org/"},
		{"http://example.org:08080/", "http://example.org:8080/"},
		{"http://example.org#top", "http://example.org/"},
		{"http://example.org?q#top", "http://example.org/?q"},
		{"http://example.org/a # what is behind it", "http://example.org/a"},
		{"http://u:P%40ss@Example.org/", "http://u:P%40ss@example.org/"},
		{"http://@example.org/", "http://@example.org/"},
		{"http://example.org/%7Ea/../b//c?x=%2f&y=a b;", "http://example.org/%7Ea/../b//c?x=%2f&y=a b;"},
		{"http://bücher.example/ü", "http://xn--bcher-kva.example/ü"},
		{"http://BÜCHER.example/", "http://xn--bcher-kva.example/"},
		{"http://b%C3%BCcher.example/", "http://xn--bcher-kva.example/"},
		{"http://[2001:DB8::1]:80/", "http://[2001:db8::1]/"},
		{"http://under_score.example/", "http://under_score.example/"},
		{"http://example.org./", "http://example.org./"},
		{"http://" + strings.Repeat("x.", 127) + "/", "http://" + strings.Repeat("x.", 127) + "/"},
		{"http://example.org/caf\xe9?\xff\xc3(&\uFFFD", "http://example.org/caf%E9?%FF%C3(&\uFFFD"},
	} {
		got, err := NormalizeURL(tt.raw)
		if err != nil || got != tt.want {
			t.Errorf("%q: %q, %v; want %q", tt.raw, got, err, tt.want)
		}
	}
}

func TestSubscriptionURLTakesTheSchemesOfReaders(t *testing.T) {
	for _, tt := range []struct{ raw, want string }{
		{"http://Example.org", "http://example.org/"},
		{"feed://example.org/x?a=feed://b", "http://example.org/x?a=feed://b"},
		{" FEED://Example.org:80/x\n", "http://example.org/x"},
		{"feed:https://example.org/x", "https://example.org/x"},
		{"feed:http://example.org/x", "http://example.org/x"},
		{"feed://https://example.org/x", "https://example.org/x"},
		{"feed://u:p@example.org/", "http://u:p@example.org/"},
		{"feeds://example.org/x", "https://example.org/x"},
		{"itpc://example.org/x", "http://example.org/x"},
		{"pcast:https://example.org/x", "https://example.org/x"},
		{"feed:example.org", ""},
		{"feed:javascript:alert(1)", ""},
		{"feed:file:///x", ""},
		{"feed:feed://example.org/", ""},
		{"feed:", ""},
		{"feed://", ""},
		{"feedx://example.org/", ""},
		{"http://https://example.org/x", "https://example.org/x"},
		{"https://http://u:p@example.org/x", "http://u:p@example.org/x"},
		{"\ufeffhttp://example.org/x\u200b", "http://example.org/x"},
		{"\u00a0\u200efeed://example.org/x\u2028\u00a0", "http://example.org/x"},
	} {
		got, err := SubscriptionURL(tt.raw)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%q: %q, %v; want %q", tt.raw, got, err, tt.want)
		}
		if f, ok := errors.AsType[*Failure](err); err != nil && (!ok || f.Class != BlockedScheme) {
			t.Errorf("%q: %v, want blocked_scheme", tt.raw, err)
		}
	}
}

func TestNormalizeURLRefuses(t *testing.T) {
	for _, raw := range []string{
		"", "example.org", "//example.org/", "ftp://example.org/", "javascript:alert(1)", "mailto:a@b", "file:///x",
		"http:example.org", "http:/example.org", "http://", "http://:80/", "http:///path", "http://?q", "http://.../",
		"http://a b/", "http://a\tb/", "http://a/\x00", "http://a/\nb", "http://h:0/", "http://h:65536/", "http://h:x/",
		"http://[::1/", "http://[fe80::1%25eth0]/", "http://[zz]/", "http://h%00/", "http://-\u00fc-/",
		"http://h/" + strings.Repeat("x", 8192), "http://u@v@h\\/", "http://]/", "http://a!b/",
		"http://" + strings.Repeat("x.", 127) + "xx/",
	} {
		got, err := NormalizeURL(raw)
		f, ok := err.(*Failure)
		if !ok || f.Class != BlockedScheme || got != "" {
			t.Errorf("%.40q: %q, %v; want blocked_scheme", raw, got, err)
		}
	}
}

// TestNoURLMovesTheCursor: what it has of that is escaped, and stays so.
func TestNoURLMovesTheCursor(t *testing.T) {
	for raw, want := range map[string]string{
		"http://example.org/a\u202eb?\u009b#c": "http://example.org/a%E2%80%AEb?%C2%9B",
		"http://example.org/é?ü":               "http://example.org/é?ü",
	} {
		got, err := NormalizeURL(raw)
		if again, _ := NormalizeURL(got); err != nil || got != want || again != got {
			t.Errorf("%q: %q, then %q, %v, want %q", raw, got, again, err, want)
		}
	}
}

func FuzzNormalizeURL(f *testing.F) {
	for _, s := range []string{"http://example.org", "HTTPS://u:p@BÜCHER.example:443/a?b#c", "http://[::1]:80", "http://a%2f/", "http://\xff/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		Domain(raw)
		RedactURL(raw)
		once, err := NormalizeURL(raw)
		if err != nil {
			if f, ok := err.(*Failure); !ok || f.Class != BlockedScheme {
				t.Fatalf("%q: %v, want a Failure of class blocked_scheme", raw, err)
			}
			return
		}
		twice, err := NormalizeURL(once)
		if err != nil || once != twice {
			t.Errorf("%q became %q and then %q, %v", raw, once, twice, err)
		}
		u, err := url.Parse(once)
		if err != nil || !utf8.ValidString(once) || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Fragment != "" {
			t.Errorf("%q became %q: %v", raw, once, err)
		}
		if Domain(once) == "" {
			t.Errorf("%q has no domain", once)
		}
	})
}
