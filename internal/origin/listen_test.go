package origin

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"feedmill/internal/origin/hostile"
)

func TestOnlyLoopbackAddressesPass(t *testing.T) {
	for _, tt := range []struct {
		addr net.Addr
		want bool
	}{
		{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, true},
		{&net.TCPAddr{IP: net.IPv4(127, 200, 3, 4)}, true},
		{&net.TCPAddr{IP: net.IPv6loopback}, true},
		{&net.TCPAddr{IP: net.IPv4(192, 168, 1, 2)}, false},
		{&net.TCPAddr{IP: net.IPv4zero}, false},
		{&net.TCPAddr{IP: net.IPv4(128, 0, 0, 1)}, false},
		{&net.TCPAddr{}, false},
		{&net.UnixAddr{Name: "x"}, false},
	} {
		if got := isLoopback(tt.addr); got != tt.want {
			t.Errorf("isLoopback(%v): got %v, want %v", tt.addr, got, tt.want)
		}
	}
}

// fakeListener hands out what it is given and then ends.
type fakeListener struct {
	net.Listener
	conns chan net.Conn
}

func (l *fakeListener) Accept() (net.Conn, error) {
	c, ok := <-l.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

// addressed is a connection that claims a local address.
type addressed struct {
	net.Conn
	local net.Addr
}

func (c addressed) LocalAddr() net.Addr { return c.local }

func TestAConnectionFromOutsideIsClosedUnread(t *testing.T) {
	outside, peer := net.Pipe()
	inside, _ := net.Pipe()
	conns := make(chan net.Conn, 2)
	conns <- addressed{outside, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80}}
	conns <- addressed{inside, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9), Port: 80}}
	var set connSet
	l := &listener{Listener: &fakeListener{conns: conns}, set: &set}
	got, err := l.Accept()
	if err != nil || got.(*conn).host.String() != "127.0.0.9" {
		t.Fatalf("Accept: got %v, %v, want the connection to 127.0.0.9", got, err)
	}
	if _, err := peer.Write([]byte("GET")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("write from outside: got %v, want %v", err, io.ErrClosedPipe)
	}
	if set.refused.Load() != 1 || set.accepted.Load() != 1 {
		t.Errorf("got %d refused and %d accepted, want 1 and 1", set.refused.Load(), set.accepted.Load())
	}
	set.closeAll()
	if late := set.add(addressed{inside, inside.LocalAddr()}); late == nil {
		t.Error("a connection after closeAll: got nil")
	}
}

func TestSkewOfTheWeb(t *testing.T) {
	for _, n := range []int{0, 1, 100, 36515} {
		counts, total := WebSkew(n), 0
		for _, c := range counts {
			total += c
		}
		if total != n {
			t.Errorf("WebSkew(%d): got %d feeds in all, want %d", n, total, n)
		}
		if n == 36515 && (counts[0] != 1869 || counts[len(counts)-1] != 1 || len(counts) < 29_000) {
			t.Errorf("WebSkew(%d): got %d hosts, first %d, last %d", n, len(counts), counts[0], counts[len(counts)-1])
		}
	}
}

func ExampleServer_URLs() {
	s, err := New(Options{Addr: "127.0.0.1:0", HostCounts: []int{2, 1}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	_, port, _ := net.SplitHostPort(s.Addr())
	for u := range s.URLs() {
		fmt.Println(strings.Replace(u, ":"+port, ":PORT", 1))
	}
}

func TestWithoutLoopbacksEveryFeedIsOnOneHost(t *testing.T) {
	s := quiet(t, Options{Feeds: 6, Hosts: 3})
	s.hosts.loopbacks = false
	var err error
	if s.kit, err = hostile.New(stage{s}, hostile.Options{}); err != nil {
		t.Fatal(err)
	}
	for u := range s.URLs() {
		if !strings.HasPrefix(u, "http://"+s.Addr()+"/feed/") {
			t.Errorf("got %s, want it on %s", u, s.Addr())
		}
	}
	if got, want := s.HostileURL("gone"), "http://"+s.Addr()+"/hostile/gone"; got != want {
		t.Errorf("hostile case: got %s, want %s", got, want)
	}
}
