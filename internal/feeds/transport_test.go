package feeds

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
	r := refresher(t, Options{})
	r.transport.TLSClientConfig.RootCAs = x509.NewCertPool()
	r.transport.TLSClientConfig.RootCAs.AddCert(s.Certificate())
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
	wantClass(t, get(t, r, url), OK)
}

func TestHTTP2HeadersOverTheBoundAreRefused(t *testing.T) {
	url, r := serveTLS(t, func(w http.ResponseWriter, _ *http.Request) {
		for i := range 100 {
			w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("abcdefghij", 100))
		}
		io.WriteString(w, feedBody(2))
	})
	wantClass(t, get(t, r, url), HeaderTooLarge)
}

func TestHTTP2CutBodyIsTruncated(t *testing.T) {
	url, r := serveTLS(t, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, feedBody(20))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	wantClass(t, get(t, r, url), Truncated)
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
			r := refresher(t, Options{})
			r.transport.TLSClientConfig.RootCAs = x509.NewCertPool()
			if tt.trusted {
				r.transport.TLSClientConfig.RootCAs.AddCert(tt.cert.Leaf)
			}
			res := get(t, r, s.URL)
			wantClass(t, res, TLS)
			if res.Attempts != 1 || res.Detail == "" {
				t.Errorf("%d attempts, detail %q; want 1 and a reason", res.Attempts, res.Detail)
			}
		})
	}
}

func TestServerThatSpeaksNoTLSIsTLS(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	wantClass(t, get(t, refresher(t, Options{}), strings.Replace(s.URL, "http:", "https:", 1)), TLS)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	wantClass(t, get(t, refresher(t, Options{}), "https://"+ln.Addr().String()), TLS)
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
	wantClass(t, get(t, refresher(t, Options{}), direct.URL), OK)
	if asked.Load() != 0 {
		t.Fatal("a proxy of the environment was used unasked")
	}
	// The proxy's own address needs no --allow-net.
	r, err := NewRefresher(Options{Proxy: proxy.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	wantClass(t, get(t, r, "http://feeds.example/feed"), OK)
	wantClass(t, get(t, r, "http://127.0.0.1/feed"), BlockedAddress)
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
	r, err := NewRefresher(Options{Proxy: "http://" + ln.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	res := get(t, r, "http://feeds.example/")
	wantClass(t, res, Connect)
	if res.Refused {
		t.Error("refused is true, want false: it was the proxy")
	}
}

func TestBadProxyIsRefusedWithoutItsPassword(t *testing.T) {
	for _, proxy := range []string{"ftp://u:hunter2@h", "http://", "://", "http://u:hunter2%zz@h"} {
		_, err := NewRefresher(Options{Proxy: proxy})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v, want an error without the password", proxy, err)
		}
	}
}
