package ipc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
)

// envSharer makes TestSharerChild a worker: a mode, an incarnation, a number of
// results and the bytes of each.
const envSharer = "FEEDMILL_TEST_SHARER"

// TestSharerChild is what the other tests start: it connects, as a worker
// does, and sends results.
func TestSharerChild(t *testing.T) {
	say := os.Getenv(envSharer)
	if say == "" {
		t.Skip("only for the tests that start it")
	}
	var mode string
	var incarnation uint32
	var results, size int
	if _, err := fmt.Sscan(say, &mode, &incarnation, &results, &size); err != nil {
		panic(err)
	}
	c, err := Connect(Mode(mode), WorkerEnd{Incarnation: incarnation, Stdin: os.Stdin, Stdout: os.Stdout})
	if err != nil {
		panic(err)
	}
	if _, err := os.Stdin.Read(make([]byte, 1)); err != nil { // all begin at once
		panic(err)
	}
	for i := range results {
		if err := c.Send(&Message{Items: &Items{ID: int64(i + 1), Items: itemsOf(1, size)}}); err != nil {
			panic(err)
		}
	}
	os.Exit(0)
}

// A sharing is what came of writers that shared a pipe.
type sharing struct {
	whole int // messages that arrived
	torn  int64
}

// share has two processes each send results of a size, at the same time.
func share(t testing.TB, mode Mode, results, size int) (s sharing) {
	t.Helper()
	c, err := NewCarrier(mode, CarrierOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	var mu sync.Mutex
	var starts []io.WriteCloser
	want := itemsOf(1, size)
	for n := uint32(1); n <= 2; n++ {
		stdoutR, stdoutW, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		l, err := c.Join(End{Incarnation: n, Stdin: io.Discard, Stdout: stdoutR})
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(os.Args[0], "-test.run=^TestSharerChild$")
		cmd.Env = []string{fmt.Sprintf("%s=%s %d %d %d", envSharer, mode, n, results, size)}
		cmd.Stdout, cmd.Stderr = stdoutW, os.Stderr
		cmd.ExtraFiles = append([]*os.File{nil, nil}, l.Files()...)
		start, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		l.Started(cmd.Process.Pid)
		stdoutW.Close()
		starts = append(starts, start)
		readers.Go(func() {
			for {
				m, err := l.Recv()
				if err != nil {
					if err != io.EOF {
						t.Errorf("%s, incarnation %d: %v", mode, n, err)
					}
					break
				}
				if got := m.Items.Items; len(got) != 1 || got[0].Content != want[0].Content {
					t.Errorf("%s: a torn list was taken for a whole one", mode)
				}
				mu.Lock()
				s.whole++
				mu.Unlock()
			}
			l.Drain()
			if err := cmd.Wait(); err != nil {
				t.Errorf("%s, incarnation %d: %v", mode, n, err)
			}
			l.Close()
			stdoutR.Close()
		})
	}
	for _, start := range starts {
		start.Write([]byte("x"))
	}
	readers.Wait()
	s.torn = c.(interface{ Torn() int64 }).Torn()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	return s
}

// TestTwoWritersTearAPipeAndALockMendsIt is the article's warning, and its
// remedy: above 4,096 bytes two writers on one end tear each other's frames.
// Every torn one is noticed; with the lock there are none.
func TestTwoWritersTearAPipeAndALockMendsIt(t *testing.T) {
	const results = 400
	for _, size := range []int{1 << 10, 64 << 10, 200 << 10} {
		if got := share(t, ModeLockedPipe, results, size); got != (sharing{whole: 2 * results}) {
			t.Errorf("with a lock, %d bytes: %+v, want %d whole ones and none torn", size, got, 2*results)
		}
	}
	if got := share(t, ModeUnsafePipe, results, 1<<10); got != (sharing{whole: 2 * results}) {
		t.Errorf("without a lock, frames within PIPE_BUF: %+v, want none torn", got)
	}
	for try := range 20 {
		got := share(t, ModeUnsafePipe, results, 200<<10)
		t.Logf("without a lock, %d frames of 200 KiB: %d whole, torn in %d places", 2*results, got.whole, got.torn)
		if got.torn > 0 && got.whole < 2*results {
			return
		}
		if got.torn > 0 || got.whole != 2*results {
			t.Errorf("try %d: %+v: torn and missing frames go together", try, got)
		}
	}
	t.Error("no frame was torn in 20 tries: the test shows nothing")
}

// shared returns a shared pipe with lines for incarnations 1 and 2, and their
// stdouts' writing ends.
func shared(t *testing.T) (s *sharedPipe, lines [2]Line, stdouts [2]*os.File) {
	t.Helper()
	s, err := newSharedPipe(CarrierOptions{}, true)
	if err != nil {
		t.Fatal(err)
	}
	var ours []*os.File
	for i := range lines {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		ours, stdouts[i] = append(ours, r, w), w
		if lines[i], err = s.Join(End{Incarnation: uint32(i + 1), Stdin: io.Discard, Stdout: r}); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, f := range ours {
			f.Close()
		}
		for _, l := range lines {
			l.Drain()
			l.Close()
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, lines, stdouts
}

// enveloped returns what incarnation n writes to say messages.
func enveloped(t *testing.T, n uint32, messages ...*Message) []byte {
	t.Helper()
	var b bytes.Buffer
	for i, m := range messages {
		c := NewConn(nil, &b, 0)
		c.sendSeq = uint32(i)
		head := make([]byte, envelopeSize)
		putEnvelope(head, n)
		b.Write(head)
		if err := c.Send(m); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func itemsMessage(id int64, size int) *Message {
	return &Message{Items: &Items{ID: id, Items: itemsOf(2, size)}}
}

// TestAWriterKilledInMidFrameCostsNobodyElseAnything cuts what one process
// writes at every byte, and has another one write behind it: all that the other
// one says arrives, and of the dead one what was whole.
func TestAWriterKilledInMidFrameCostsNobodyElseAnything(t *testing.T) {
	dying := enveloped(t, 1, itemsMessage(1, 10), itemsMessage(2, 10))
	first := len(enveloped(t, 1, itemsMessage(1, 10)))
	other := []*Message{itemsMessage(7, 3), itemsMessage(8, 70_000), {Bye: &Bye{Answered: 2}}}
	living := enveloped(t, 2, other...)
	for cut := range len(dying) + 1 {
		s, lines, stdouts := shared(t)
		for _, b := range [][]byte{dying[:cut], living} {
			if _, err := s.w.Write(b); err != nil {
				t.Fatal(err)
			}
		}
		stdouts[0].Close()
		want := 0
		if cut >= first {
			want++
		}
		if cut == len(dying) {
			want++
		}
		if got := drainLine(t, lines[0]); got != want {
			t.Errorf("cut at %d: %d messages of the dead one, want %d", cut, got, want)
		}
		stdouts[1].Close()
		if got := drainLine(t, lines[1]); got != len(other) {
			t.Errorf("cut at %d: %d messages of the living one, want %d", cut, got, len(other))
		}
		if torn := s.Torn() > 0; torn != (cut > 0 && cut != first && cut != len(dying)) {
			t.Errorf("cut at %d: torn %v", cut, torn)
		}
	}
}

// drainLine returns how many messages come until the end.
func drainLine(t *testing.T, l Line) (n int) {
	t.Helper()
	for {
		_, err := l.Recv()
		if err == io.EOF {
			return n
		}
		if err != nil {
			t.Fatalf("after %d messages: %v", n, err)
		}
		n++
	}
}

// TestALateFrameOfTheDeadIsDropped: whoever is gone is not heard any more, and
// its number may come back.
func TestALateFrameOfTheDeadIsDropped(t *testing.T) {
	s, lines, stdouts := shared(t)
	stdouts[0].Close()
	if got := drainLine(t, lines[0]); got != 0 {
		t.Fatalf("%d messages, want none", got)
	}
	late := append(enveloped(t, 1, itemsMessage(1, 10)), enveloped(t, 2, itemsMessage(2, 10))...)
	if _, err := s.w.Write(late); err != nil {
		t.Fatal(err)
	}
	stdouts[1].Close()
	if got := drainLine(t, lines[1]); got != 1 {
		t.Errorf("%d messages of the living one, want 1", got)
	}
}

// TestASharedPipeNamesWhatIsNotOfTheProtocol: a program that prints, a frame
// that is not the next one, one that only the coordinator may send.
func TestASharedPipeNamesWhatIsNotOfTheProtocol(t *testing.T) {
	forged := make([]byte, envelopeSize+headerSize)
	putEnvelope(forged, 1)
	sealFrame(forged[envelopeSize:], endOfLine, 0)
	skipped := enveloped(t, 1, itemsMessage(1, 10), itemsMessage(2, 10))[len(enveloped(t, 1, itemsMessage(1, 10))):]
	for name, c := range map[string]struct {
		stdout string
		pipe   []byte
		want   error
	}{
		"print":      {"hello\n", nil, ErrNotFrame},
		"sequence":   {"", skipped, ErrSequence},
		"forged end": {"", forged, ErrUnknownKind},
	} {
		s, lines, stdouts := shared(t)
		io.WriteString(stdouts[0], c.stdout)
		if _, err := s.w.Write(c.pipe); err != nil {
			t.Fatal(err)
		}
		if _, err := lines[0].Recv(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// TestALockDiesWithItsHolder kills a process that holds the lock.
func TestALockDiesWithItsHolder(t *testing.T) {
	l, err := newFileLock()
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	cmd := exec.Command(os.Args[0], "-test.run=^TestLockHolderChild$")
	cmd.Env = []string{envHolder + "=1"}
	cmd.ExtraFiles = []*os.File{l.file}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 1)); err != nil { // it holds the lock
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() { got <- l.around(func() error { return nil }) }()
	select {
	case err := <-got:
		t.Errorf("the lock was free while another process held it (%v)", err)
	default:
	}
	cmd.Process.Kill()
	cmd.Wait()
	if err := <-got; err != nil {
		t.Error(err)
	}
}

const envHolder = "FEEDMILL_TEST_HOLDER"

func TestLockHolderChild(t *testing.T) {
	if os.Getenv(envHolder) == "" {
		t.Skip("only for the test that starts it")
	}
	l, err := openFileLock(3)
	if err != nil {
		panic(err)
	}
	l.around(func() error {
		os.Stdout.Write([]byte("x"))
		select {}
	})
}
