package feeds

import (
	"net/url"
	"testing"
)

// FuzzPlainURL promises that what is taken for plain is spelled by net/url as it
// is, alone and relative to another URL.
func FuzzPlainURL(f *testing.F) {
	for _, s := range []string{
		"https://a.example/b/c?d=e&f=%20", "http://A.example", "http://a.example/?", "http://a.example//b//", "http://a.example/b/./c/../d", "http://a.example/.b", "http://a.example/b.",
		"http://a.example:80/", "http://a.example/#c", "http://u@a.example/", "http://[::1]/", "http:///b", "http://a.example/%zz", "http://a.example/ b", "http://a.example?b", "HTTP://a.example/",
		"http://a.example/a:b@c;d,e='f'(g)*!$&~", "http://a.example/[b]", "http://a.example/?[b]{c}|\\^`", "http://a..example/", "http://-/", "tag:a.example,2020:1", "urn:uuid:1", "x:/y", "x:y?z", "é:y",
	} {
		f.Add(s)
	}
	base, err := url.Parse("https://b.example/c/d?e#f")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !isPlainURI(s) {
			return
		}
		u, err := url.Parse(s)
		if err != nil || u.String() != s {
			t.Fatalf("%q: got %v, %v", s, u, err)
		}
		if !isPlainURL(s) {
			return
		}
		if got := base.ResolveReference(u).String(); got != s || !u.IsAbs() || unsafeSchemes[u.Scheme] {
			t.Fatalf("%q relative to another: got %q", s, got)
		}
	})
}
