package hostile_test

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/text/encoding/htmlindex"

	"feedmill/internal/origin"
	"feedmill/internal/origin/hostile"
)

func TestHostileTableIsComplete(t *testing.T) {
	words := strings.Fields(`ok not_modified unchanged http_error gone rate_limited connect tls timeout slow
		blocked_address blocked_scheme redirect header_too_large too_large bomb_ratio encoding charset truncated
		not_a_feed parse limit_depth limit_namespace limit_items limit_size parser_panic worker_cpu`)
	name := regexp.MustCompile(`^[a-z0-9_-]+$`)
	seen, rows := map[string]bool{}, map[int]bool{}
	for _, c := range hostile.Cases() {
		if !name.MatchString(c.Name) || seen[c.Name] {
			t.Errorf("name %q: got it twice or with odd letters", c.Name)
		}
		seen[c.Name], rows[c.Row] = true, true
		if c.About == "" || strings.ContainsAny(c.About, "\t\n") {
			t.Errorf("%s: got About %q, want one line", c.Name, c.About)
		}
		if len(strings.Fields(c.Want)) == 0 {
			t.Errorf("%s: got no class", c.Name)
		}
		for _, w := range strings.Fields(c.Want) {
			if !slices.Contains(words, w) {
				t.Errorf("%s: got %q among the classes", c.Name, w)
			}
		}
	}
	for row := 1; row <= 45; row++ {
		if elsewhere := row == 3 || row == 24; rows[row] == elsewhere {
			t.Errorf("row %d: got a case %v, want %v", row, rows[row], !elsewhere)
		}
	}
}

func TestHostileListsAgree(t *testing.T) {
	s := start(t, origin.Options{TLS: true, Feeds: -1})
	c := client(t)
	table, list := fetch(t, c, "http://"+s.Addr()+"/hostile/").body, fetch(t, c, "http://"+s.Addr()+"/hostile.txt").body
	urls := strings.Fields(string(list))
	lines := strings.Split(strings.TrimSpace(string(table)), "\n")
	if len(urls) != len(hostile.Cases()) || len(lines) != len(urls) {
		t.Fatalf("got %d URLs and %d lines for %d cases", len(urls), len(lines), len(hostile.Cases()))
	}
	for i, k := range hostile.Cases() {
		want := fmt.Sprintf("%s\t%s\t%s", urls[i], k.Want, k.About)
		if lines[i] != want || s.HostileURL(k.Name) != urls[i] {
			t.Errorf("%s: got line %q and URL %q, want %q", k.Name, lines[i], s.HostileURL(k.Name), want)
		}
	}
	plain := start(t, origin.Options{})
	if got := plain.HostileURL("tls-expired"); got != "" || plain.TLSRoots() != nil {
		t.Errorf("tls-expired without TLS: got %q and roots %v, want none", got, plain.TLSRoots())
	}
}

// start runs an origin for the length of a test.
func start(t testing.TB, opts origin.Options) *origin.Server {
	t.Helper()
	s, err := origin.New(opts)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(t.Context()) }() // which ends before what is to be cleaned up
	t.Cleanup(func() {
		if err := <-done; err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
	})
	return s
}

// client is one that neither decompresses nor follows redirects.
func client(t testing.TB) *http.Client {
	tr := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 4}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{
		Transport:     tr,
		Timeout:       20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// An answer is what a client got.
type answer struct {
	status  int
	header  http.Header
	body    []byte
	err     error // of the request or of the body
	reached bool  // there was a head at least
}

// ask gets a case without judging the answer.
func ask(t testing.TB, s *origin.Server, c *http.Client, name string, headers ...string) answer {
	t.Helper()
	return fetch(t, c, s.HostileURL(name), headers...)
}

func fetch(t testing.TB, c *http.Client, url string, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 30<<20))
	return answer{resp.StatusCode, resp.Header, body, err, true}
}

func TestNetworkFaultsAreWhatTheySay(t *testing.T) {
	s := start(t, origin.Options{})
	c := client(t)
	c.Transport.(*http.Transport).MaxResponseHeaderBytes = 16 << 20
	is := func(want error) func(answer) bool {
		return func(a answer) bool { return errors.Is(a.err, want) }
	}
	gives := func(status int, header, value string) func(answer) bool {
		return func(a answer) bool { return a.err == nil && a.status == status && a.header.Get(header) == value }
	}
	for name, right := range map[string]func(answer) bool{
		"close-early": is(io.EOF),
		"reset-early": is(syscall.ECONNRESET),
		"reset-body":  func(a answer) bool { return a.reached && errors.Is(a.err, syscall.ECONNRESET) && len(a.body) > 100 },
		"length-long": func(a answer) bool {
			return errors.Is(a.err, io.ErrUnexpectedEOF) && string(a.body) == hostile.SoundRSS()
		},
		"length-short": func(a answer) bool { return a.err == nil && strings.HasPrefix(hostile.SoundRSS(), string(a.body)) },
		"chunked-cut":  is(io.ErrUnexpectedEOF),
		"chunked-bad":  func(a answer) bool { return a.reached && a.err != nil },
		"not-http":     func(a answer) bool { return !a.reached },
		"endless-body": func(a answer) bool { return a.err == nil && len(a.body) == 30<<20 },
		"length-huge": func(a answer) bool {
			return a.err == nil && len(a.body) == 30<<20 && a.header.Get("Content-Length") == "1099511627776"
		},
		"headers-10mb":     func(a answer) bool { return a.err == nil && len(a.header["X-Filler-9"][0]) == 1<<20 },
		"headers-100k":     func(a answer) bool { return a.err == nil && a.header.Get("X-99999") == "y" },
		"endless-1xx":      func(a answer) bool { return !a.reached },
		"limited-hour":     gives(429, "Retry-After", "3600"),
		"limited-negative": gives(429, "Retry-After", "-5"),
		"busy-hour":        gives(503, "Retry-After", "3600"),
		"gone":             gives(410, "Etag", ""),
		"unasked-304":      gives(304, "Etag", ""),
		"status-999":       gives(999, "Etag", ""),
		"empty":            func(a answer) bool { return a.status == 200 && len(a.body) == 0 },
		"etag-1mb":         func(a answer) bool { return len(a.header.Get("Etag")) == 1<<20+2 },
		"etag-bytes":       gives(200, "Etag", "caf\xe9-\xff"),
		"encoding-unknown": gives(200, "Content-Encoding", "x-rot13"),
		"redirect-file":    gives(302, "Location", "file:///etc/passwd"),
		"redirect-gopher":  gives(302, "Location", "gopher://127.0.0.1:70/1feed"),
		"moved":            gives(301, "Location", "/hostile/moved/there"),
		"password":         gives(200, "Content-Type", hostile.TypeRSS),
		"error-401":        gives(401, "Www-Authenticate", `Basic realm="feeds"`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if a := ask(t, s, c, name); !right(a) {
				t.Errorf("got status %d, %d header names, %d bytes, error %v", a.status, len(a.header), len(a.body), a.err)
			}
		})
	}
}

func TestRedirectsAreAsLongAsTheySay(t *testing.T) {
	s := start(t, origin.Options{})
	for name, want := range map[string]int{"redirect-five": 5, "redirect-chain": 6, "moved-308": 1, "moved-host": 1, "redirect-credentials": 1, "redirect-loop": 20} {
		hops := 0
		c := client(t)
		c.CheckRedirect = func(_ *http.Request, via []*http.Request) error {
			if hops = len(via); hops == 20 {
				return http.ErrUseLastResponse
			}
			return nil
		}
		a := ask(t, s, c, name)
		if hops != want || a.err != nil || a.status != 200 && want < 20 {
			t.Errorf("%s: got %d redirects and then %d, %v, want %d", name, hops, a.status, a.err, want)
		}
	}
}

func TestBombsAreSmallAndExpand(t *testing.T) {
	s := start(t, origin.Options{})
	c := client(t)
	decoders := map[string]func(io.Reader) (io.Reader, error){
		"gzip-bomb": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		"br-bomb":   func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil },
		"zstd-bomb": func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r, zstd.WithDecoderConcurrency(1)) },
	}
	for name, decode := range decoders {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := ask(t, s, c, name).body
			if len(body) > 120_000 {
				t.Errorf("got %d bytes, want about 100 KB or less", len(body))
			}
			r, err := decode(bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			want := int64(16 << 20) // of the others, enough to see their blocks repeat
			if name == "gzip-bomb" {
				want = hostile.BombSize
			}
			if n, err := io.CopyN(io.Discard, r, want); err != nil {
				t.Errorf("got %d bytes expanded, %v, want %d", n, err, want)
			}
			if name == "gzip-bomb" {
				if n, err := io.Copy(io.Discard, r); n != 0 || err != nil {
					t.Errorf("got %d more bytes, %v, want a sound end", n, err)
				}
			}
		})
	}
	if got := expand(t, ask(t, s, c, "gzip-nested").body); got != int64(len(hostile.GzipBomb())) {
		t.Errorf("gzip-nested: got %d bytes expanded, want the bomb's %d", got, len(hostile.GzipBomb()))
	}
}

// expand returns how long a gzip body becomes.
func expand(t testing.TB, body []byte) int64 {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, r)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDocumentsHaveWhatTheySay(t *testing.T) {
	s := start(t, origin.Options{})
	c := client(t)
	for _, tt := range []struct {
		name, piece string
		count       int
	}{
		{"namespace-bomb", " xmlns:p", 8000},
		{"namespace-wide", " xmlns:p", 5000},
		{"attributes", `=""`, 100_000},
		{"deep", "<m:a>", 1_000_000},
		{"deep-closed", "</m:a>", 800_000},
		{"deep-300", "<m:a>", 300},
		{"deep-json", "[", 1_000_000},
		{"quadratic-text", "xxxx<m:b/>", 80_000},
		{"many-items", "<item>", 120_000},
		{"guid-same", "<guid>same</guid>", 10},
		{"laughs", "&l0;", 10},
		{"instructions", "<?php x ?>", 20_000},
		{"shrinking", "<item>", 100},
		{"shrinking", "<item>", 10},
		{"shrinking", "<item>", 0},
		{"unclosed-item", "</item>", 2},
		{"json-null-item", "[null]", 1},
	} {
		a := ask(t, s, c, tt.name)
		if got := strings.Count(string(a.body), tt.piece); got != tt.count || a.err != nil {
			t.Errorf("%s: got %d of %q, %v, want %d", tt.name, got, tt.piece, a.err, tt.count)
		}
	}
	if got := len(ask(t, s, c, "namespace-bomb").body); got < 300_000 || got > 450_000 {
		t.Errorf("namespace-bomb: got %d bytes, want 300 to 450 KB", got)
	}
	if got := len(ask(t, s, c, "huge-content").body); got < 18<<20 || got > 20<<20 {
		t.Errorf("huge-content: got %d bytes, want 18 to 20 MiB", got)
	}
}

func TestRestlessCasesChange(t *testing.T) {
	s := start(t, origin.Options{})
	c := client(t)
	for _, name := range []string{"guid-churn", "restless-text", "restless-head"} {
		if a, b := ask(t, s, c, name), ask(t, s, c, name); bytes.Equal(a.body, b.body) {
			t.Errorf("%s: got the same body twice", name)
		}
	}
	a, b := ask(t, s, c, "etag-restless"), ask(t, s, c, "etag-restless")
	if !bytes.Equal(a.body, b.body) || a.header.Get("Etag") == b.header.Get("Etag") {
		t.Errorf("etag-restless: got ETags %q and %q, want others with one body", a.header.Get("Etag"), b.header.Get("Etag"))
	}
	first := ask(t, s, c, "edited")
	same := ask(t, s, c, "edited")
	s.AddEpochs(1)
	if next := ask(t, s, c, "edited"); !bytes.Equal(first.body, same.body) || bytes.Equal(first.body, next.body) {
		t.Error("edited: want the same body within an epoch and another in the next")
	}
	for _, tt := range []struct {
		name    string
		headers []string
		want    int
	}{
		{"latched-304", nil, 200}, {"latched-304", []string{"If-None-Match", `"old"`}, 304},
		{"delta-226", []string{"If-None-Match", `"1"`}, 200}, {"delta-226", []string{"If-None-Match", `"1"`, "A-IM", "feed"}, 226},
		{"modified-words", []string{"If-Modified-Since", "yesterday"}, 304}, {"etag-weak", []string{"If-None-Match", `w/"1"`}, 304},
		{"etag-weak", []string{"If-None-Match", `W/"1"`}, 200}, {"cookie", []string{"Cookie", "track=me"}, 400},
		{"body-304", nil, 200}, {"body-304", []string{"If-None-Match", `"304"`}, 304},
	} {
		if got := ask(t, s, c, tt.name, tt.headers...).status; got != tt.want {
			t.Errorf("%s with %q: got %d, want %d", tt.name, tt.headers, got, tt.want)
		}
	}
}

func TestCharsetsAreWhatTheyDeclare(t *testing.T) {
	s := start(t, origin.Options{})
	c := client(t)
	for label, want := range map[string]string{
		"iso-8859-1": "Prüfung", "windows-1252": "naïve “quoted”", "iso-8859-15": "10 €", "windows-1251": "Привет", "koi8-r": "Привет",
		"iso-2022-jp": "日本", "shift_jis": "日本", "euc-jp": "日本", "gb2312": "日本", "gb18030": "日本 𠀀", "big5": "日本", "euc-kr": "한국",
	} {
		enc, err := htmlindex.Get(label)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := enc.NewDecoder().Bytes(ask(t, s, c, label).body)
		if err != nil || !strings.Contains(string(doc), "<title>"+want+"</title>") || !strings.Contains(string(doc), `encoding="`+label+`"`) {
			t.Errorf("%s: got %v\n%s\nwant the title %s", label, err, doc, want)
		}
	}
	for name, mark := range map[string]string{
		"utf-16-le-mark": "\xff\xfe<\x00", "utf-16-be-mark": "\xfe\xff\x00<", "utf-16-le": "<\x00?\x00", "utf-16-be": "\x00<\x00?",
		"utf-32-le-mark": "\xff\xfe\x00\x00<\x00\x00\x00", "utf-32-be": "\x00\x00\x00<", "utf-8-mark": "\xef\xbb\xbf<",
	} {
		if body := ask(t, s, c, name).body; !bytes.HasPrefix(body, []byte(mark)) {
			t.Errorf("%s: got a document beginning % x, want % x", name, body[:8], mark)
		}
	}
	if body := ask(t, s, c, "utf-16-half").body; bytes.Contains(body, []byte("\x3d\xd8\xb2\xde")) {
		t.Error("utf-16-half: got a whole pair")
	}
}

func TestTLSFaultsAreWhatTheySay(t *testing.T) {
	s := start(t, origin.Options{TLS: true})
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.TLSRoots()}}
	t.Cleanup(tr.CloseIdleConnections)
	c := client(t)
	c.Transport = tr
	expired := func(err error) bool {
		e, ok := errors.AsType[x509.CertificateInvalidError](err)
		return ok && e.Reason == x509.Expired
	}
	wrongName := func(err error) bool { _, ok := errors.AsType[x509.HostnameError](err); return ok }
	unknown := func(err error) bool { _, ok := errors.AsType[x509.UnknownAuthorityError](err); return ok }
	plain := func(err error) bool {
		return err != nil && strings.Contains(err.Error(), "HTTP response to HTTPS client")
	}
	for name, right := range map[string]func(error) bool{
		"tls-expired": expired, "tls-wrong-name": wrongName, "tls-self-signed": unknown, "tls-plain": plain,
		"tls-private-root": func(err error) bool { return err == nil },
		"tls-downgrade":    func(err error) bool { return err == nil },
	} {
		a := ask(t, s, c, name)
		if !right(a.err) {
			t.Errorf("%s: got %d, %v", name, a.status, a.err)
		}
		if name == "tls-downgrade" && !strings.HasPrefix(a.header.Get("Location"), "http://") {
			t.Errorf("%s: got Location %q, want http", name, a.header.Get("Location"))
		}
	}
}
