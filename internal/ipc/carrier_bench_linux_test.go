package ipc

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

// envShip makes the test binary a process that ships lists: the mode, the items
// of a list, the length of their contents, and how often.
const envShip = "FEEDMILL_TEST_SHIP"

// TestShipChild is no test but the process of BenchmarkCarriers.
func TestShipChild(t *testing.T) {
	var mode Mode
	var n, content, times int
	if _, err := fmt.Sscan(os.Getenv(envShip), &mode, &n, &content, &times); err != nil {
		t.Skip("only as a child of a benchmark")
	}
	runtime.GOMAXPROCS(1) // as the worker does
	c, err := Connect(mode, WorkerEnd{1, os.Stdin, os.Stdout})
	if err != nil {
		t.Fatal(err)
	}
	m := &Message{Items: &Items{ID: 1, Items: benchItems(n, content)}}
	used := cpuTime()
	for range times {
		if err := c.Send(m); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	if err := c.Flush(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Fprint(os.Stderr, int64(cpuTime()-used))
	os.Exit(0) // what else a test says would go between the frames
}

// A shipment is what it cost to ship lists from one process to another.
type shipment struct {
	bytes    int64
	items    int
	wall     time.Duration
	sender   time.Duration // CPU time
	receiver time.Duration
}

// ship has another process send a list so many times, and gives it back as soon
// as it is decoded.
func ship(b *testing.B, mode Mode, n, content, times int) (s shipment) {
	b.Helper()
	carrier, err := NewCarrier(mode, CarrierOptions{})
	if err != nil {
		b.Skipf("the mode %s is not to be had here: %v", mode, err)
	}
	defer carrier.Close()
	r, w := widePipe(b)
	line, err := carrier.Join(End{Incarnation: 1, Stdout: r})
	if err != nil {
		b.Fatal(err)
	}
	defer line.Close()
	var said strings.Builder
	cmd := exec.Command(os.Args[0], "-test.run=^TestShipChild$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d %d", envShip, mode, n, content, times))
	cmd.Stdout, cmd.Stderr = w, &said
	cmd.ExtraFiles = append([]*os.File{nil, nil}, line.Files()...)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	line.Started(cmd.Process.Pid)
	w.Close()
	start := time.Now()
	used := cpuTime()
	for range times {
		m, err := line.Recv()
		if err != nil || len(m.Items.Items) != n || len(m.Items.Items[n-1].Content) != content {
			b.Fatalf("got %v, %v, stderr %q", m, err, said.String())
		}
		m.Release()
	}
	s.receiver, s.wall = cpuTime()-used, time.Since(start)
	s.bytes, s.items = line.Received(), n*times
	line.Drain()
	if err := cmd.Wait(); err != nil {
		b.Fatalf("%v: %s", err, said.String())
	}
	if _, err := fmt.Sscan(said.String(), (*int64)(&s.sender)); err != nil {
		b.Fatalf("child said %q: %v", said.String(), err)
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
	const volume = 512 << 20
	for _, content := range []int{200, 2 << 10, 20 << 10, 200 << 10} {
		n := max(PieceSize/(content+200), 1)
		times := volume / (n * (content + 200))
		for _, mode := range Modes() {
			if mode == ModePipe || mode == ModeManager { // whose server is another program
				continue
			}
			b.Run(fmt.Sprintf("%s/content=%d", mode, content), func(b *testing.B) {
				var of, pipe shipment
				ship(b, mode, n, content, times) // memory that was never used before costs more
				for b.Loop() {
					pipe.add(ship(b, ModePipe, n, content, times))
					of.add(ship(b, mode, n, content, times))
				}
				per := func(d time.Duration, s shipment) float64 { return float64(d) / float64(s.items) }
				b.ReportMetric(per(of.sender, of), "send-ns/item")
				b.ReportMetric(per(of.receiver, of), "recv-ns/item")
				b.ReportMetric(per(pipe.sender, pipe), "pipe-send-ns/item")
				b.ReportMetric(per(pipe.receiver, pipe), "pipe-recv-ns/item")
				b.ReportMetric(float64(of.sender+of.receiver)/float64(of.bytes), "cpu-ns/B")
				b.ReportMetric(float64(pipe.sender+pipe.receiver)/float64(pipe.bytes), "pipe-cpu-ns/B")
				cpu := float64(of.sender+of.receiver) / float64(of.bytes)
				b.ReportMetric(float64(pipe.sender+pipe.receiver)/float64(pipe.bytes)/cpu, "x-pipe")
				b.ReportMetric(float64(of.bytes)/of.wall.Seconds()/1e6, "MB/s")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
