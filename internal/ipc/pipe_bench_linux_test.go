package ipc

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// rawPiece is how long the writes and reads of the raw pipe are, in bytes.
const rawPiece = 256 << 10

// BenchmarkPipe is the way of items through a real pipe, from one goroutine to
// another: encoded, sent, received, decoded and given back. Beside it goes the
// raw pipe: the same number of bytes by plain writes and reads of 256 KiB, into
// one buffer. The two take turns, so that what else the machine does is the
// same for both; pipe/raw is their ratio in bytes per second, and cpu/raw in
// processor time.
func BenchmarkPipe(b *testing.B) {
	for _, s := range shapes {
		b.Run(fmt.Sprintf("content=%d", s.content), func(b *testing.B) {
			m := &Message{Items: &Items{ID: 1, Items: benchItems(s.n, s.content)}}
			size := len(frameOf(b, m))
			frames := 64 << 20 / size
			r, w := widePipe(b)
			from, to := NewConn(nil, w, 0), NewConn(r, io.Discard, 0)
			out, in := bytes.Repeat([]byte("x"), rawPiece), make([]byte, rawPiece)
			raws := frames * size / rawPiece
			framed := func() cost {
				return both(b, frames, func() error { return from.Send(m) }, func() error {
					m, err := to.Recv()
					if err == nil {
						m.Release()
					}
					return err
				})
			}
			raw := func() cost {
				return both(b, raws, func() error { _, err := w.Write(out); return err },
					func() error { _, err := io.ReadFull(r, in); return err })
			}
			framed()
			raw()
			b.ReportAllocs()
			var pipe, plain cost
			for b.Loop() {
				pipe.add(framed())
				plain.add(raw())
			}
			bytes, plainBytes := float64(b.N*frames*size), float64(b.N*raws*rawPiece)
			b.ReportMetric(bytes/pipe.wall.Seconds()/1e6, "MB/s")
			b.ReportMetric(float64(pipe.cpu.Nanoseconds())/float64(b.N*frames*s.n), "cpu-ns/item")
			b.ReportMetric(plain.wall.Seconds()/plainBytes/(pipe.wall.Seconds()/bytes), "pipe/raw")
			b.ReportMetric(plain.cpu.Seconds()/plainBytes/(pipe.cpu.Seconds()/bytes), "cpu-pipe/raw")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// A cost is what something took.
type cost struct{ wall, cpu time.Duration }

func (c *cost) add(d cost) { c.wall += d.wall; c.cpu += d.cpu }

// both calls send n times on one goroutine and receive as often on another.
func both(b *testing.B, n int, send, receive func() error) cost {
	b.Helper()
	start, used := time.Now(), cpuTime()
	done := make(chan error, 1)
	go func() {
		for range n {
			if err := send(); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for range n {
		if err := receive(); err != nil {
			b.Fatal(err)
		}
	}
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	return cost{time.Since(start), cpuTime() - used}
}

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
	raw, err := w.SyscallConn()
	if err != nil {
		b.Fatal(err)
	}
	raw.Control(func(fd uintptr) { unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 1<<20) })
	return r, w
}
