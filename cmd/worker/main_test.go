//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
	"feedmill/internal/ipc/carrier"
	"feedmill/internal/sandbox"
	"feedmill/internal/worker"
)

// The test binary is the worker when this variable says with which refresher.
const envRefresher = "FEEDMILL_TEST_REFRESHER"

var refreshers = map[string]func(feeds.Options) (worker.Refresher, error){
	"real": newRefresher,
	"odd":  func(feeds.Options) (worker.Refresher, error) { return &oddRefresher{}, nil },
}

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == killersName {
		killerMain()
	}
	name := os.Getenv(envRefresher)
	if name == "" {
		os.Exit(m.Run())
	}
	if name == "hostile" {
		prepareHostile()
	}
	wire, err := takeStdout()
	if err != nil {
		panic(err)
	}
	os.Exit(run(os.Args[1:], os.Stdin, wire, os.Stderr, refreshers[name]))
}

// An oddRefresher does what the job's URL says.
type oddRefresher struct{ parsing atomic.Int64 }

func (r *oddRefresher) Run(ctx context.Context, jobs <-chan feeds.Job, emit func(feeds.Result)) {
	for j := range jobs {
		r.parsing.Store(j.ID)
		switch j.URL {
		case "spin":
			for n := 0; ; n++ {
			}
		case "panic":
			panic("not caught by the parser")
		case "print":
			runtime.GC() // which closes the descriptor of a file that nobody has
			fmt.Println("printed")
			os.Stdout.WriteString("written\n")
			syscall.Write(1, []byte("raw\n"))
		case "log":
			log.Print("Unsolicited response received on idle HTTP channel")
		}
		emit(feeds.Result{ID: j.ID, Class: feeds.OK, Title: fmt.Sprint(runtime.GOMAXPROCS(0))})
	}
}

func (*oddRefresher) Cancel(int64) {}
func (*oddRefresher) Close()       {}
func (r *oddRefresher) Status() feeds.Status {
	return feeds.Status{Parsing: r.parsing.Load()}
}

// A child is a worker process under test.
type child struct {
	*ipc.Conn
	t      *testing.T
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stderr bytes.Buffer
}

// spawn starts a worker.
func spawn(t *testing.T, refresher string, args ...string) *child {
	t.Helper()
	return spawnWith(t, refresher, nil, args...)
}

// spawnWith starts a worker that inherits files, from descriptor 3 on.
func spawnWith(t *testing.T, refresher string, files []*os.File, args ...string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, cmd: exec.Command(self, args...)}
	c.cmd.Env = []string{envRefresher + "=" + refresher}
	c.cmd.Stderr = &c.stderr
	c.cmd.ExtraFiles = files
	c.stdin, err = c.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.cmd.Process.Kill(); c.cmd.Wait() })
	c.Conn = ipc.NewConn(stdout, c.stdin, ipc.Options{})
	return c
}

// start spawns a worker, exchanges Hellos and gives it jobs of these URLs.
func start(t *testing.T, refresher string, o feeds.Options, urls ...string) *child {
	t.Helper()
	return spawn(t, refresher).start(o, urls...)
}

// start exchanges Hellos with the worker and gives it jobs of these URLs.
func (c *child) start(o feeds.Options, urls ...string) *child {
	t := c.t
	t.Helper()
	if m, ok := c.recv().(*ipc.Hello); !ok || m.Sandbox == "" {
		t.Fatalf("got %+v, want a Hello with the sandbox level", m)
	}
	c.send(&ipc.Hello{Version: ipc.Version, MaxFrame: ipc.DefaultMaxFrame, Options: ipc.EncodeOptions(o)})
	shard := &ipc.Shard{}
	for i, u := range urls {
		shard.Jobs = append(shard.Jobs, feeds.Job{ID: int64(i + 1), URL: u})
	}
	c.send(shard)
	return c
}

func (c *child) send(m ipc.Message) {
	c.t.Helper()
	if err := c.Send(m); err != nil {
		c.t.Fatal(err)
	}
}

func (c *child) recv() ipc.Message {
	c.t.Helper()
	m, err := c.Recv()
	if err != nil {
		c.t.Fatalf("%v; stderr: %s", err, c.stderr.Bytes())
	}
	return m
}

// result receives until the next result.
func (c *child) result() *feeds.Result {
	c.t.Helper()
	for {
		if m, ok := c.recv().(*ipc.Result); ok {
			return &m.Result
		}
	}
}

// wantExit waits for the end of the process, which must come in time and with
// this status.
func (c *child) wantExit(want int) {
	c.t.Helper()
	tooLate := time.AfterFunc(time.Minute, func() { c.cmd.Process.Kill() })
	defer tooLate.Stop()
	go func() {
		for {
			if _, err := c.Recv(); err != nil {
				return
			}
		}
	}()
	c.cmd.Wait()
	if got := c.cmd.ProcessState.ExitCode(); got != want {
		c.t.Errorf("%v, want exit status %d; stderr: %s", c.cmd.ProcessState, want, c.stderr.Bytes())
	}
}

func TestEndOfStdinEndsABusyWorkerWithStatus0(t *testing.T) {
	c := start(t, "odd", feeds.Options{}, "spin")
	for ipc.Name(c.recv()) != "Heartbeat" {
	}
	c.stdin.Close()
	c.wantExit(0)
}

func TestDrainedWorkerEndsWithStatus0(t *testing.T) {
	c := start(t, "odd", feeds.Options{}, "ok")
	if got := c.result(); got.Title != "1" {
		t.Errorf("GOMAXPROCS is %s without a word from the coordinator, want 1", got.Title)
	}
	c.send(&ipc.Drain{})
	for ipc.Name(c.recv()) != "Bye" {
	}
	c.stdin.Close()
	c.wantExit(0)
}

func TestGarbageEndsWithStatus70(t *testing.T) {
	c := spawn(t, "real")
	c.recv()
	fmt.Fprintln(c.stdin, "refresh http://example.com/feed, please")
	c.wantExit(ipc.ExitInternal)
	if !strings.Contains(c.stderr.String(), "not a frame") {
		t.Errorf("stderr %q, want it to say what was wrong", c.stderr.String())
	}
}

func TestWhatWillNeverWorkEndsWithStatus64(t *testing.T) {
	for _, args := range [][]string{{"--nothing"}, {"--sandbox", "perhaps"}, {"--parse-cpu", "0s"}, {"http://example.com/feed"}} {
		c := spawn(t, "real", args...)
		c.wantExit(ipc.ExitRefused)
		if c.stderr.Len() == 0 {
			t.Errorf("%q: nothing on stderr", args)
		}
	}
	c := spawn(t, "real")
	c.recv()
	c.send(&ipc.Hello{Version: ipc.Version + 1})
	c.wantExit(ipc.ExitRefused)
}

func TestInterruptIsLeftToTheCoordinator(t *testing.T) {
	c := start(t, "odd", feeds.Options{}, "ok")
	c.result()
	if err := c.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	c.send(&ipc.Shard{Jobs: []feeds.Job{{ID: 2, URL: "ok"}}})
	if got := c.result(); got.ID != 2 {
		t.Errorf("got result of job %d, want 2", got.ID)
	}
	c.stdin.Close()
	c.wantExit(0)
}

func TestPrintsLandOnStderr(t *testing.T) {
	c := start(t, "odd", feeds.Options{}, "print", "log", "ok")
	c.result()
	c.result()
	c.result()
	c.stdin.Close()
	c.wantExit(0)
	if got, want := c.stderr.String(), "printed\nwritten\nraw\n"; got != want {
		t.Errorf("stderr holds %q, want %q", got, want)
	}
}

func TestPanicOutsideTheParserEndsTheProcess(t *testing.T) {
	c := start(t, "odd", feeds.Options{}, "panic")
	c.wantExit(2)
	if !strings.Contains(c.stderr.String(), "panic: not caught by the parser") {
		t.Errorf("stderr %q, want the panic", c.stderr.String())
	}
}

// TestADocumentThatTakesTooLongEndsTheWorker: it ends itself, with a status of
// its own, what the document took, and the stacks that show where. On a machine
// with much else to do whoever looks comes late, so it may be more than the limit.
func TestADocumentThatTakesTooLongEndsTheWorker(t *testing.T) {
	c := spawn(t, "odd", "--parse-cpu", "100ms").start(feeds.Options{}, "ok", "spin")
	c.wantExit(ipc.ExitCPU)
	if want := regexp.MustCompile(`the document of feed 2 took [1-9]\d\dms of CPU time`); !want.MatchString(c.stderr.String()) {
		t.Errorf("stderr does not match %q:\n%s", want, c.stderr.String())
	}
	if want := "(*oddRefresher).Run"; !strings.Contains(c.stderr.String(), want) {
		t.Errorf("stderr lacks %q:\n%s", want, c.stderr.String())
	}
}

// TestForeignDescriptor3IsLeftAlone: what is no scoreboard is for somebody
// else, and the worker serves without one.
func TestForeignDescriptor3IsLeftAlone(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	c := spawnWith(t, "odd", []*os.File{file, file}).start(feeds.Options{}, "ok")
	c.result()
	for _, fd := range []int{3, 4} {
		if runtime.GOOS != "linux" {
			break
		}
		if at, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", c.cmd.Process.Pid, fd)); err != nil || at != file.Name() {
			t.Errorf("descriptor %d is %q, %v, want %q", fd, at, err, file.Name())
		}
	}
	c.stdin.Close()
	c.wantExit(0)
}

// TestGOMEMLIMITLowersTheHardLimitToo: where there is little memory, a worker
// is not to take 512 MiB of it.
func TestGOMEMLIMITLowersTheHardLimitToo(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	for limit, want := range map[int64]int64{60 << 20: 100<<20 + mapped, 1 << 40: sandbox.DefaultDataLimit} {
		debug.SetMemoryLimit(limit)
		p := policy(options{})
		if slack := want - p.DataLimit; slack < 0 || slack > 20 || p.MemoryLimit > limit {
			t.Errorf("GOMEMLIMIT %d: limits %d and %d, want the second about %d", limit, p.MemoryLimit, p.DataLimit, want)
		}
	}
}

func TestRealWorkerRefreshesAFeed(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/rss+xml")
		io.WriteString(w, `<rss version="2.0"><channel><title>T</title><item><guid>1</guid><title>one</title></item></channel></rss>`)
	}))
	defer server.Close()
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	c := start(t, "real", feeds.Options{AllowNet: loopback}, server.URL)
	if got := c.result(); got.Class != feeds.OK || got.Title != "T" || len(got.Items) != 1 {
		t.Errorf("got %+v, want one item", got)
	}
}

// TestConnectBoundsThePortsWhateverTheOptionsSay: the wall is the sandbox, and
// stands before the coordinator has said anything.
func TestConnectBoundsThePortsWhateverTheOptionsSay(t *testing.T) {
	if l := sandbox.Probe().Landlock; l < 4 {
		t.Skipf("needs Landlock 4 or later for ports, there is %d", l)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `<rss version="2.0"><channel><item><guid>1</guid></item></channel></rss>`)
	}))
	defer server.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	o := feeds.Options{AllowNet: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	if got := spawn(t, "real", "--connect", "80,443").start(o, server.URL).result(); got.Class != feeds.Connect || !strings.Contains(got.Detail, "permission denied") {
		t.Errorf("port %s: got %s %s, want that the sandbox refuses it", port, got.Class, got.Detail)
	}
	if got := spawn(t, "real", "--connect", "80,443", "--connect", port).start(o, server.URL).result(); got.Class != feeds.OK {
		t.Errorf("port %s, when it is named: got %s %s, want ok", port, got.Class, got.Detail)
	}
	for _, bad := range []string{"", "0", "80,", "65536", "http"} {
		spawn(t, "real", "--connect", bad).wantExit(ipc.ExitRefused)
	}
}

func TestVersionIsPrinted(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "--version")
	cmd.Env = []string{envRefresher + "=real"}
	out, err := cmd.Output()
	if err != nil || !strings.HasPrefix(string(out), "worker ") || strings.Count(string(out), "\n") != 1 {
		t.Errorf("got %q, %v, want one line", out, err)
	}
}

func TestHelpSaysWhatAWorkerIs(t *testing.T) {
	var said bytes.Buffer
	if _, done, err := parseFlags([]string{"--help"}, nil, &said); !done || err != nil || !strings.HasPrefix(said.String(), "worker: "+whatItIs) || !strings.Contains(said.String(), "-parse-cpu") {
		t.Errorf("got %v, %v, %q, want what it is, and its flags", done, err, said.String())
	}
}

func TestExitStatusesSayWhatWentWrong(t *testing.T) {
	for err, want := range map[error]int{
		nil:                                   0,
		refusal("x"):                          ipc.ExitRefused,
		&ipc.VersionError{}:                   ipc.ExitRefused,
		&ipc.ProtocolError{Kind: io.EOF}:      ipc.ExitInternal,
		&worker.OverrunError{}:                ipc.ExitCPU,
		&carrier.LostError{Err: io.EOF}:       ipc.ExitCarrier,
		errors.New("anything else"):           ipc.ExitInternal,
		fmt.Errorf("x: %w", refusal("inner")): ipc.ExitRefused,
	} {
		if got := exit(io.Discard, err); got != want {
			t.Errorf("%v: exit status %d, want %d", err, got, want)
		}
	}
}

// The test binary links all that the worker does.
func TestNoStoreIsLinked(t *testing.T) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		t.Skip("the test binary has no build information: it was not built in module mode")
	}
	linked := map[string]bool{}
	for _, d := range info.Deps {
		linked[d.Path] = true
	}
	if !linked["github.com/vmihailenco/msgpack/v5"] {
		t.Fatalf("modules %v: msgpack must be there, so this list proves nothing", linked)
	}
	for _, m := range []string{"modernc.org/sqlite", "zombiezen.com/go/sqlite", "github.com/spf13/cobra", "github.com/vbauerster/mpb/v8"} {
		if linked[m] {
			t.Errorf("%s is linked into the worker", m)
		}
	}
}
