package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestListsTakeTheMemoryOfOneFeed: what shows all feeds, or takes many, holds one at a
// time, in whatever order, folders and forms.
func TestListsTakeTheMemoryOfOneFeed(t *testing.T) {
	if raceEnabled {
		t.Skip("a program with the race detector takes several times the memory")
	}
	t.Parallel()
	const n, long = 6_000, 4 << 10 // 24 MB of URLs
	url := func(i int) string { return fmt.Sprintf("http://127.0.0.1:1/%d/%s", i, strings.Repeat("x", long)) }
	plain, opml := filepath.Join(t.TempDir(), "plain.db"), filepath.Join(t.TempDir(), "opml.db")
	named := func(list *bufio.Writer) {
		for i := range n {
			fmt.Fprintln(list, url(i))
		}
	}
	for _, tt := range []struct {
		db    string
		write func(*bufio.Writer)
	}{
		{plain, named},
		{opml, func(list *bufio.Writer) {
			fmt.Fprint(list, "<opml><body>")
			for i := range n { // 300 folders, of which each is there many times
				fmt.Fprintf(list, `<outline text="F%d"><outline type="rss" xmlUrl="%s"/></outline>`, i%300, url(i))
			}
			fmt.Fprint(list, "</body></opml>")
		}},
	} {
		add := exec.Command(filepath.Join(programs, "coordinator"), "--db", tt.db, "feeds", "import", "-")
		add.Stdin = written(tt.write)
		if got := peakOf(t, add); got > 76 {
			t.Errorf("feeds import into %s took %d MB of memory, want at most 76", tt.db, got)
		}
	}
	one := filepath.Join(t.TempDir(), "one.db")
	if out, err := exec.Command(filepath.Join(programs, "coordinator"), "--db", one, "feeds", "add", "--offline", "http://127.0.0.1:1/").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, tt := range []struct {
		db, args string
		most     int // MB: some 12 more than it takes with half of the list, where all of it would be 24 more
	}{
		{one, "refresh --dry-run --list -", 68},
		{plain, "feeds list", 54},
		{plain, "feeds list --format jsonl", 52},
		{plain, "feeds export", 52},
		{plain, "feeds export --format list", 52},
		{plain, "feeds list --sort name", 66},
		{opml, "feeds export", 70},
		{opml, "feeds list --sort category --format jsonl", 60},
	} {
		cmd := exec.Command(filepath.Join(programs, "coordinator"), append([]string{"--db", tt.db}, strings.Fields(tt.args)...)...)
		if strings.HasSuffix(tt.args, " -") {
			cmd.Stdin = written(named)
		}
		if got := peakNearTheEnd(t, cmd, n*long/10*9); got > tt.most {
			t.Errorf("%s took %d MB of memory, want at most %d", tt.args, got, tt.most)
		}
	}
	page := exec.Command(filepath.Join(programs, "coordinator"), "--db", opml, "page", "--out", filepath.Join(t.TempDir(), "site"))
	if got := peakOf(t, page); got > 74 {
		t.Errorf("page took %d MB of memory, want at most 74", got)
	}
}

// written returns what write writes, which nobody keeps.
func written(write func(*bufio.Writer)) io.Reader {
	in, out := io.Pipe()
	go func() {
		list := bufio.NewWriter(out)
		write(list)
		out.CloseWithError(list.Flush())
	}()
	return in
}

// peakOf runs a program and returns the most memory that it had, in MB: what the kernel
// says of it only ever grows, so that the last of many looks counts. What it may miss is
// a part of the end, when the store is closed.
func peakOf(t *testing.T, cmd *exec.Cmd) (peak int) {
	t.Helper()
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			if err != nil {
				t.Fatalf("%v: %v: %s", cmd.Args, err, said.String())
			}
			return peak
		case <-time.After(20 * time.Millisecond):
			peak = max(peak, peakMemory(cmd))
		}
	}
}

// peakMemory returns the most memory that a program has had so far, in MB; 0 when it is
// not there any more.
func peakMemory(cmd *exec.Cmd) int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	_, text, _ := strings.Cut(string(status), "VmHWM:")
	kb, _ := strconv.Atoi(strings.Fields(text + " ?")[0])
	return kb >> 10
}

// peakNearTheEnd returns the most memory, in MB, that a program has had by the
// time it has written so many bytes, and has it end in order. What the system says
// of one that has ended counts the memory of whoever started it, too.
func peakNearTheEnd(t *testing.T, cmd *exec.Cmd, after int64) int {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if n, err := io.CopyN(io.Discard, out, after); err != nil {
		t.Errorf("%v wrote %d bytes, want more than %d", cmd.Args, n, after)
	}
	peak := peakMemory(cmd)
	io.Copy(io.Discard, out)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %v", cmd.Args, err)
	}
	return peak
}
