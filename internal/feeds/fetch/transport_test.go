package fetch

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/read"
)

// serveTLS starts an HTTPS server that speaks HTTP/2 and returns a Refresher
// that trusts it.
func serveTLS(t *testing.T, h http.HandlerFunc) (string, *Refresher) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	s.Config.ErrorLog = quiet()
	s.StartTLS()
	t.Cleanup(s.Close)
	r := refresher(t, feeds.Options{})
	r.transport.tls.RootCAs = x509.NewCertPool()
	r.transport.tls.RootCAs.AddCert(s.Certificate())
	return s.URL, r
}

// listenOn starts a server on another loopback address, which is another
// registrable domain.
func listenOn(t *testing.T, addr string, h http.HandlerFunc) string {
	t.Helper()
	ln, err := net.Listen("tcp", addr+":0")
	if err != nil {
		t.Skipf("no %s on this machine: %v", addr, err)
	}
	s := httptest.NewUnstartedServer(h)
	s.Listener.Close()
	s.Listener = ln
	s.Start()
	t.Cleanup(s.Close)
	return s.URL
}

func TestHTTP2IsSpoken(t *testing.T) {
	url, r := serveTLS(t, func(w http.ResponseWriter, req *http.Request) {
		if req.ProtoMajor != 2 {
			t.Errorf("protocol %s, want HTTP/2", req.Proto)
		}
		io.WriteString(w, feedBody(2))
	})
	for range 3 {
		wantClass(t, get(t, r, url), feeds.OK)
		r.transport.closeKept() // the next connection speaks it, too
	}
}

func TestHTTP2HeadersOverTheBoundAreRefused(t *testing.T) {
	url, r := serveTLS(t, func(w http.ResponseWriter, _ *http.Request) {
		for i := range 100 {
			w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("abcdefghij", 100))
		}
		io.WriteString(w, feedBody(2))
	})
	wantClass(t, get(t, r, url), feeds.HeaderTooLarge)
}

func TestHTTP2CutBodyIsTruncated(t *testing.T) {
	url, r := serveTLS(t, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, feedBody(20)[:1000])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	wantClass(t, get(t, r, url), feeds.Truncated)
}

// certificate returns a self-signed certificate.
func certificate(t *testing.T, name string, from, to time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: from, NotAfter: to, IsCA: true, BasicConstraintsValid: true,
	}
	if ip := net.ParseIP(name); ip != nil {
		tmpl.IPAddresses = []net.IP{ip}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func TestUntrustedServerIsTLS(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		name    string
		cert    tls.Certificate
		trusted bool
		max     uint16 // protocol version
	}{
		{name: "self-signed", cert: certificate(t, "127.0.0.1", now.Add(-time.Hour), now.Add(time.Hour))},
		{name: "expired", cert: certificate(t, "127.0.0.1", now.Add(-2*time.Hour), now.Add(-time.Hour)), trusted: true},
		{name: "wrong name", cert: certificate(t, "example.org", now.Add(-time.Hour), now.Add(time.Hour)), trusted: true},
		{name: "old protocol", cert: certificate(t, "127.0.0.1", now.Add(-time.Hour), now.Add(time.Hour)), trusted: true,
			max: tls.VersionTLS11},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, feedBody(1)) }))
			s.TLS = &tls.Config{Certificates: []tls.Certificate{tt.cert}, MinVersion: tls.VersionTLS10, MaxVersion: tt.max}
			s.Config.ErrorLog = quiet()
			s.StartTLS()
			defer s.Close()
			r := refresher(t, feeds.Options{})
			r.transport.tls.RootCAs = x509.NewCertPool()
			if tt.trusted {
				r.transport.tls.RootCAs.AddCert(tt.cert.Leaf)
			}
			res := get(t, r, s.URL)
			wantClass(t, res, feeds.TLS)
			if res.Attempts != 1 || res.Detail == "" {
				t.Errorf("%d attempts, detail %q; want 1 and a reason", res.Attempts, res.Detail)
			}
			if want := tt.name != "old protocol"; res.Refused != want {
				t.Errorf("not trusted, by its authority, time or name: %v, want %v", res.Refused, want)
			}
		})
	}
}

func TestServerThatSpeaksNoTLSIsTLS(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	wantClass(t, get(t, refresher(t, feeds.Options{}), strings.Replace(s.URL, "http:", "https:", 1)), feeds.TLS)
	wantClass(t, get(t, refresher(t, feeds.Options{}), "https://"+serveConns(t, func(net.Conn) {})), feeds.TLS)
}

func TestProxyIsUsedOnlyWhenNamed(t *testing.T) {
	var asked atomic.Int64
	proxy := serve(t, func(w http.ResponseWriter, req *http.Request) {
		asked.Add(1)
		if req.URL.Host != "feeds.example" {
			t.Errorf("the proxy was asked for %s", req.URL)
		}
		io.WriteString(w, feedBody(1))
	})
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("http_proxy", proxy.URL)
	direct := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, feedBody(1)) })
	wantClass(t, get(t, refresher(t, feeds.Options{}), direct.URL), feeds.OK)
	if asked.Load() != 0 {
		t.Fatal("a proxy of the environment was used unasked")
	}
	// The proxy's own address needs no --allow-net.
	r, err := New(feeds.Options{Proxy: proxy.URL}, read.Read)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	wantClass(t, get(t, r, "http://feeds.example/feed"), feeds.OK)
	wantClass(t, get(t, r, "http://127.0.0.1/feed"), feeds.BlockedAddress)
	if asked.Load() != 1 {
		t.Errorf("the proxy was asked %d times, want 1", asked.Load())
	}
}

func TestDeadProxyIsNotTheHostsRefusal(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	r, err := New(feeds.Options{Proxy: "http://" + ln.Addr().String()}, read.Read)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	res := get(t, r, "http://feeds.example/")
	wantClass(t, res, feeds.Connect)
	if res.Refused {
		t.Error("refused is true, want false: it was the proxy")
	}
}

// TestWhoIsBetweenUsIsNoServer: a proxy that wants a password, or a network that wants a
// login first, is not the feed's answer, and whether all hosts are out of reach is asked.
// That they want to be asked later is nothing that the feed's host said.
func TestWhoIsBetweenUsIsNoServer(t *testing.T) {
	for _, tt := range []struct {
		status  int
		proxied bool
		class   feeds.Class
	}{
		{407, true, feeds.Connect}, {511, true, feeds.Connect}, {511, false, feeds.Connect},
		{407, false, feeds.HTTPError}, {502, true, feeds.HTTPError}, {403, true, feeds.HTTPError},
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			if tt.class == feeds.Connect {
				w.Header().Set("Retry-After", "7200") // which is not for the feed either
			}
			w.WriteHeader(tt.status)
		})
		o, url := feeds.Options{}, s.URL
		if tt.proxied {
			o.Proxy, url = s.URL, "http://feeds.example/"
		}
		r := refresher(t, o)
		get(t, r, url)
		res := get(t, r, url)
		if res.Class != tt.class || (res.Status == 0) != (tt.class == feeds.Connect) || res.Refused || !strings.Contains(res.Detail, fmt.Sprint(tt.status)) {
			t.Errorf("%d, by a proxy %v: got %s (%s), status %d, want %s", tt.status, tt.proxied, res.Class, res.Detail, res.Status, tt.class)
		}
	}
}

// TestWhatBrokeIsNamed: a proxy that refuses, and a server that wants a certificate
// of ours, are told apart from a connection that broke. Stream errors are on the
// shelf of HTTP/2.
func TestWhatBrokeIsNamed(t *testing.T) {
	for status, want := range map[int]string{403: "403 Forbidden", 407: "407 Proxy Authentication Required", 502: "502 Bad Gateway"} {
		proxy := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		res := get(t, refresher(t, feeds.Options{Proxy: proxy.URL}), "https://feeds.example/")
		wantClass(t, res, feeds.Connect)
		if res.Detail != "the proxy answered CONNECT with "+want {
			t.Errorf("CONNECT %d: %q, want the status named", status, res.Detail)
		}
	}
	for version, want := range map[uint16]string{tls.VersionTLS12: "handshake failure", tls.VersionTLS13: "certificate required"} {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		s.EnableHTTP2 = true
		s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MaxVersion: version}
		s.StartTLS()
		t.Cleanup(s.Close)
		r := refresher(t, feeds.Options{})
		r.transport.tls.RootCAs = x509.NewCertPool()
		r.transport.tls.RootCAs.AddCert(s.Certificate())
		res := get(t, r, s.URL)
		wantClass(t, res, feeds.TLS)
		if !strings.Contains(res.Detail, want) {
			t.Errorf("TLS %x: %q, want %q in it", version, res.Detail, want)
		}
	}
}

// TestHTTP1IsSpokenAlone: with Options.HTTP1 nothing else is offered.
func TestHTTP1IsSpokenAlone(t *testing.T) {
	for _, alone := range []bool{false, true} {
		proto := ""
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			proto = req.Proto
			io.WriteString(w, feedBody(1))
		}))
		s.EnableHTTP2 = true
		s.StartTLS()
		t.Cleanup(s.Close)
		r := refresher(t, feeds.Options{HTTP1: alone})
		r.transport.tls.RootCAs = x509.NewCertPool()
		r.transport.tls.RootCAs.AddCert(s.Certificate())
		wantClass(t, get(t, r, s.URL), feeds.OK)
		if want := map[bool]string{false: "HTTP/2.0", true: "HTTP/1.1"}[alone]; proto != want {
			t.Errorf("HTTP1 %v: asked over %s, want %s", alone, proto, want)
		}
	}
}

func TestBadProxyIsRefusedWithoutItsPassword(t *testing.T) {
	for _, proxy := range []string{"ftp://u:hunter2@h", "http://", "://", "http://u:hunter2%zz@h"} {
		_, err := New(feeds.Options{Proxy: proxy}, read.Read)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v, want an error without the password", proxy, err)
		}
		for _, name := range []string{"http_proxy", "HTTPS_PROXY", "ALL_PROXY"} {
			noProxies(t)
			t.Setenv(name, proxy)
			if _, err := New(feeds.Options{Proxy: "env"}, read.Read); err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s=%q: %v, want an error without the password, and not to go without", name, proxy, err)
			}
		}
	}
}

// noProxies takes those of the environment away.
func noProxies(t *testing.T) {
	for _, name := range []string{"http_proxy", "https_proxy", "all_proxy", "no_proxy"} {
		t.Setenv(name, "")
		t.Setenv(strings.ToUpper(name), "")
	}
}

// TestTheEnvironmentNamesProxies as other programs read it.
func TestTheEnvironmentNamesProxies(t *testing.T) {
	for _, tt := range []struct{ name, value, http, https string }{
		{"", "", "", ""},
		{"HTTP_PROXY", "p:3128", "http://p:3128", ""},
		{"https_proxy", "https://p", "", "https://p"},
		{"ALL_PROXY", "socks5://u:w@p", "socks5://u:w@p", "socks5://u:w@p"},
		{"all_proxy", "localhost:1", "http://localhost:1", "http://localhost:1"},
	} {
		noProxies(t)
		t.Setenv("NO_PROXY", "direct.example")
		if tt.name != "" {
			t.Setenv(tt.name, tt.value)
		}
		choose, err := proxyFunc("env")
		if err != nil {
			t.Fatalf("%s=%s: %v", tt.name, tt.value, err)
		}
		for to, want := range map[string]string{"http://a.example/": tt.http, "https://a.example/": tt.https, "http://direct.example/": ""} {
			req, _ := http.NewRequest("GET", to, nil)
			got := ""
			if u, err := choose(req); err != nil {
				t.Errorf("%s=%s: %s: %v", tt.name, tt.value, to, err)
			} else if u != nil {
				got = u.String()
			}
			if got != want {
				t.Errorf("%s=%s: %s by %q, want %q", tt.name, tt.value, to, got, want)
			}
		}
	}
}

// TestAConnectionThatWasIdleForLongIsAskedAgain: net/http takes no request for one
// that had nothing to do for long, also when that was over as it was taken.
func TestAConnectionThatWasIdleForLongIsAskedAgain(t *testing.T) {
	url, r := serveTLS(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, feedBody(1)) })
	var conn *connection
	for conn == nil { // a machine that is busy for long enough finds it gone
		wantClass(t, get(t, r, url), feeds.OK)
		conn = r.transport.files.reuse(r.transport, url)
	}
	defer conn.close()
	time.Sleep(idleHTTP2 + idleHTTP2/10)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	before := conn.begin()
	_, err = conn.http.RoundTrip(req)
	if err == nil {
		t.Fatal("it was asked, want it refused")
	}
	if why := conn.silence(t.Context(), err, conn.wire.read.Load()-before, r.limits); !why.early || why.Class != feeds.Connect {
		t.Errorf("%v: %s, early %v, want %s and another try", err, why.Class, why.early, feeds.Connect)
	}
}
