package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/origin"
	"feedmill/internal/refresh"
	"feedmill/internal/store"
	"feedmill/internal/store/sqlite"
	"feedmill/internal/terminal"
)

// With envStalls set to a store, this test binary is a coordinator that
// refreshes the feeds of that store, and has less patience than others.
const envStalls = "FEEDMILL_TEST_STALLS"

func init() { parts[envStalls] = coordinateImpatiently }

// coordinateImpatiently is main of that coordinator.
func coordinateImpatiently(path string) int {
	a := &app{stdout: os.Stdout, stderr: os.Stderr, db: path, stuck: make(chan struct{}), lastGrace: 2 * time.Second}
	db, err := sqlite.Open(context.Background(), path, store.Options{})
	if err != nil {
		return a.exit(err)
	}
	defer db.Close()
	refs, err := dueFeeds(context.Background(), db, &input{}, true)
	if err != nil {
		return a.exit(err)
	}
	flags := &runnerFlags{
		mode: choice{"pipe", modes}, sandbox: choice{"best-effort", nil}, workers: 2, worker: os.Getenv("FEEDMILL_TEST_WORKER"),
		stallAfter: 3 * time.Second, stalled: a.stalled,
	}
	job := &round{
		db: db, path: path, refs: refs, flags: flags,
		options: feeds.Options{AllowNet: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, plan: refresh.Options{Force: true}, strict: true,
		report: newReport(os.Stdout, true), bars: terminal.NewProgress(os.Stderr, true, false), log: a.logger(),
	}
	return a.watched(context.Background(), job.run)
}

// TestARoundThatNobodyCanEndIsEnded: whoever takes the results does not come
// back, here because its report goes into a pipe that is held and not read. No
// error can be returned from there. The program says who waits for whom, ends
// its workers, and then itself with status 3; what was stored stays.
func TestARoundThatNobodyCanEndIsEnded(t *testing.T) {
	t.Parallel() // most of it is waiting until patience ends
	s := serve(t, origin.Options{Feeds: 2000, Hosts: 200, Items: 1, Bytes: 50})
	path := filepath.Join(t.TempDir(), "feeds.db")
	db, err := sqlite.Open(t.Context(), path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var subs []feeds.Subscription
	for u := range s.URLs() {
		subs = append(subs, feeds.Subscription{URL: u})
	}
	if _, err := db.Subscribe(t.Context(), subs); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() // not before the end: then nobody would hold the pipe
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	worker := filepath.Join(t.TempDir(), "worker") // its own, so that its processes are known by their file
	if err := os.Link(filepath.Join(programs, "worker"), worker); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), envStalls+"="+path, "FEEDMILL_TEST_WORKER="+worker)
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = w, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		cmd.Process.Kill()
		<-ended
		t.Fatalf("it still ran after a minute; stderr:\n%s", stderr.String())
	}
	if code := cmd.ProcessState.ExitCode(); code != exitFeeds {
		t.Errorf("it ended with %v, want exit status %d", cmd.ProcessState, exitFeeds)
	}
	for _, want := range []string{"nothing moved for", "who waits for whom", "the coordinator passes on a result", "worker 1: ", " goroutines"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("stderr lacks %q:\n%s", want, stderr.String())
		}
	}
	if !until(time.Second, func() bool { return len(running(worker)) == 0 }) {
		t.Errorf("workers %v outlive it by a second", running(worker))
	}
	if n := len(contents(t, path)); n == 0 || n >= 2000 {
		t.Errorf("%d items stored, want some of 2000", n)
	}
}

// TestTimeInWhichItWasStoppedIsNoServersFault: a round that is stopped, as by a machine
// that is paused, and goes on after more than a request may take ends as if nobody had.
func TestTimeInWhichItWasStoppedIsNoServersFault(t *testing.T) {
	t.Parallel() // most of it is waiting
	if !manyHosts() {
		t.Skip("this system answers on one loopback address only")
	}
	const hosts, limit = 20, 2 * time.Second
	for _, mode := range []string{everyMode()[0], goroutineMode} {
		var asked atomic.Int64
		goOn := make(chan struct{})
		s := served(t, "0.0.0.0:0", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			<-goOn
			io.WriteString(w, "<rss><channel><title>x</title><item><guid>1</guid></item></channel></rss>")
		}))
		_, port, _ := net.SplitHostPort(s.Addr)
		var list strings.Builder
		for i := range hosts {
			fmt.Fprintf(&list, "http://127.0.0.%d:%s/\n", i+1, port)
		}
		cmd := command(t, filepath.Join(t.TempDir(), "feeds.db"), "--list", writeFile(t, "list.txt", list.String()), "-n", "2", "--mode", mode, "--timeout", limit.String())
		wait := started(t, cmd)
		if !until(limit, func() bool { return asked.Load() == hosts }) {
			t.Errorf("%s: %d of %d requests came", mode, asked.Load(), hosts)
		}
		all := append(children(cmd.Process.Pid, filepath.Join(programs, "worker")), cmd.Process.Pid)
		for _, pid := range all {
			syscall.Kill(pid, syscall.SIGSTOP)
		}
		time.Sleep(2 * limit) // the point of the test
		for _, pid := range all {
			syscall.Kill(pid, syscall.SIGCONT)
		}
		close(goOn)
		out := wait()
		out.want(t, exitOK)
		for _, l := range out.feeds {
			if l.Class != feeds.OK {
				t.Errorf("%s: %s: %s (%s), want ok", mode, l.URL, l.Class, l.Detail)
			}
		}
		if len(out.feeds) != hosts || out.summary.WorkerDeaths != 0 {
			t.Errorf("%s: %d lines, %d deaths, want %d and none", mode, len(out.feeds), out.summary.WorkerDeaths, hosts)
		}
	}
}
