package fetch

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"feedmill/internal/feeds"
)

// A street is a TLS server at many addresses of the loopback range, each a host
// of its own.
type street struct {
	roots *x509.CertPool
	port  string
	addrs []string
	cert  tls.Certificate
}

// write keeps the certificate and its key in files.
func (s *street) write(t *testing.T, cert, key string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(s.cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: s.cert.Certificate[0]}, key: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// freePort returns an address of the street's first host at which nobody
// listens.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.30.0.0:0")
	if err != nil {
		t.Skipf("no address of 127.30.0.0/16 here: %v", err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// reachable waits until somebody listens at an address.
func reachable(t *testing.T, addr string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// A tally counts the connections that a client has open.
type tally struct{ open, most, opened atomic.Int64 }

// over returns a dial whose connections are counted.
func (c *tally) over(dial func(context.Context, string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, host, port string) (net.Conn, error) {
		conn, err := dial(ctx, host, port)
		if err != nil {
			return nil, err
		}
		c.opened.Add(1)
		now := c.open.Add(1)
		for most := c.most.Load(); now > most && !c.most.CompareAndSwap(most, now); most = c.most.Load() {
		}
		return &tallied{Conn: conn, tally: c}, nil
	}
}

type tallied struct {
	net.Conn
	tally *tally
	once  sync.Once
}

func (c *tallied) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { c.tally.open.Add(-1) })
	return err
}

// newStreet serves h at n addresses over the given protocols.
func newStreet(t *testing.T, n int, protocols []string, h http.HandlerFunc) *street {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true}
	s := &street{roots: x509.NewCertPool()}
	for i := range n {
		ip := net.IPv4(127, 30, byte(i>>8), byte(i))
		cert.IPAddresses = append(cert.IPAddresses, ip)
		s.addrs = append(s.addrs, ip.String())
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	s.roots.AddCert(leaf)
	ln, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	if c, err := net.Dial("tcp4", net.JoinHostPort(s.addrs[n-1], portOf(ln))); err != nil {
		t.Skipf("this machine has no %s: %v", s.addrs[n-1], err)
	} else {
		c.Close()
	}
	_, s.port, _ = net.SplitHostPort(ln.Addr().String())
	s.cert = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	server := &http.Server{Handler: h, ErrorLog: quiet(),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{s.cert}, NextProtos: protocols}}
	if protocols[0] != "h2" {
		server.Protocols = new(http.Protocols)
		server.Protocols.SetHTTP1(true)
	}
	go server.ServeTLS(ln, "", "")
	t.Cleanup(func() { server.Close() })
	return s
}

func portOf(ln net.Listener) string {
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

// jobs are n for each address.
func (s *street) jobs(n int) []feeds.Job {
	var jobs []feeds.Job
	for _, a := range s.addrs {
		for range n {
			jobs = append(jobs, feeds.Job{ID: int64(len(jobs) + 1), URL: "https://" + net.JoinHostPort(a, s.port) + "/"})
		}
	}
	return jobs
}

// withFiles makes r a Refresher with so many file descriptors.
func withFiles(r *Refresher, room int) *fileCount {
	f := newFileCount(room)
	r.transport.files, r.transport.dialer.files, r.transport.dialer.names.files = f, f, f
	return f
}

// TestConnectionsStayWithinTheDescriptors: a list of hosts that each speak
// HTTP/2, which the pool of net/http does not count, needs no more connections
// at a time than there are descriptors for, and each is closed when its host is
// done with.
func TestConnectionsStayWithinTheDescriptors(t *testing.T) {
	for _, tt := range []struct {
		protocol  string
		room, per int
	}{{"h2", 24, 1}, {"h2", 256, 2}, {"http/1.1", 24, 2}, {"http/1.1", 256, 1}} {
		s := newStreet(t, 150, []string{tt.protocol}, func(w http.ResponseWriter, req *http.Request) { io.WriteString(w, feedBody(2)) })
		r := refresher(t, feeds.Options{})
		r.transport.tls.RootCAs = s.roots
		r.transport.http2.IdleConnTimeout = time.Minute // else net/http closes some that are kept, on a busy machine
		var c tally
		r.transport.dial = c.over(r.transport.dial)
		f := withFiles(r, tt.room)
		for id, res := range runAll(t, r, s.jobs(tt.per)) {
			if res.Class != feeds.OK {
				t.Fatalf("%s: job %d: %s (%s), want ok", tt.protocol, id, res.Class, res.Detail)
			}
		}
		if got := int(c.most.Load()); got > cap(f.connections) {
			t.Errorf("%s with room for %d files: %d connections open at a time, want %d at most", tt.protocol, tt.room, got, cap(f.connections))
		}
		if got := len(f.connections); got > maxKept || int(c.open.Load()) != got {
			t.Errorf("%s: %d descriptors are still counted and %d open, want %d at most", tt.protocol, got, c.open.Load(), maxKept)
		}
		// Those of a busy moment may have pushed out a few.
		if got := c.opened.Load(); tt.room > 24 && got > 150+32 {
			t.Errorf("%s with %d feeds a host: %d connections for 150 hosts, want hardly more than one each", tt.protocol, tt.per, got)
		}
		r.Close()
		if got := len(f.connections); got != 0 || c.open.Load() != 0 {
			t.Errorf("%s: %d descriptors are counted and %d open after the end, want none", tt.protocol, got, c.open.Load())
		}
	}
}

// TestWhatWeLackIsNoFeedsFault: a machine that is out of something makes feeds
// wait, and what is not there after all cancels them, quickly once that is known.
func TestWhatWeLackIsNoFeedsFault(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL} {
		lacking := true
		inBubble(t, feeds.Options{}, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, feedBody(1)) }, func(t *testing.T, r *Refresher) {
			pipes := r.transport.dial
			r.transport.dial = func(ctx context.Context, host, port string) (net.Conn, error) {
				if lacking {
					return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errno}
				}
				return pipes(ctx, host, port)
			}
			start := time.Now()
			for _, res := range runAll(t, r, jobsFor(100, "http://a.example/", "http://b.example/")) {
				if res.Class != feeds.Cancelled || res.Hint == "" {
					t.Fatalf("%v: %s (%s; %s), want cancelled with what to raise", errno, res.Class, res.Detail, res.Hint)
				}
			}
			if took := time.Since(start); took < lackPatience || took > 2*lackPatience {
				t.Errorf("%v: gave up after %v, want once after %v", errno, took, lackPatience)
			}
			lacking = false
			for _, res := range runAll(t, r, jobsFor(100, "http://a.example/", "http://b.example/")) {
				wantClass(t, res, feeds.OK) // nobody was blamed
			}
		})
	}
}
