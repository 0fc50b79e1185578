package fetch

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
)

// TestTheNextAddressIsTried: when one of a host's addresses refuses, and beside one
// that does not answer.
func TestTheNextAddressIsTried(t *testing.T) {
	ln, err := net.Listen("tcp4", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	port := netip.MustParseAddrPort(ln.Addr().String()).Port()
	d := &dialer{files: newFileCount(100)}
	d.net.ControlContext = func(ctx context.Context, _, address string, _ syscall.RawConn) error {
		if strings.HasPrefix(address, "127.0.0.4:") {
			<-ctx.Done() // it never answers
		}
		return ctx.Err()
	}
	good, refuses, silent := netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.3"), netip.MustParseAddr("127.0.0.4")
	for name, addrs := range map[string][]netip.Addr{
		"refused": {refuses, good}, "silent": {silent, good}, "both": {refuses, silent, good}, "first": {good, silent},
		"many silent": {silent, silent, refuses, silent, good},
	} {
		conn, err := d.race(t.Context(), addrs, port)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := conn.RemoteAddr().String(); got != ln.Addr().String() {
			t.Errorf("%s: connected to %s", name, got)
		}
		conn.Close()
	}
	none := &dialer{files: newFileCount(0), net: d.net} // no descriptor to spare: one after the other
	none.files.tryTake()
	if conn, err := none.race(t.Context(), []netip.Addr{refuses, refuses, good}, port); err != nil {
		t.Errorf("one after the other: %v", err)
	} else {
		conn.Close()
	}
	if _, err := d.race(t.Context(), []netip.Addr{refuses, refuses}, port); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("nobody listens, and the error is %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if conn, err := d.race(ended, []netip.Addr{refuses, good}, port); conn != nil || err == nil {
		t.Errorf("the request had ended: got %v, %v, want an error", conn, err)
	}
	if n := len(d.files.connections); n != 0 {
		t.Errorf("%d descriptors are still counted", n)
	}
}
