package carrier

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"feedmill/internal/ipc"
)

// TestTwoWritersAndALock: with the lock no frame is torn, however long.
func TestTwoWritersAndALock(t *testing.T) {
	for _, size := range []int{1 << 10, 64 << 10, 200 << 10} {
		const results = 400
		c := open(t, LockedPipe)
		var readers sync.WaitGroup
		for n := uint32(1); n <= 2; n++ {
			from := start(t, c, LockedPipe, n, 1, size, results, true)
			readers.Go(func() {
				if got := drainLine(t, from); got != results {
					t.Errorf("%d bytes: %d messages of writer %d, want %d", size, got, n, results)
				}
			})
		}
		readers.Wait()
	}
}

// shared returns a shared pipe with lines for generations 1 and 2, and their
// stdouts' writing ends.
func shared(t *testing.T) (s *sharedPipe, lines [2]Line, stdouts [2]*os.File) {
	t.Helper()
	s, err := openSharedPipe()
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
		if lines[i], err = s.Join(End{Generation: uint32(i + 1), Stdin: io.Discard, Stdout: r}); err != nil {
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

// enveloped returns what generation n writes to say messages.
func enveloped(t *testing.T, n uint32, messages ...ipc.Message) []byte {
	t.Helper()
	var b bytes.Buffer
	lock, err := newFileLock()
	if err != nil {
		t.Fatal(err)
	}
	defer lock.close()
	c := ipc.NewConn(nil, &sharedWriter{w: &b, lock: lock, generation: n}, ipc.Options{})
	for _, m := range messages {
		if err := c.Send(m); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func itemsMessage(id int64, size int) ipc.Message {
	return &ipc.Items{ID: id, Items: itemsOf(2, size)}
}

// TestAWriterKilledInMidFrameCostsNobodyElseAnything cuts what one process
// writes at every byte, and has another one write behind it: all that the other
// one says arrives, and of the dead one what was whole.
func TestAWriterKilledInMidFrameCostsNobodyElseAnything(t *testing.T) {
	dying := enveloped(t, 1, itemsMessage(1, 10), itemsMessage(2, 10))
	first := len(enveloped(t, 1, itemsMessage(1, 10)))
	other := []ipc.Message{itemsMessage(7, 3), itemsMessage(8, 70_000), &ipc.Bye{}}
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
// that is not the next one.
func TestASharedPipeNamesWhatIsNotOfTheProtocol(t *testing.T) {
	skipped := enveloped(t, 1, itemsMessage(1, 10), itemsMessage(2, 10))[len(enveloped(t, 1, itemsMessage(1, 10))):]
	for name, c := range map[string]struct {
		stdout string
		pipe   []byte
		want   string
	}{
		"print":    {"hello\n", nil, "not a frame"},
		"sequence": {"", skipped, "wrong sequence"},
	} {
		s, lines, stdouts := shared(t)
		io.WriteString(stdouts[0], c.stdout)
		if _, err := s.w.Write(c.pipe); err != nil {
			t.Fatal(err)
		}
		if _, err := lines[0].Recv(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
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
	// The kernel says who is held off, so nobody need be waited for.
	if err := tryFlock(l.own); err != unix.EWOULDBLOCK {
		t.Errorf("the lock that another process holds is to be had: %v, want %v", err, unix.EWOULDBLOCK)
	}
	got := make(chan error, 1)
	go func() { got <- l.around(func() error { return nil }) }()
	cmd.Process.Kill()
	cmd.Wait()
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// tryFlock locks f, if nobody else has it locked.
func tryFlock(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }

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
