package sandbox

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

// init registers what a child does that is allowed, and what ends it.
func init() {
	children["works"] = func() {
		apply(Policy{})
		_, err := os.ReadFile("/etc/resolv.conf")
		say("resolv.conf", absent(err))
		_, err = os.ReadFile("/etc/hosts")
		say("hosts", absent(err))
		_, err = x509.SystemCertPool()
		say("certificates", err)
		say("https", get(os.Getenv("CHILD_URL")))
		say("lookup", lookup(os.Getenv("CHILD_DNS")))
		say("pipes", pipes())
		say("zone", time.Now().Local().Location())
	}
	children["connects"] = func() {
		apply(Policy{})
		say("dial", dial(os.Getenv("CHILD_ADDR")))
	}
	children["eats memory"] = func() {
		apply(Policy{DataLimit: 256 << 20})
		debug.SetGCPercent(-1)
		var all [][]byte
		for {
			b := make([]byte, 1<<20)
			for i := range b {
				b[i] = 1
			}
			all = append(all, b)
			if len(all) > 4096 {
				say("ate", "4 GiB")
				os.Exit(0)
			}
		}
	}
	children["recurses"] = func() {
		apply(Policy{})
		say("depth", deeper(1))
	}
}

// absent is nil for a file that this machine simply has not.
func absent(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}

func deeper(n int) int {
	var frame [256]byte
	frame[n%256] = 1
	if n < 0 {
		return n
	}
	return deeper(n+1) + int(frame[0])
}

// get asks a server whose certificate is in the environment.
func get(url string) error {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(os.Getenv("CHILD_CERT")))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// lookup asks a name server of the test's for a name.
func lookup(server string) error {
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", server)
	}}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	got, err := r.LookupHost(ctx, "feed.example.")
	if err == nil && (len(got) != 1 || got[0] != "192.0.2.7") {
		return fmt.Errorf("got %q, want 192.0.2.7", got)
	}
	return err
}

// pipes writes and reads what is open already.
func pipes() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	fmt.Fprint(w, "through")
	w.Close()
	b, err := io.ReadAll(r)
	if string(b) != "through" {
		return fmt.Errorf("got %q, %v", b, err)
	}
	return err
}

func dial(addr string) error {
	c, err := net.DialTimeout("tcp4", addr, 5*time.Second)
	if err != nil {
		return err
	}
	return c.Close()
}

// answerDNS answers every question on c with the address 192.0.2.7, or for
// IPv6 with none, until c is closed.
func answerDNS(c net.PacketConn) {
	buf := make([]byte, 512)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		q := append([]byte(nil), buf[:n]...)
		end := 12
		for end < n && q[end] != 0 {
			end += int(q[end]) + 1
		}
		end += 5 // the root label, type and class
		if end > n {
			continue
		}
		reply := append(q[:2:2], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0)
		reply = append(reply, q[12:end]...)
		if q[end-3] == 1 { // type A
			reply[7] = 1
			reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7)
		}
		c.WriteTo(reply, from)
	}
}

// TestAWorkersOwnWorkIsAllowed: names, certificates, TLS and pipes work in a
// process that has given up the rest.
func TestAWorkersOwnWorkIsAllowed(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
	defer server.Close()
	dns, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer dns.Close()
	go answerDNS(dns)
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	asEach(t, func(t *testing.T, as string) {
		r := runChild(t, "works", as, "CHILD_URL="+server.URL, "CHILD_CERT="+string(cert),
			"CHILD_DNS="+dns.LocalAddr().String()).finished(t)
		for _, what := range []string{"apply", "resolv.conf", "hosts", "certificates", "https", "lookup", "pipes"} {
			if got := r.said[what]; got != "<nil>" && got != "ok" {
				t.Errorf("%s: got %q, want that it works at level %s", what, got, r.said["level"])
			}
		}
	})
}

// TestOnlyTheNamedPortsAreConnectedTo: where the system can tell ports apart.
func TestOnlyTheNamedPortsAreConnectedTo(t *testing.T) {
	if Probe().Landlock < 4 {
		t.Skipf("needs Landlock 4 or later for ports, there is: %v", Probe())
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	open := runChild(t, "connects", "CHILD_ADDR="+l.Addr().String(), "CHILD_PORTS="+port).finished(t)
	if got := open.said["dial"]; got != "ok" && got != "<nil>" {
		t.Errorf("the named port: got %q, want a connection", got)
	}
	shut := runChild(t, "connects", "CHILD_ADDR="+l.Addr().String(), "CHILD_PORTS=80 443").finished(t)
	if got := shut.said["dial"]; !strings.Contains(got, "permission denied") {
		t.Errorf("another port: got %q, want permission denied", got)
	}
}

// TestAMemoryBombEndsAtTheLimit: with the Go runtime's own words and status,
// from which the coordinator knows what it was.
func TestAMemoryBombEndsAtTheLimit(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector multiplies memory, and has a word of its own when it gets no more")
	}
	r := runChild(t, "eats memory")
	if code := r.state.ExitCode(); code != 2 || !outOfMemory(r.stderr) {
		t.Errorf("ended with %v and said %q, want status 2 and out of memory; stderr begins %.300q", r.state, r.said, r.stderr)
	}
}

// TestDeepRecursionEndsAtTheLimit: long before the gigabyte that Go allows.
func TestDeepRecursionEndsAtTheLimit(t *testing.T) {
	r := runChild(t, "recurses")
	if code := r.state.ExitCode(); code != 2 || !strings.Contains(r.stderr, "stack overflow") {
		t.Errorf("ended with %v, want status 2 and a stack overflow; stderr begins %.300q", r.state, r.stderr)
	}
}

// BenchmarkApply measures a process that applies the policy and ends, against
// one that only ends.
func BenchmarkApply(b *testing.B) {
	children := map[string]string{"apply": "connects", "none": "nothing"}
	for name, child := range children {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				runChild(b, child, "CHILD_ADDR=127.0.0.1:1")
			}
		})
	}
}

func init() { children["nothing"] = func() {} }

// outOfMemory reports whether a runtime's last words are about memory. Go says
// so itself, and with cgo the C library may be the first to get none, for a
// thread.
func outOfMemory(stderr string) bool {
	for _, words := range []string{"out of memory", "cannot allocate memory", "pthread_create failed", "runtime.(*spanQueue)"} { // the last: see package pool
		if strings.Contains(stderr, words) {
			return true
		}
	}
	return false
}
