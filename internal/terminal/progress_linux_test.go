package terminal

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	sys "golang.org/x/sys/unix"

	"feedmill/internal/feeds"
)

// TestBarsEndWhereTheyStand: on a terminal a round ends, whatever its workers
// did of their shards: nothing, a part, all, or more. The bars show it.
func TestBarsEndWhereTheyStand(t *testing.T) {
	out, screen := newTerminal(t)
	p := NewProgress(out, false, true)
	lines := p.Over(out)
	p.Planned([]int{3, 3, 3, 3})
	for worker, n := range []int{0, 2, 3, 4} {
		for range n {
			p.Finished(worker, feeds.OK)
			p.Recorded(feeds.OK)
		}
	}
	p.Finished(0, feeds.Cancelled) // which was not done
	p.Recorded(feeds.Cancelled)
	if _, err := io.WriteString(lines, "a feed\n"); err != nil {
		t.Error(err)
	}
	p.Close()
	if _, err := io.WriteString(lines, "the summary\n"); err != nil {
		t.Error(err)
	}
	out.Close()
	last := <-screen
	if feed, summary, bars := strings.Index(last, "a feed"), strings.Index(last, "the summary"), strings.LastIndex(last, "9 / 9"); feed < 0 || bars < feed || summary < bars {
		t.Errorf("want the line of a feed above the bars and the summary below:\n%q", last)
	}
	last = last[max(strings.LastIndex(last, "worker 0"), 0):]
	for _, want := range []string{"0 / 0", "2 / 2", "3 / 3", "4 / 4", "9 / 9"} {
		if !strings.Contains(last, want) {
			t.Errorf("the bars do not end with %s:\n%q", want, last)
		}
	}
}

// TestADumbTerminalHasNoBars: one that cannot move its cursor is sent lines
// only.
func TestADumbTerminalHasNoBars(t *testing.T) {
	out, screen := newTerminal(t)
	t.Setenv("TERM", "dumb")
	p := NewProgress(out, false, true)
	p.Planned([]int{1})
	p.Finished(0, feeds.OK)
	p.Recorded(feeds.OK)
	if _, err := io.WriteString(p.Over(out), "a feed\n"); err != nil {
		t.Error(err)
	}
	p.Close()
	out.Close()
	if got, want := <-screen, "a feed\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// newTerminal returns a terminal to write to, and what was written once that is
// closed.
func newTerminal(t *testing.T) (out *os.File, screen <-chan string) {
	t.Helper()
	t.Setenv("TERM", "xterm")
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|sys.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	if err := sys.IoctlSetPointerInt(int(master.Fd()), sys.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := sys.IoctlGetInt(int(master.Fd()), sys.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if out, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|sys.O_NOCTTY, 0); err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	if err := sys.IoctlSetWinsize(int(out.Fd()), sys.TIOCSWINSZ, &sys.Winsize{Row: 24, Col: 100}); err != nil {
		t.Fatal(err)
	}
	done := make(chan string, 1)
	go func() {
		var b bytes.Buffer
		io.Copy(&b, master) // ends with EIO when the last writer is gone
		done <- b.String()
	}()
	return out, done
}
