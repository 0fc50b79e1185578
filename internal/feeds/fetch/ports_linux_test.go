package fetch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"feedmill/internal/feeds"
)

// TestPortsThatAreTakenAreNoFeedsFault: in a network of its own with 40 local ports,
// where another program has them all, or connections that were closed just now have
// (TIME_WAIT, of which 30,000 are as much in the usual range). Feeds are cancelled,
// with what to raise, and once there are ports all are refreshed.
func TestPortsThatAreTakenAreNoFeedsFault(t *testing.T) {
	const variable = "FEEDMILL_TEST_NETWORK"
	if os.Getenv(variable) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), variable+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		}
		out, err := cmd.CombinedOutput()
		switch {
		case errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EINVAL):
			t.Skipf("no network of its own: %v", err)
		case bytes.Contains(out, []byte("--- SKIP")):
			t.Skipf("%s", out)
		case err != nil || !bytes.Contains(out, []byte("--- PASS")):
			t.Errorf("in a network of its own: %v\n%s", err, out)
		}
		return
	}
	loopbackUp(t)
	const first, last = 20_000, 20_039
	knob(t, "ip_local_port_range", fmt.Sprintf("%d %d", first, last))
	knob(t, "tcp_tw_reuse", "0")
	const hosts = 4
	var at, urls []string
	for i := range hosts {
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.%d:8080", i+1))
		if err != nil {
			t.Fatal(err)
		}
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, feedBody(1)) })}
		go s.Serve(ln)
		defer s.Close()
		at = append(at, ln.Addr().String())
		urls = append(urls, "http://"+ln.Addr().String()+"/")
	}
	round := func(when string, want feeds.Class) {
		r := refresher(t, feeds.Options{})
		r.transport.hopeless.Store(true) // as it is after lackPatience
		defer r.Close()
		for _, res := range runAll(t, r, jobsFor(5*hosts, urls...)) {
			if res.Class != want || want == feeds.Cancelled && !strings.Contains(res.Hint, "ip_local_port_range") {
				t.Fatalf("%s: %s (%s; %s), want %s", when, res.Class, res.Detail, res.Hint, want)
			}
		}
	}
	var others []net.Listener
	for port := first; port <= last; port++ {
		ln, err := net.Listen("tcp4", fmt.Sprintf(":%d", port))
		if err != nil {
			t.Fatal(err)
		}
		others = append(others, ln)
	}
	round("while another program has the ports", feeds.Cancelled)
	for _, ln := range others {
		ln.Close()
	}
	round("when it has left", feeds.OK)

	for _, addr := range at {
		for n := 0; ; n++ {
			conn, err := net.Dial("tcp", addr)
			if errors.Is(err, syscall.EADDRNOTAVAIL) {
				break
			}
			if err != nil || n > last-first {
				t.Fatalf("connection %d to %s: %v, want no port left", n, addr, err)
			}
			conn.Close() // who closes first waits
		}
	}
	round("while closed connections have the ports", feeds.Cancelled)
	knob(t, "ip_local_port_range", "20000 30000")
	round("with what the hint says", feeds.OK)
}

// knob sets one of the network's.
func knob(t *testing.T, name, value string) {
	t.Helper()
	if err := os.WriteFile("/proc/sys/net/ipv4/"+name, []byte(value), 0); err != nil {
		t.Skipf("the network's settings cannot be written here: %v", err)
	}
}

// loopbackUp makes the loopback interface work.
func loopbackUp(t *testing.T) {
	t.Helper()
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(s)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, lo); err != nil {
		t.Skipf("the loopback interface of a network of one's own cannot be brought up here: %v", err)
	}
}
