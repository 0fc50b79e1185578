package ipc

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// rawPiece is how long the writes and reads of the raw pipe are, in bytes.
const rawPiece = 256 << 10

// envSender makes the test binary the other end of BenchmarkPipe.
const envSender = "FEEDMILL_BENCH_SENDER"

func TestMain(m *testing.M) {
	if os.Getenv(envSender) != "" {
		sender()
		return
	}
	os.Exit(m.Run())
}

// BenchmarkPipe is the way of items from one process to another through a pipe
// like a worker's: encoded, sent, received, decoded and given back. Beside it
// goes the raw pipe: as many bytes between the same processes by plain writes
// and reads of 256 KiB, into one buffer. The two take turns, so that what else
// the machine does is the same for both. pipe/raw is their ratio in bytes per
// second, cpu-pipe/raw that in bytes per second of both processes' processor
// time.
//
// The ratios depend on where the kernel puts the two. On one core, raw bytes
// never leave its cache, and what frames need on top of them counts in full. On
// two, fetching bytes from the other core is most of the cost, for both.
func BenchmarkPipe(b *testing.B) {
	for i, s := range shapes {
		b.Run(fmt.Sprintf("content=%d", s.content), func(b *testing.B) {
			size := len(frameOf(b, benchMessage(i)))
			frames := 64 << 20 / size
			raws := frames * size / rawPiece
			p := startSender(b)
			to, in := NewConn(p.out, io.Discard, 0), make([]byte, rawPiece)
			framed := func() cost {
				return p.receive(b, fmt.Sprintln(frames, i), frames, func() error {
					m, err := to.Recv()
					if err == nil {
						m.Release()
					}
					return err
				})
			}
			raw := func() cost {
				return p.receive(b, fmt.Sprintln(raws, -1), raws, func() error {
					_, err := io.ReadFull(p.out, in)
					return err
				})
			}
			framed()
			raw()
			var pipe, plain cost
			for b.Loop() {
				pipe.add(framed())
				plain.add(raw())
			}
			n, rawN := float64(b.N*frames*size), float64(b.N*raws*rawPiece)
			b.ReportMetric(n/pipe.wall.Seconds()/1e6, "MB/s")
			b.ReportMetric(float64(pipe.cpu.Nanoseconds())/float64(b.N*frames*s.n), "cpu-ns/item")
			b.ReportMetric(float64(pipe.cpu.Nanoseconds())/n, "cpu-ns/B")
			b.ReportMetric(plain.wall.Seconds()/rawN*n/pipe.wall.Seconds(), "pipe/raw")
			b.ReportMetric(plain.cpu.Seconds()/rawN*n/pipe.cpu.Seconds(), "cpu-pipe/raw")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func benchMessage(shape int) *Message {
	return &Message{Items: &Items{ID: 1, Items: benchItems(shapes[shape].n, shapes[shape].content)}}
}

// sender is the sending process. For each line of its stdin, a count and the
// number of a shape or -1 for none, it sends so many frames or raw pieces, and
// says on descriptor 3 what processor time it took.
func sender() {
	runtime.GOMAXPROCS(1) // as in a worker
	conn := NewConn(nil, os.Stdout, 0)
	raw := bytes.Repeat([]byte("x"), rawPiece)
	bill := os.NewFile(3, "bill")
	ordered := bufio.NewReader(os.Stdin)
	var messages []*Message
	for i := range shapes {
		messages = append(messages, benchMessage(i))
	}
	for {
		var n, shape int
		if _, err := fmt.Fscanln(ordered, &n, &shape); err != nil {
			return
		}
		before := cpuTime()
		for range n {
			var err error
			if shape < 0 {
				_, err = os.Stdout.Write(raw)
			} else {
				err = conn.Send(messages[shape])
			}
			if err != nil {
				panic(err)
			}
		}
		fmt.Fprintln(bill, int64(cpuTime()-before))
	}
}

// A peer is a sending process as its receiver sees it.
type peer struct {
	in   io.Writer
	out  *os.File
	bill *bufio.Reader
}

// startSender starts a sending process. It ends with the benchmark.
func startSender(b *testing.B) *peer {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), envSender+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, theirs := widePipe(b)
	bill, theirBill := widePipe(b)
	cmd.Stdout, cmd.ExtraFiles = theirs, []*os.File{theirBill}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	theirs.Close()
	theirBill.Close()
	b.Cleanup(func() {
		in.Close()
		out.Close()
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	})
	return &peer{in, out, bufio.NewReader(bill)}
}

// receive orders something and calls one n times to take it in.
func (p *peer) receive(b *testing.B, order string, n int, one func() error) cost {
	b.Helper()
	start, used := time.Now(), cpuTime()
	if _, err := io.WriteString(p.in, order); err != nil {
		b.Fatal(err)
	}
	for range n {
		if err := one(); err != nil {
			b.Fatal(err)
		}
	}
	c := cost{time.Since(start), cpuTime() - used}
	var theirs int64
	if _, err := fmt.Fscanln(p.bill, &theirs); err != nil {
		b.Fatal(err)
	}
	c.cpu += time.Duration(theirs)
	return c
}

// A cost is what something took.
type cost struct{ wall, cpu time.Duration }

func (c *cost) add(d cost) { c.wall += d.wall; c.cpu += d.cpu }

// cpuTime returns what this process has used, user and system.
func cpuTime() time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// widePipe returns a pipe with as much room as a worker's output has.
func widePipe(b *testing.B) (r, w *os.File) {
	b.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { r.Close(); w.Close() })
	Widen(w)
	return r, w
}
