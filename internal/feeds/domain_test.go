package feeds

import "testing"

func TestDomain(t *testing.T) {
	for url, want := range map[string]string{
		"http://example.org/feed":               "example.org",
		"https://a.b.EXAMPLE.co.uk:8443/":       "example.co.uk",
		"http://u:p@www.example.org./":          "example.org",
		"http://co.uk/":                         "co.uk",
		"http://someone.github.io/feed":         "github.io",
		"http://github.io/":                     "github.io",
		"https://a.bearblog.dev/feed/":          "bearblog.dev",
		"https://x.wordpress.com/feed":          "wordpress.com",
		"https://b.s3.eu-west-1.amazonaws.com/": "amazonaws.com",
		"https://x.blogspot.com/":               "blogspot.com",
		"https://x.blogspot.co.uk/":             "blogspot.co.uk",
		"http://bücher.example/":                "xn--bcher-kva.example",
		"http://www.BÜCHER.de/":                 "xn--bcher-kva.de",
		"http://127.0.0.1:8080/x":               "127.0.0.1",
		"http://[::1]:80/":                      "::1",
		"http://[::FFFF:1.2.3.4]/":              "1.2.3.4",
		"http://localhost:1/":                   "localhost",
		"http://a.b.internal/":                  "b.internal",
		"http://city.kawasaki.jp/":              "city.kawasaki.jp",
		"http://a.b.c.kawasaki.jp/":             "b.c.kawasaki.jp",
		"http://":                               "",
		"feed":                                  "",
		"":                                      "",
	} {
		if got := Domain(url); got != want {
			t.Errorf("%q: %q, want %q", url, got, want)
		}
	}
}

func BenchmarkDomain(b *testing.B) {
	for b.Loop() {
		Domain("https://www.example.co.uk/feed.xml")
	}
}
