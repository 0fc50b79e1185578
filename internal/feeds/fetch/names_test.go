package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
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
	n := newNames(10*time.Second, f, newUplink())
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

// TestWhatAForwarderRefusesIsNoMissingName: one that does so many questions at a time
// refuses the others, of some names only that for IPv4. They are asked for again.
func TestWhatAForwarderRefusesIsNoMissingName(t *testing.T) {
	url := listenOn(t, "127.0.0.2", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, feedBody(1)) })
	_, port, _ := net.SplitHostPort(url[len("http://"):])
	var now atomic.Int64
	dns := serveManyNames(t, func(q dnsmessage.Question) (dnsmessage.RCode, bool) {
		defer now.Add(-1)
		if now.Add(1) > 20 && q.Type == dnsmessage.TypeA {
			return dnsmessage.RCodeRefused, false
		}
		time.Sleep(5 * time.Millisecond) // what is under way at a time is the point
		switch {
		case strings.HasPrefix(q.Name.String(), "gone"):
			return dnsmessage.RCodeNameError, false
		case strings.HasPrefix(q.Name.String(), "broken") && q.Type == dnsmessage.TypeA:
			return dnsmessage.RCodeServerFailure, false
		}
		return dnsmessage.RCodeSuccess, false
	})
	var jobs []feeds.Job
	for i := range 300 {
		jobs = append(jobs, feeds.Job{ID: int64(i + 1), URL: fmt.Sprintf("http://%s%d.example:%s/", []string{"n", "gone", "broken"}[max(0, i-297)], i, port)})
	}
	for id, res := range runAll(t, withDNS(t, dns, "127.0.0.2/32"), jobs) {
		want, refused := feeds.OK, false
		if id > 298 {
			want, refused = feeds.DNS, id == 299
		}
		if res.Class != want || res.Refused != refused {
			t.Errorf("%s: %s (%s), no such name: %v; want %s and %v", jobs[id-1].URL, res.Class, res.Detail, res.Refused, want, refused)
		}
	}
}

// TestADeadNameServerIsAskedNoMore while another one talks: the resolver would wait for
// it before each name.
func TestADeadNameServerIsAskedNoMore(t *testing.T) {
	const dead, good = "192.0.2.1:53", "192.0.2.2:53"
	talks := serveManyNames(t, func(dnsmessage.Question) (dnsmessage.RCode, bool) { return dnsmessage.RCodeSuccess, false })
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	n := newNames(time.Second, newFileCount(64), newUplink())
	var dialled string
	n.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		dialled = address
		return new(net.Dialer).DialContext(ctx, "udp", map[string]string{dead: silent.LocalAddr().String(), good: talks}[address])
	}
	// ask asks a name server, as the resolver does, and returns who was asked.
	ask := func(server string) string {
		t.Helper()
		conn, err := n.reach(context.WithValue(t.Context(), askingKey{}, new(asking)), "udp", server)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		m := dnsmessage.Message{Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName("a.example."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}}
		question, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		conn.Write(question)
		patience := 10 * time.Second
		if dialled == dead {
			patience = time.Millisecond
		}
		conn.SetDeadline(time.Now().Add(patience))
		conn.Read(make([]byte, 512))
		return dialled
	}
	for range mostSilent {
		if got := ask(dead); got != dead {
			t.Fatalf("%s was asked for %s, which may yet answer", got, dead)
		}
	}
	if got := ask(dead); got != dead {
		t.Errorf("%s was asked, want %s while there is no other", got, dead)
	}
	ask(good)
	if got := ask(dead); got != good {
		t.Errorf("%s was asked, want %s, which talks", got, good)
	}
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
	n := newNames(time.Second, newFileCount(64), newUplink())
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

// TestAQuestionThatIsLostIsAskedAgain before a name server has had the time that it may take:
// its answer was lost, too, and the first question of the second address.
func TestAQuestionThatIsLostIsAskedAgain(t *testing.T) {
	var asked atomic.Int64
	lost := make(chan struct{})
	t.Cleanup(func() { close(lost) })
	dns := serveManyNames(t, func(dnsmessage.Question) (dnsmessage.RCode, bool) {
		if asked.Add(1) <= 3 {
			<-lost
		}
		return dnsmessage.RCodeSuccess, false
	})
	n := newNames(10*time.Second, newFileCount(64), newUplink())
	n.dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", dns)
	}
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Second) // for which the resolver waits by itself
	defer stop()
	addrs, err := n.lookup(ctx, "lost.example.")
	if err != nil || len(addrs) != 1 {
		t.Errorf("looked up %v, %v after %d questions, want an address", addrs, err, asked.Load())
	}
	before := asked.Load()
	if addrs, err := n.lookup(ctx, "no..name"); err == nil || !isDNS(err) || asked.Load() != before {
		t.Errorf("looked up what is no name: %v, %v after %d questions, want an error and no question", addrs, err, asked.Load()-before)
	}
}
