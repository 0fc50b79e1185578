package board

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
	"feedmill/internal/ipc/memfd"
)

// envBoard makes the test binary a process with a scoreboard.
const envBoard = "FEEDMILL_TEST_SCOREBOARD"

// TestScoreboardChild is no test but the process of the next one.
func TestScoreboardChild(t *testing.T) {
	if os.Getenv(envBoard) == "" {
		t.Skip("only as a child of another test")
	}
	b, err := Open(3)
	if err != nil {
		t.Fatal(err)
	}
	if err := memfd.Check(3, recordSize, nil); err == nil {
		t.Fatal("descriptor 3 is still open")
	}
	s, err := OpenCapture(4)
	if err != nil {
		t.Fatal(err)
	}
	for _, job := range []int64{42, 43} {
		if err := s.Put(job, []byte("<rss>")); err != nil {
			t.Fatal(err)
		}
	}
	b.Enter(os.Getpid())
	b.Owe(3)
	b.Document(PhaseParse, 42)
	b.Bytes(4096)
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

func TestAScoreboardOutlivesSIGKILL(t *testing.T) {
	b, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	s, err := NewCapture()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Want(42); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestScoreboardChild$")
	cmd.Env = []string{envBoard + "=1"}
	cmd.ExtraFiles = []*os.File{b.File(), s.File()}
	out, _ := cmd.CombinedOutput()
	b.CloseFile()
	if status := cmd.ProcessState.String(); status != "signal: killed" {
		t.Fatalf("%s, want it killed\n%s", status, out)
	}
	want := Standing{
		PID: cmd.Process.Pid, Owed: 3, Changes: 2,
		Document: Work{Phase: PhaseParse, Job: 42, Bytes: 4096},
	}
	if got := b.Standing(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := b.Standing().Now().String(); got != "parse of feed 42 at byte 4096" {
		t.Errorf("it reads as %q", got)
	}
	for job, want := range map[int64]string{42: "<rss>", 43: ""} {
		if got, err := s.Document(job); err != nil || string(got) != want {
			t.Errorf("document of job %d is %q, %v, want %q", job, got, err, want)
		}
	}
}

func TestTheSizeOfAScoreboardIsSealed(t *testing.T) {
	b, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	fd := int(b.File().Fd())
	for _, size := range []int64{0, recordSize - 1, recordSize + 1, 1 << 30} {
		if err := unix.Ftruncate(fd, size); err != unix.EPERM {
			t.Errorf("truncate to %d bytes: %v, want %v", size, err, unix.EPERM)
		}
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_WRITE); err != unix.EPERM {
		t.Errorf("another seal: %v, want %v", err, unix.EPERM)
	}
	b.Begin(ipc.StageWrite, 1, 2) // the memory is still there
}

// TestWhatIsNoScoreboardIsLeftAlone: whatever else stands where a scoreboard
// should is an error, and stays open for whoever it belongs to.
func TestWhatIsNoScoreboardIsLeftAlone(t *testing.T) {
	const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	memfd := func(size int64, seals int, content []byte) *os.File {
		fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
		if err != nil {
			t.Fatal(err)
		}
		f := os.NewFile(uintptr(fd), "test")
		if err := f.Truncate(size); err != nil {
			t.Fatal(err)
		}
		f.WriteAt(content, 0)
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
			t.Fatal(err)
		}
		return f
	}
	plain, err := os.Create(filepath.Join(t.TempDir(), "plain"))
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]*os.File{
		"file":     plain,
		"unsealed": memfd(recordSize, unix.F_SEAL_GROW, nil),
		"short":    memfd(recordSize-1, seals, nil),
		"empty":    memfd(0, seals, nil),
		"foreign":  memfd(recordSize, seals, bytes.Repeat([]byte("x"), int(recordSize))),
		"capture":  memfd(headSize+maxCapture, seals, nil),
	} {
		if _, err := Open(int(f.Fd())); err == nil {
			t.Errorf("%s: taken for a scoreboard", name)
		}
		if _, err := OpenCapture(int(f.Fd())); err == nil {
			t.Errorf("%s: taken for a captured document", name)
		}
		if err := f.Close(); err != nil {
			t.Errorf("%s: %v, want it to be open still", name, err)
		}
	}
	if _, err := Open(9999); !errors.Is(err, unix.EBADF) {
		t.Errorf("no descriptor at all: %v, want %v", err, unix.EBADF)
	}
}

func TestNothingIsWrittenOnAMissingScoreboard(t *testing.T) {
	var b *Board
	b.Enter(1)
	b.Owe(1)
	b.Document(PhaseGuard, 1)
	b.Bytes(1)
	b.Begin(ipc.StageWrite, 1, 1)
	b.End(ipc.StageWrite)
	b.Wait(true)
	b.CloseFile()
	if b.File() != nil || b.Close() != nil || b.Standing() != (Standing{}) {
		t.Error("a missing scoreboard says something")
	}
	var s *Capture
	if s.File() != nil || s.Want(1) != nil || s.Put(1, nil) != nil || s.Close() != nil {
		t.Error("a missing captured document says something")
	}
}

// A spy looks at a scoreboard whenever something is written.
type spy struct {
	board *Board
	seen  []Work
}

func (s *spy) Write(p []byte) (int, error) {
	s.seen = append(s.seen, s.board.Standing().Now())
	return len(p), nil
}

func TestSendSaysWhichAnswerItWrites(t *testing.T) {
	b, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	b.Enter(1)
	w := &spy{board: b}
	c := ipc.NewConn(strings.NewReader(""), w, ipc.Options{})
	c.Probe(b)
	r := &feeds.Result{ID: 5, Class: feeds.OK, Items: []feeds.Item{{Content: strings.Repeat("x", ipc.PieceSize)}, {GUID: "2"}}}
	if err := c.SendResult(r); err != nil {
		t.Fatal(err)
	}
	if err := c.Send(&ipc.Heartbeat{}); err != nil {
		t.Fatal(err)
	}
	if len(w.seen) != 3 || w.seen[0].Job != 5 || w.seen[0].Phase != PhaseWrite || w.seen[1].Job != 5 || w.seen[2] != (Work{}) {
		t.Errorf("got %v, want two frames of job 5 and one of none", w.seen)
	}
	if got := b.Standing().Now(); got != (Work{}) {
		t.Errorf("afterwards it says %v, want nothing", got)
	}
}

func BenchmarkScoreboard(b *testing.B) {
	board, err := New()
	if err != nil {
		b.Fatal(err)
	}
	defer board.Close()
	b.Run("document", func(b *testing.B) {
		for b.Loop() {
			board.Document(PhaseGuard, 1)
			board.Document(PhaseParse, 1)
			board.Bytes(4096)
			board.Document(PhaseIdle, 0)
		}
	})
	b.Run("new", func(b *testing.B) {
		for b.Loop() {
			s, err := New()
			if err != nil {
				b.Fatal(err)
			}
			s.Close()
		}
	})
}
