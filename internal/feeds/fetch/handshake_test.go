package fetch

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"feedmill/internal/feeds"
)

// A signer signs certificates. Its chain is what a server shows beside its own.
type signer struct {
	cert  *x509.Certificate
	key   *ecdsa.PrivateKey
	chain [][]byte
}

// issue returns a certificate for a name or address; an authority's for none,
// with pad bytes that say nothing.
func (s *signer) issue(t *testing.T, name string, pad int) (der []byte, key *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: serial, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), BasicConstraintsValid: true}
	switch ip := net.ParseIP(name); {
	case ip != nil:
		c.IPAddresses = []net.IP{ip}
	case name != "":
		c.DNSNames = []string{name}
	default:
		c.IsCA = true
		c.Subject.CommonName = "authority " + serial.String()
		c.ExtraExtensions = []pkix.Extension{{Id: []int{1, 3, 6, 1, 4, 1, 32473, 1}, Value: make([]byte, pad)}} // RFC 5612
	}
	parent, by := c, key
	if s.cert != nil {
		parent, by = s.cert, s.key
	}
	if der, err = x509.CreateCertificate(rand.Reader, c, parent, key.Public(), by); err != nil {
		t.Fatal(err)
	}
	return der, key
}

// under returns an authority that s has signed, or itself if s is empty.
func (s *signer) under(t *testing.T, pad int) *signer {
	t.Helper()
	der, key := s.issue(t, "", pad)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	next := &signer{cert: cert, key: key}
	if s.cert != nil {
		next.chain = append([][]byte{der}, s.chain...)
	}
	return next
}

// leaf returns what a server of that name shows.
func (s *signer) leaf(t *testing.T, name string) tls.Certificate {
	t.Helper()
	der, key := s.issue(t, name, 0)
	return tls.Certificate{Certificate: append([][]byte{der}, s.chain...), PrivateKey: key}
}

// pool returns the roots of who trusts s.
func (s *signer) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(s.cert)
	return p
}

// A tlsHost is an HTTP/1.1 server that speaks TLS exactly as its config says.
type tlsHost struct {
	url  string
	port string

	mu    sync.Mutex
	asked []tls.ConnectionState // one for each request
}

func (h *tlsHost) seen() []tls.ConnectionState {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.asked)
}

// serveAs starts a server at an address without its port, or skips where there
// is no such address.
func serveAs(t *testing.T, addr string, config *tls.Config) *tlsHost {
	t.Helper()
	ln, err := net.Listen("tcp", net.JoinHostPort(addr, "0"))
	if err != nil {
		t.Skipf("this machine has no %s: %v", addr, err)
	}
	h := &tlsHost{url: "https://" + ln.Addr().String() + "/", port: portOf(ln)}
	s := &http.Server{ErrorLog: quiet(), Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		h.mu.Lock()
		h.asked = append(h.asked, *req.TLS)
		h.mu.Unlock()
		io.WriteString(w, feedBody(2))
	})}
	s.Protocols.SetHTTP1(true)
	go s.Serve(tls.NewListener(ln, config))
	t.Cleanup(func() { s.Close() })
	return h
}

// trusting returns a Refresher that trusts s.
func trusting(t *testing.T, s *signer) *Refresher {
	r := refresher(t, feeds.Options{})
	r.transport.tls.RootCAs = s.pool()
	return r
}

// TestSessionsAreResumedAndNeverInTheWay: a server's ticket spares the second
// connection a handshake, and whatever a server makes of its own tickets, it is
// read.
func TestSessionsAreResumedAndNeverInTheWay(t *testing.T) {
	root := new(signer).under(t, 0)
	forgotten := errors.New("no such session")
	for _, tt := range []struct {
		name    string
		change  func(*tls.Config)
		resumed bool
	}{
		{"good tickets", func(*tls.Config) {}, true},
		{"no tickets", func(c *tls.Config) { c.SessionTicketsDisabled = true }, false},
		{"tickets of no meaning", func(c *tls.Config) {
			c.WrapSession = func(tls.ConnectionState, *tls.SessionState) ([]byte, error) {
				return []byte(strings.Repeat("?", 2000)), nil
			}
		}, false},
		{"tickets not taken", func(c *tls.Config) {
			c.UnwrapSession = func([]byte, tls.ConnectionState) (*tls.SessionState, error) { return nil, nil }
		}, false},
		{"tickets that break it", func(c *tls.Config) {
			c.UnwrapSession = func(ticket []byte, _ tls.ConnectionState) (*tls.SessionState, error) {
				if len(ticket) == 0 { // TLS 1.2 asks about none, too
					return nil, nil
				}
				return nil, forgotten
			}
		}, false},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(tt.name+"/"+tls.VersionName(version), func(t *testing.T) {
				config := &tls.Config{Certificates: []tls.Certificate{root.leaf(t, "127.0.0.1")}, MaxVersion: version}
				tt.change(config)
				h := serveAs(t, "127.0.0.1", config)
				r := trusting(t, root)
				for range 3 {
					wantClass(t, get(t, r, h.url), feeds.OK)
					r.transport.closeKept()
				}
				for i, c := range h.seen() {
					if want := tt.resumed && i > 0; c.DidResume != want {
						t.Errorf("connection %d: resumed is %v, want %v", i+1, c.DidResume, want)
					}
				}
			})
		}
	}
}

// TestALPN: a server need not know that there is HTTP/2, or a word for a
// protocol at all; one that wants none of ours says so in the detail.
func TestALPN(t *testing.T) {
	root := new(signer).under(t, 0)
	for _, tt := range []struct {
		name      string
		protocols []string
		want      feeds.Class
		detail    string
	}{
		{"HTTP/1.1 alone", []string{"http/1.1"}, feeds.OK, ""},
		{"none", nil, feeds.OK, ""},
		{"refused", []string{"acme-tls/1"}, feeds.TLS, "no application protocol"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := serveAs(t, "127.0.0.1", &tls.Config{Certificates: []tls.Certificate{root.leaf(t, "127.0.0.1")}, NextProtos: tt.protocols})
			res := get(t, trusting(t, root), h.url)
			wantClass(t, res, tt.want)
			if !strings.Contains(res.Detail, tt.detail) || res.Attempts != 1 {
				t.Errorf("%d attempts, %q, want 1 and %q", res.Attempts, res.Detail, tt.detail)
			}
		})
	}
	t.Run("not offered", func(t *testing.T) {
		res := get(t, trusting(t, root), serveHello(t, "spdy/3"))
		wantClass(t, res, feeds.TLS)
		if want := "unadvertised ALPN"; !strings.Contains(res.Detail, want) || res.Attempts != 1 {
			t.Errorf("%d attempts, %q, want 1 and %q", res.Attempts, res.Detail, want)
		}
	})
}

// serveHello answers every handshake with a ServerHello of TLS 1.2 that picks a
// protocol, whatever was offered (RFC 5246, section 7.4.1.3; RFC 7301).
func serveHello(t *testing.T, protocol string) string {
	t.Helper()
	counted := func(width int, body []byte) []byte { // behind its length
		n := len(body)
		return append([]byte{byte(n >> 16), byte(n >> 8), byte(n)}[3-width:], body...)
	}
	alpn := append([]byte{0, 16}, counted(2, counted(2, counted(1, []byte(protocol))))...)
	hello := append([]byte{3, 3}, make([]byte, 32)...) // version, random
	hello = append(hello, 0, 0xc0, 0x2f, 0)            // no session, ECDHE_RSA with AES_128_GCM_SHA256, no compression
	hello = append([]byte{2}, counted(3, append(hello, counted(2, alpn)...))...)
	record := append([]byte{22, 3, 3}, counted(2, hello)...)
	return "https://" + serveConns(t, func(conn net.Conn) {
		conn.Write(record)
		io.Copy(io.Discard, conn)
	}) + "/"
}

// TestCertificatesGoByName: each name of an address gets its own certificate,
// and so does the address, which is named to nobody (RFC 6066, section 3).
func TestCertificatesGoByName(t *testing.T) {
	const addr = "127.0.0.2"
	root := new(signer).under(t, 0)
	shown := map[string]*tls.Certificate{}
	for _, name := range []string{"one.example.net", "two.example.org", "xn--bcher-kva.example.com"} {
		c := root.leaf(t, name)
		shown[name] = &c
	}
	byAddress := root.leaf(t, addr)
	shown[""], shown["stranger.example.net"] = &byAddress, shown["one.example.net"]
	h := serveAs(t, addr, &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if c := shown[hello.ServerName]; c != nil {
			return c, nil
		}
		return nil, fmt.Errorf("asked for %q", hello.ServerName)
	}})
	r := withDNS(t, serveDNS(t, func(string) ([]string, bool) { return []string{addr}, true }), addr+"/32")
	r.transport.tls.RootCAs = root.pool()
	for _, tt := range []struct {
		host, named string
		want        feeds.Class
	}{
		{"one.example.net", "one.example.net", feeds.OK},
		{"two.example.org", "two.example.org", feeds.OK},
		{"ONE.example.net.", "one.example.net", feeds.OK},
		{"bücher.example.com", "xn--bcher-kva.example.com", feeds.OK},
		{addr, "", feeds.OK},
		{"stranger.example.net", "", feeds.TLS},
	} {
		before := len(h.seen())
		res := get(t, r, "https://"+tt.host+":"+h.port+"/")
		if res.Class != tt.want {
			t.Errorf("%s: %s (%s), want %s", tt.host, res.Class, res.Detail, tt.want)
			continue
		}
		seen := h.seen()[before:]
		if !tt.want.OK() {
			if len(seen) != 0 || !strings.Contains(res.Detail, tt.host) {
				t.Errorf("%s: %d requests, %q, want none and the name", tt.host, len(seen), res.Detail)
			}
		} else if len(seen) != 1 || seen[0].ServerName != tt.named {
			t.Errorf("%s: %d requests, the last to %q, want one to %q", tt.host, len(seen), seen[len(seen)-1].ServerName, tt.named)
		}
		r.transport.closeKept()
	}
}

// TestHeavyChainIsRead: 20 authorities between a server and the root, and an
// OCSP answer of a size that none has, are no reason to refuse it.
func TestHeavyChainIsRead(t *testing.T) {
	root := new(signer).under(t, 0)
	last := root
	for range 20 {
		last = last.under(t, 1<<10)
	}
	cert := last.leaf(t, "127.0.0.1")
	cert.OCSPStaple = make([]byte, 16<<10)
	total := 0
	for _, der := range cert.Certificate {
		total += len(der)
	}
	if total < 25<<10 {
		t.Fatalf("a chain of %d bytes, want 25 KB or more", total)
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		h := serveAs(t, "127.0.0.1", &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: version})
		wantClass(t, get(t, trusting(t, root), h.url), feeds.OK)
	}
}

// TestIPv6LiteralOverTLS: an address in brackets is the name of its certificate.
func TestIPv6LiteralOverTLS(t *testing.T) {
	root := new(signer).under(t, 0)
	h := serveAs(t, "::1", &tls.Config{Certificates: []tls.Certificate{root.leaf(t, "::1")}})
	r := trusting(t, root)
	wantClass(t, get(t, r, h.url), feeds.OK)
	if seen := h.seen(); len(seen) != 1 || seen[0].ServerName != "" {
		t.Errorf("%d requests, the last to %q, want one without a name", len(seen), seen[len(seen)-1].ServerName)
	}
	wrong := serveAs(t, "::1", &tls.Config{Certificates: []tls.Certificate{root.leaf(t, "::2")}})
	wantClass(t, get(t, r, wrong.url), feeds.TLS)
}
