package carrier

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
)

// envChild makes the test binary a worker: a mode, a generation, the items of a
// list, the length of each one's content, and how often it sends that list.
const envChild = "FEEDMILL_TEST_CARRIER"

// TestMain is the worker where the environment says so.
func TestMain(m *testing.M) {
	if say := os.Getenv(envChild); say != "" {
		child(say)
	}
	os.Exit(m.Run())
}

func child(say string) {
	var mode Mode
	var generation uint32
	var n, content, times int
	if _, err := fmt.Sscan(say, &mode, &generation, &n, &content, &times); err != nil {
		panic(err)
	}
	runtime.GOMAXPROCS(1) // as the worker does
	c, err := Connect(mode, Worker{Generation: generation, Stdin: os.Stdin, Stdout: os.Stdout})
	if err != nil {
		panic(err)
	}
	if _, err := os.Stdin.Read(make([]byte, 1)); err != nil { // all begin at once
		panic(err)
	}
	m := &ipc.Items{ID: int64(generation), Items: itemsOf(n, content)}
	used := cpuTime()
	for range times {
		if err := c.Send(m); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	fmt.Fprint(os.Stderr, int64(cpuTime()-used))
	os.Exit(0)
}

func itemsOf(n, content int) []feeds.Item {
	items := make([]feeds.Item, n)
	for i := range items {
		items[i] = feeds.Item{Key: feeds.Key{byte(i), byte(i >> 8)}, Hash: uint64(i) * 7919, GUID: "g",
			Content: strings.Repeat("x", content), Categories: []string{"a", "b"}}
	}
	return items
}

// cpuTime returns what this process has used, user and system.
func cpuTime() time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// A sender is a worker process and the line to it.
type sender struct {
	Line
	cmd  *exec.Cmd
	said strings.Builder // its stderr
}

// start starts a worker. Where tell is false the line is not told which process
// it is of.
func start(tb testing.TB, c Carrier, mode Mode, generation uint32, n, content, times int, tell bool) *sender {
	tb.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	l, err := c.Join(End{Generation: generation, Stdin: io.Discard, Stdout: r})
	if err != nil {
		tb.Fatal(err)
	}
	s := &sender{Line: l, cmd: exec.Command(os.Args[0])}
	s.cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d %d %d", envChild, mode, generation, n, content, times))
	s.cmd.Stdout, s.cmd.Stderr = w, &s.said
	s.cmd.ExtraFiles = append([]*os.File{nil, nil}, l.Files()...)
	stdin, err := s.cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	w.Close()
	pid := 0
	if tell {
		pid = s.cmd.Process.Pid
	}
	l.Started(pid)
	io.WriteString(stdin, "x")
	tb.Cleanup(func() {
		s.cmd.Process.Kill()
		l.Drain()
		s.cmd.Wait()
		l.Close()
		stdin.Close()
		r.Close()
	})
	return s
}

// open returns a carrier that is closed with the test.
func open(tb testing.TB, mode Mode) Carrier {
	tb.Helper()
	c, err := New(mode, Options{})
	if err != nil {
		tb.Skipf("the mode %s is not to be had here: %v", mode, err)
	}
	tb.Cleanup(func() { c.Close() })
	return c
}

// ownModes are those that need nothing besides.
func ownModes() (all []Mode) {
	for _, m := range Modes() {
		if m != Manager {
			all = append(all, m)
		}
	}
	return all
}

// TestEachLineGetsWhatItsProcessSaid: whole and in order, however long its
// frames are and whoever else sends, and then the end.
func TestEachLineGetsWhatItsProcessSaid(t *testing.T) {
	for _, mode := range ownModes() {
		t.Run(string(mode), func(t *testing.T) {
			c := open(t, mode)
			shapes := []struct{ n, content, times int }{{3, 100, 2000}, {2, 60_000, 300}, {1, 3_000_000, 20}, {1, 5_000_000, 5}}
			var taking sync.WaitGroup // all at once: who does not take his own holds up the others
			for i, s := range shapes {
				generation := uint32(i + 1)
				from := start(t, c, mode, generation, s.n, s.content, s.times, true)
				want := ipc.Message(&ipc.Items{ID: int64(generation), Items: itemsOf(s.n, s.content)})
				taking.Go(func() {
					for k := range s.times {
						if m, err := from.Recv(); err != nil || !reflect.DeepEqual(m, want) {
							t.Errorf("%v, message %d: got %T, %v", s, k, m, err)
							from.Drain()
							return
						}
					}
					if m, err := from.Recv(); err != io.EOF {
						t.Errorf("%v: got %v, %v after the last message, want an end", s, m, err)
					}
				})
			}
			taking.Wait()
		})
	}
}

// TestAKilledSenderCostsNobodyElseAnything: what it had said whole comes, then
// its line ends, and others' go on.
func TestAKilledSenderCostsNobodyElseAnything(t *testing.T) {
	for _, mode := range ownModes() {
		t.Run(string(mode), func(t *testing.T) {
			c := open(t, mode)
			victim := start(t, c, mode, 1, 1, 1_000_000, 1_000_000, true)
			for range 3 {
				if _, err := victim.Recv(); err != nil {
					t.Fatal(err)
				}
			}
			victim.cmd.Process.Kill()
			var err error
			for err == nil {
				_, err = victim.Recv()
			}
			if err != io.EOF && !isCut(err) {
				t.Errorf("the killed one's line ended with %v, want an end", err)
			}
			other := start(t, c, mode, 2, 1, 100, 10, true)
			for range 10 {
				if _, err := other.Recv(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// A shipment is what it cost to ship lists from one process to another.
type shipment struct {
	bytes, items           float64
	wall, sender, receiver time.Duration
}

// ship has another process send a list so many times.
func ship(b *testing.B, mode Mode, n, content, times int) (s shipment) {
	b.Helper()
	c := open(b, mode)
	began, used := time.Now(), cpuTime()
	from := start(b, c, mode, 1, n, content, times, true)
	for range times {
		if _, err := from.Recv(); err != nil {
			b.Fatalf("%v, stderr %q", err, from.said.String())
		}
	}
	s.receiver, s.wall = cpuTime()-used, time.Since(began)
	s.bytes, s.items = float64(from.Received()), float64(n*times)
	from.Drain()
	if err := from.cmd.Wait(); err != nil {
		b.Fatalf("%v: %s", err, from.said.String())
	}
	if _, err := fmt.Sscan(from.said.String(), (*int64)(&s.sender)); err != nil {
		b.Fatalf("child said %q: %v", from.said.String(), err)
	}
	return s
}

func (s *shipment) add(t shipment) {
	s.bytes += t.bytes
	s.items += t.items
	s.wall += t.wall
	s.sender += t.sender
	s.receiver += t.receiver
}

// BenchmarkCarriers ships prepared lists between two real processes by pipe and
// by the other modes in turn, so that what else the machine does is the same
// for all. x-pipe is how many bytes a mode carries in a second of CPU time of
// both processes, as a multiple of pipe's.
func BenchmarkCarriers(b *testing.B) {
	const volume = 256 << 20
	for _, content := range []int{200, 2 << 10, 20 << 10, 200 << 10} {
		n := max(ipc.PieceSize/(content+200), 1)
		times := volume / (n * (content + 200))
		for _, mode := range ownModes() {
			if mode == Pipe {
				continue
			}
			b.Run(fmt.Sprintf("%s/content=%d", mode, content), func(b *testing.B) {
				var of, pipe shipment
				for b.Loop() {
					pipe.add(ship(b, Pipe, n, content, times))
					of.add(ship(b, mode, n, content, times))
				}
				per := func(s shipment) float64 { return float64(s.sender+s.receiver) / s.bytes }
				b.ReportMetric(per(of), "cpu-ns/B")
				b.ReportMetric(per(pipe), "pipe-cpu-ns/B")
				b.ReportMetric(per(pipe)/per(of), "x-pipe")
				b.ReportMetric(of.bytes/of.wall.Seconds()/1e6, "MB/s")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
