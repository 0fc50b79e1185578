package ipc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"feedmill/internal/feeds"
)

// newTestQueue returns a queue that is closed with the test.
func newTestQueue(tb testing.TB) *queue {
	tb.Helper()
	c, err := newQueue(CarrierOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	return c.(*queue)
}

// send starts a process that ships lists into q, and returns its line.
func send(t *testing.T, q *queue, incarnation uint32, n, content, times int) (line *queueLine, cmd *exec.Cmd) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	l, err := q.Join(End{Incarnation: incarnation, Stdin: io.Discard, Stdout: r})
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(os.Args[0], "-test.run=^TestShipChild$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d %d", envShip, ModeQueue, n, content, times))
	cmd.Stdout = w
	cmd.ExtraFiles = append([]*os.File{nil, nil}, l.Files()...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	t.Cleanup(func() {
		cmd.Process.Kill()
		l.Drain()
		cmd.Wait()
		l.Close()
		r.Close()
	})
	return l.(*queueLine), cmd
}

// TestAQueueGivesEachLineWhatItsProcessSaid: whole and in order, however long
// its frames are and whoever else sends, and then the end.
func TestAQueueGivesEachLineWhatItsProcessSaid(t *testing.T) {
	q := newTestQueue(t)
	shapes := []struct{ n, content, times int }{{3, 100, 2000}, {2, 60_000, 300}, {1, 3_000_000, 20}}
	var taking sync.WaitGroup // all at once: who does not take his own holds up the others
	for i, s := range shapes {
		line, cmd := send(t, q, uint32(i+1), s.n, s.content, s.times)
		line.Started(cmd.Process.Pid)
		taking.Go(func() {
			for k := range s.times {
				m, err := line.Recv()
				if err != nil || len(m.Items.Items) != s.n || len(m.Items.Items[s.n-1].Content) != s.content {
					t.Errorf("%v, message %d: got %v, %v", s, k, m, err)
					line.Drain()
					return
				}
				m.Release()
			}
			if m, err := line.Recv(); err != io.EOF {
				t.Errorf("%v: got %v, %v after the last message, want an end", s, m, err)
			}
		})
	}
	taking.Wait()
}

// TestAQueueSurvivesAKilledSender: what it had said whole comes, then its line
// ends, and others' go on.
func TestAQueueSurvivesAKilledSender(t *testing.T) {
	q := newTestQueue(t)
	victim, cmd := send(t, q, 1, 1, 1_000_000, 1_000_000)
	victim.Started(cmd.Process.Pid)
	for range 3 {
		if _, err := victim.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	cmd.Process.Kill()
	var err error
	for err == nil {
		_, err = victim.Recv()
	}
	if err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the killed one's line ended with %v, want an end", err)
	}
	other, cmd := send(t, q, 2, 1, 100, 10)
	other.Started(cmd.Process.Pid)
	for range 10 {
		if _, err := other.Recv(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAStrangerInTheQueueIsNotHeard: what comes from a process that is nobody's
// is dropped, and what stdout says is an error.
func TestAStrangerInTheQueueIsNotHeard(t *testing.T) {
	q := newTestQueue(t)
	stranger, _ := send(t, q, 1, 1, 100, 10)
	stranger.Started(0)
	if m, err := stranger.Recv(); err != io.EOF {
		t.Errorf("got %v, %v, want nothing but an end", m, err)
	}

	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	l, err := q.Join(End{Incarnation: 2, Stdin: io.Discard, Stdout: r})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.Started(os.Getpid())
	fmt.Fprint(w, "usage: something else")
	if m, err := l.Recv(); !errors.Is(err, ErrNotFrame) || !strings.Contains(err.Error(), "usage: something else") {
		t.Errorf("got %v, %v, want an error with what stdout says", m, err)
	}
	w.Close()
	l.Drain()
}

// TestWhoHasRoomTakesABatch, and what nobody took is taken back.
func TestWhoHasRoomTakesABatch(t *testing.T) {
	q := newTestQueue(t)
	source := &queueSource{in: q.taken, room: make([]byte, maxPacket)}
	jobs := []feeds.Job{{ID: 5, URL: "http://example.org/feed"}}
	for n := range int64(3) {
		if size, err := q.Offer(t.Context(), &Batch{Number: n + 1, Jobs: jobs}); err != nil || size < len(jobs[0].URL) {
			t.Fatalf("got %d, %v", size, err)
		}
	}
	if b, err := source.take(); err != nil || b.Number != 1 || len(b.Jobs) != 1 || b.Jobs[0].URL != jobs[0].URL {
		t.Fatalf("got %v, %v, want batch 1", b, err)
	}
	if got := q.Withdraw(); !slices.Equal(got, []int64{2, 3}) {
		t.Errorf("got batches %v back, want 2 and 3", got)
	}
	if got := q.Withdraw(); len(got) > 0 {
		t.Errorf("got batches %v back a second time", got)
	}
	jobs[0].URL = strings.Repeat("x", MaxOffer)
	if _, err := q.Offer(t.Context(), &Batch{Number: 4, Jobs: jobs}); !errors.Is(err, ErrMessageTooLarge) {
		t.Errorf("got %v, want %v", err, ErrMessageTooLarge)
	}
}

// TestAnOfferThatFindsNoRoomWaits, and gives up with its context.
func TestAnOfferThatFindsNoRoomWaits(t *testing.T) {
	q := newTestQueue(t)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	b := &Batch{Number: 1, Jobs: []feeds.Job{{ID: 1, URL: strings.Repeat("x", MaxOffer/2)}}}
	for n := 0; ; n++ {
		_, err := q.Offer(ctx, b)
		if errors.Is(err, ErrMessageTooLarge) || n > 1000 {
			t.Fatalf("offer %d: got %v, want it to wait until it is told to stop", n, err)
		}
		if err != nil {
			break
		}
	}
	if ctx.Err() == nil {
		t.Error("an offer failed although nobody had told it to stop")
	}
}

// TestATakerIsStopped also while it waits, and finds an end when there is
// nothing more.
func TestATakerIsStopped(t *testing.T) {
	for name, end := range map[string]func(*queue, *queueSource){
		"stop": func(_ *queue, s *queueSource) { s.stop() },
		"shut down": func(q *queue, _ *queueSource) {
			_ = q.taken.raw.Control(func(fd uintptr) { unix.Shutdown(int(fd), unix.SHUT_RDWR) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			q := newTestQueue(t)
			source := &queueSource{in: q.taken, room: make([]byte, maxPacket)}
			done := make(chan error, 1)
			go func() {
				_, err := source.take()
				done <- err
			}()
			end(q, source)
			if err := <-done; err != io.EOF {
				t.Errorf("got %v, want an end", err)
			}
			if name == "shut down" {
				if _, err := q.Offer(t.Context(), &Batch{Number: 1}); err == nil || errors.Is(err, ErrMessageTooLarge) {
					t.Errorf("offer into a queue that was shut down: got %v, want that it is of no use", err)
				}
			}
		})
	}
}

// BenchmarkBatch is the way of 32 jobs through the job queue, within one
// process: one system call to offer them and one to take them.
func BenchmarkBatch(b *testing.B) {
	q := newTestQueue(b)
	source := &queueSource{in: q.taken, room: make([]byte, maxPacket)}
	batch := &Batch{}
	for i := range 32 {
		batch.Jobs = append(batch.Jobs, feeds.Job{ID: int64(i + 1), URL: fmt.Sprintf("https://host%d.example.org/feed.xml", i), Known: make([]feeds.Known, 20)})
	}
	b.ReportAllocs()
	for b.Loop() {
		batch.Number++
		n, err := q.Offer(b.Context(), batch)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(n))
		if got, err := source.take(); err != nil || got.Number != batch.Number {
			b.Fatalf("got %v, %v", got, err)
		}
	}
}
