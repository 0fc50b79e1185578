package ipc

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"feedmill/internal/feeds"
)

// envCarry makes the test binary a process of BenchmarkModes: a worker, which is
// told a mode, the items of a result, the bytes of an item and how many results
// to send; or the manager of the mode of that name, which is told nothing.
const envCarry = "FEEDMILL_BENCH_CARRY"

// A toll is what a process has spent.
type toll struct {
	CPU      int64 // nanoseconds
	Mallocs  uint64
	Calls    int64 // of read and write and their like (/proc/self/io)
	Switches int64 // of context
}

func spent() toll {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t := toll{CPU: int64(cpuTime()), Mallocs: m.Mallocs}
	text, _ := os.ReadFile("/proc/self/io")
	for line := range strings.Lines(string(text)) {
		var n int64
		if _, err := fmt.Sscanf(line, "syscr: %d", &n); err == nil {
			t.Calls += n
		}
		if _, err := fmt.Sscanf(line, "syscw: %d", &n); err == nil {
			t.Calls += n
		}
	}
	text, _ = os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(text)) {
		if _, n, ok := strings.Cut(line, "voluntary_ctxt_switches:"); ok {
			var k int64
			fmt.Sscan(n, &k)
			t.Switches += k
		}
	}
	return t
}

func (t toll) minus(u toll) toll {
	return toll{t.CPU - u.CPU, t.Mallocs - u.Mallocs, t.Calls - u.Calls, t.Switches - u.Switches}
}

func (t *toll) add(u toll) {
	t.CPU += u.CPU
	t.Mallocs += u.Mallocs
	t.Calls += u.Calls
	t.Switches += u.Switches
}

// TestCarryChild is no test but a process of BenchmarkModes.
func TestCarryChild(t *testing.T) {
	say := os.Getenv(envCarry)
	switch say {
	case "":
		t.Skip("only as a child of a benchmark")
	case "manager":
		carryManager()
	default:
		carryWorker(say)
	}
}

// carryWorker sends results and then says what that took.
func carryWorker(say string) {
	var mode Mode
	var items, content, results int
	if _, err := fmt.Sscan(say, &mode, &items, &content, &results); err != nil {
		panic(err)
	}
	c, err := Connect(mode, WorkerEnd{1, os.Stdin, os.Stdout})
	if err != nil {
		panic(err)
	}
	r := &feeds.Result{Class: feeds.OK, Items: benchItems(items, content)}
	before := spent()
	for range results {
		r.ID++
		if err := c.SendResult(r); err != nil {
			panic(err)
		}
	}
	if err := c.Flush(); err != nil {
		panic(err)
	}
	fmt.Fprintln(os.Stderr, spent().minus(before))
	os.Exit(0)
}

// carryManager is a manager until its stdin ends, and then says what it took.
func carryManager() {
	socket := os.NewFile(3, "manager")
	l, err := net.FileListener(socket)
	if err != nil {
		panic(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	before := spent()
	if err := (&Manager{Key: carryKey}).Serve(ctx, l); err != nil {
		panic(err)
	}
	fmt.Fprintln(os.Stderr, spent().minus(before))
	os.Exit(0)
}

var carryKey = []byte("a key of sixteen")

// startCarryManager starts a manager, and returns its address and what ends it
// and returns what it took.
func startCarryManager(b *testing.B) (Address, func() toll) {
	b.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: fmt.Sprintf("@feedmill-bench-%d-%d", os.Getpid(), cpuTime()), Net: "unix"})
	if err != nil {
		b.Fatal(err)
	}
	socket, err := l.File()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestCarryChild$")
	cmd.Env = append(os.Environ(), envCarry+"=manager", "GOMAXPROCS=1")
	cmd.ExtraFiles = []*os.File{socket}
	var said bytes.Buffer
	cmd.Stderr = &said
	leash, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	socket.Close()
	l.Close()
	return Address{"unix", l.Addr().String(), carryKey}, func() toll {
		leash.Close()
		return waitToll(b, cmd, &said)
	}
}

// waitToll waits for a process and returns what it said that it took.
func waitToll(b *testing.B, cmd *exec.Cmd, said *bytes.Buffer) (t toll) {
	b.Helper()
	if err := cmd.Wait(); err != nil {
		b.Fatalf("%v: %s", err, said)
	}
	if _, err := fmt.Sscanf(said.String(), "{%d %d %d %d}", &t.CPU, &t.Mallocs, &t.Calls, &t.Switches); err != nil {
		b.Fatalf("child said %q: %v", said, err)
	}
	return t
}

// carry has a worker send results in a mode, and takes them.
func carry(b *testing.B, mode Mode, items, content, results int) (t toll, received int64) {
	b.Helper()
	var manager Address
	ended := func() toll { return toll{} }
	if mode == ModeManager || mode == ModeManagerAppend {
		manager, ended = startCarryManager(b)
	}
	c, err := NewCarrier(mode, CarrierOptions{Manager: func(Address) (Address, error) { return manager, nil }})
	if err != nil {
		b.Fatal(err)
	}
	r, w := widePipe(b)
	line, err := c.Join(End{Incarnation: 1, Stdin: io.Discard, Stdout: r})
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestCarryChild$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d %d", envCarry, mode, items, content, results), "GOMAXPROCS=1")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = w, &said
	cmd.ExtraFiles = append([]*os.File{nil, nil}, line.Files()...)
	before := spent()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	line.Started(cmd.Process.Pid)
	w.Close()
	for got, n := 0, 0; got < results; {
		m, err := line.Recv()
		if err != nil {
			b.Fatalf("%s: after %d results: %v: %s", mode, got, err, &said)
		}
		if m.Items != nil {
			n += len(m.Items.Items)
		} else if n += len(m.Result.Items); n != items {
			b.Fatalf("%s: result %d has %d items, want %d", mode, got, n, items)
		} else {
			got, n = got+1, 0
		}
		m.Release()
	}
	t = spent().minus(before)
	received = line.Received()
	line.Drain()
	t.add(waitToll(b, cmd, &said))
	line.Close()
	if err := c.Close(); err != nil {
		b.Error(err)
	}
	t.add(ended())
	return t, received
}

// BenchmarkModes is what each mode takes to bring the lists of feeds, 20 items
// each, from a process to this one: CPU time of all processes, a manager's too;
// allocations; calls that read or write, of which there are others that are not
// counted (flock, sendmsg, mmap); and how often somebody had to wait. x-pipe is
// the CPU time as a multiple of pipe's, taken in turn.
func BenchmarkModes(b *testing.B) {
	const items, volume = 20, 32 << 20
	for _, content := range []int{200, 2 << 10, 20 << 10} {
		results := volume / (items * content)
		for _, mode := range append(Modes(), ModeManagerAppend) {
			if mode == ModePipe {
				continue
			}
			b.Run(fmt.Sprintf("mode=%s/content=%d", mode, content), func(b *testing.B) {
				var of, pipe toll
				var carried int64
				for b.Loop() {
					t, _ := carry(b, ModePipe, items, content, results)
					pipe.add(t)
					t, n := carry(b, mode, items, content, results)
					of.add(t)
					carried += n
				}
				n := float64(items * results * b.N)
				b.ReportMetric(float64(of.CPU)/n, "cpu-ns/item")
				b.ReportMetric(float64(of.CPU)/float64(carried), "cpu-ns/B")
				b.ReportMetric(float64(of.Mallocs)/n, "allocs/item")
				b.ReportMetric(float64(of.Calls)/n, "calls/item")
				b.ReportMetric(float64(of.Switches)/n, "switches/item")
				b.ReportMetric(float64(pipe.CPU)/n, "pipe-cpu-ns/item")
				b.ReportMetric(float64(pipe.Calls)/n, "pipe-calls/item")
				b.ReportMetric(float64(of.CPU)/float64(pipe.CPU), "x-pipe")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
