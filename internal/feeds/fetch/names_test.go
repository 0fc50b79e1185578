package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"feedmill/internal/feeds"
)

// TestTenThousandNamesAreLookedUpOnceEach, a bounded number at a time, though the
// name server takes its time; their failures are remembered.
func TestTenThousandNamesAreLookedUpOnceEach(t *testing.T) {
	const count = 10_000
	var asked, now, most atomic.Int64
	dns := serveManyNames(t, func(q dnsmessage.Question) (dnsmessage.RCode, bool) {
		asked.Add(1)
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(time.Millisecond)
		now.Add(-1)
		return dnsmessage.RCodeSuccess, false
	})
	f := newFileCount(1024)
	n := newNames(10*time.Second, f)
	n.dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", dns)
	}
	work := make(chan string)
	done := make(chan error, 200)
	for range cap(done) {
		go func() {
			var failed error
			for host := range work {
				if _, err := n.lookup(t.Context(), host); err != nil {
					failed = fmt.Errorf("%s: %w", host, err)
				}
			}
			done <- failed
		}()
	}
	for i := range count {
		for range 2 {
			work <- fmt.Sprintf("n%d.example.", i)
		}
	}
	close(work)
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if got := asked.Load(); got != 2*count { // A and AAAA
		t.Errorf("%d questions, want %d", got, 2*count)
	}
	if got, want := int(most.Load()), 2*cap(f.lookups); got > want {
		t.Errorf("%d questions at a time, want %d at most", got, want)
	}
	if got := len(n.known); got > maxNamesKept {
		t.Errorf("%d names are remembered, want %d at most", got, maxNamesKept)
	}
}

// TestResolverThatRefusesUsIsNoFeedsFault: nothing is answered, so feeds wait
// and are then cancelled; a name that alone is refused is its own fault.
func TestResolverThatRefusesUsIsNoFeedsFault(t *testing.T) {
	url := listenOn(t, "127.0.0.2", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, feedBody(1)) })
	_, port, _ := net.SplitHostPort(url[len("http://"):])
	var all atomic.Bool
	dns := serveManyNames(t, func(q dnsmessage.Question) (dnsmessage.RCode, bool) {
		if all.Load() || q.Name.String() == "blocked.example.net." {
			return dnsmessage.RCodeRefused, false
		}
		return dnsmessage.RCodeSuccess, q.Name.String() == "long.example.net."
	})
	r := withDNS(t, dns, "127.0.0.2/32")
	r.transport.hopeless.Store(true) // or it waits, which is TestWhatWeLackIsNoFeedsFault's
	all.Store(true)
	wantClass(t, get(t, r, "http://good.example.net:"+port+"/"), feeds.Cancelled)
	all.Store(false)
	wantClass(t, get(t, r, "http://good.example.net:"+port+"/"), feeds.OK)
	r.transport.hopeless.Store(true)
	wantClass(t, get(t, r, "http://blocked.example.net:"+port+"/"), feeds.DNS)
	// One whose answer does not fit is asked for over TCP, where nobody listens.
	wantClass(t, get(t, r, "http://long.example.net:"+port+"/"), feeds.DNS)

	gone, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	r = withDNS(t, gone.LocalAddr().String(), "127.0.0.2/32")
	r.transport.hopeless.Store(true)
	wantClass(t, get(t, r, "http://good.example.net:"+port+"/"), feeds.Cancelled)
}

// serveManyNames answers every name with 127.0.0.2, or with a code of error,
// each question on its own; truncated says that the answer did not fit.
func serveManyNames(t *testing.T, answer func(dnsmessage.Question) (code dnsmessage.RCode, truncated bool)) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		for {
			buf := make([]byte, 1500)
			n, from, err := conn.ReadFrom(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			go func() {
				var m dnsmessage.Message
				if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
					return
				}
				q := m.Questions[0]
				m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
				m.RCode, m.Truncated = answer(q)
				if m.RCode == dnsmessage.RCodeSuccess && q.Type == dnsmessage.TypeA && !m.Truncated {
					m.Answers = []dnsmessage.Resource{{
						Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}, Body: &dnsmessage.AResource{A: [4]byte{127, 0, 0, 2}},
					}}
				}
				if out, err := m.Pack(); err == nil {
					conn.WriteTo(out, from)
				}
			}()
		}
	}()
	return conn.LocalAddr().String()
}

// TestTheOldestNamesAreForgotten: the feeds of a host come close together, so the names
// that were asked for last are those that are asked for again.
func TestTheOldestNamesAreForgotten(t *testing.T) {
	n := newNames(time.Second, newFileCount(64))
	for i := range 3*maxNamesKept + 100 {
		stopped := &name{} // before it was answered
		n.remember("stopped", stopped)
		n.forget("stopped", stopped)
		e := &name{done: make(chan struct{})}
		if i != 7 { // which is being asked about all the time
			close(e.done)
		}
		n.remember(fmt.Sprint(i), e)
		for _, kept := range []int{max(0, i-maxNamesKept/2), min(i, 7)} {
			if n.known[fmt.Sprint(kept)] == nil && kept >= 7 {
				t.Fatalf("name %d is forgotten when %d was asked for", kept, i)
			}
		}
		if len(n.known) > maxNamesKept || len(n.order) != len(n.known) {
			t.Fatalf("%d names are remembered and %d in order, want both the same and %d at most", len(n.known), len(n.order), maxNamesKept)
		}
	}
}
