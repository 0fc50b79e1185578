//go:build unix

package pool_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
	"feedmill/internal/ipc/board"
	"feedmill/internal/ipc/carrier"
	"feedmill/internal/pool"
	"feedmill/internal/worker"
)

// The test binary is the worker: it plays the behaviour that the first of
// these variables names. The second is an argument of the behaviour. The
// third names a file: only the process that can create it misbehaves, all
// others are good. The name may have variables in it.
const (
	envBehaviour = "FEEDMILL_TEST_WORKER"
	envArg       = "FEEDMILL_TEST_ARG"
	envOnce      = "FEEDMILL_TEST_ONCE"
	envCPU       = "FEEDMILL_TEST_PARSE_CPU"
	envOffspring = "FEEDMILL_TEST_OFFSPRING" // the file for a child's number
	envEnclose   = "FEEDMILL_TEST_ENCLOSE"
	envFiltered  = "FEEDMILL_TEST_FILTERED" // the first thread alone has a filter
)

// behaviours are what a worker program can be like.
var behaviours = map[string]func(){
	"good":          func() { serve(os.Stdin, os.Stdout) },
	"dies early":    func() { fmt.Fprintln(os.Stderr, "no luck"); os.Exit(3) },
	"refuses":       func() { fmt.Fprintln(os.Stderr, "not like this"); os.Exit(ipc.ExitRefused) },
	"is no worker":  func() { fmt.Println("usage: something else"); io.Copy(io.Discard, os.Stdin) },
	"old":           old,
	"mute":          func() { ignoreAll(); forever() },
	"tiny frames":   func() { hello(&ipc.Hello{Version: ipc.Version, MaxFrame: 100}); io.Copy(io.Discard, os.Stdin) },
	"small frames":  func() { serveFrames(os.Stdin, os.Stdout, 1<<20) },
	"dies at byte":  func() { serve(os.Stdin, &cutWriter{left: argument()}) },
	"kills itself":  killsItself,
	"is stopped":    isStopped,
	"is taken over": isTakenOver,
	"hangs":         func() { ignoreAll(); hello(goodHello()); forever() },
	"never leaves":  func() { ignoreAll(); serve(os.Stdin, os.Stdout); forever() },
	"floods stderr": floods,
	"prints":        func() { serve(os.Stdin, &printer{after: argument()}) },
	"wrong id": func() {
		answers(func(c *ipc.Conn, r *feeds.Result) { r.ID += 1e6; c.SendResult(r) })
	},
	"foreign items": func() {
		answers(func(c *ipc.Conn, r *feeds.Result) {
			c.Send(&ipc.Items{ID: r.ID + 1e6, Items: []feeds.Item{{GUID: "x"}}})
		})
	},
	"answers twice": func() {
		answers(func(c *ipc.Conn, r *feeds.Result) { c.SendResult(r); c.SendResult(r) })
	},
	"wrong sequence": func() {
		answers(func(c *ipc.Conn, r *feeds.Result) {
			c.SendResult(r)
			ipc.NewConn(os.Stdin, os.Stdout, ipc.Options{}).SendResult(r)
		})
	},
	"says Bye early": func() {
		answers(func(c *ipc.Conn, r *feeds.Result) { c.Send(&ipc.Bye{}) })
	},
	"gives orders": func() {
		answers(func(c *ipc.Conn, r *feeds.Result) { c.Send(&ipc.Drain{}) })
	},
	"leaves without Bye": func() {
		answers(func(c *ipc.Conn, r *feeds.Result) { os.Exit(0) })
	},
	"closes stdout": func() {
		answers(func(c *ipc.Conn, r *feeds.Result) { os.Stdout.Close(); os.Stderr.Close(); forever() })
	},
	"has a child": func() { startChild(false); serve(os.Stdin, os.Stdout) },
	"has a child of its own group": func() {
		startChild(true)
		serve(os.Stdin, os.Stdout)
	},
	"child":        func() { ignoreAll(); child(os.Getenv(envArg)) },
	"reads slowly": func() { serve(&shortReader{os.Stdin}, os.Stdout) },
	"coordinates":  coordinates,

	"coordinates 200":    coordinates200,
	"coordinates slowly": coordinatesSlowly,
	"is hostile":         func() { answers(hostile) },
}

var usedBehaviours sync.Map

func TestMain(m *testing.M) {
	if name := os.Getenv(envBehaviour); name != "" {
		if once := os.ExpandEnv(os.Getenv(envOnce)); once != "" {
			f, err := os.OpenFile(once, os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				name = "good"
			} else {
				f.Close()
			}
		}
		behaviours[name]()
		os.Exit(0)
	}
	if n := os.Getenv(envRaw); n != "" {
		writeRaw(n)
		os.Exit(0)
	}
	flag.Parse()
	runMore()
	code := m.Run()
	for _, f := range []string{"test.run", "test.skip", "test.list", "test.bench", "test.fuzz"} {
		if flag.Lookup(f).Value.String() != "" {
			os.Exit(code)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(behaviours)) {
		if _, used := usedBehaviours.Load(name); !used && code == 0 {
			fmt.Fprintf(os.Stderr, "behaviour %q is used by no test\n", name)
			code = 1
		}
	}
	os.Exit(code)
}

// runMore has at least four tests run at a time, if nobody says how many: much of the
// time a test waits for a limit, or for the next try.
func runMore() {
	said := raceDetector // with it a test computes
	flag.Visit(func(f *flag.Flag) { said = said || f.Name == "test.parallel" })
	if !said {
		flag.Set("test.parallel", strconv.Itoa(max(4, runtime.GOMAXPROCS(0))))
	}
}

// as returns options with which the test binary is the worker program and
// behaves as named. They have the time to stop that they have by default: a good
// worker may need a second of it where much else is going on.
func as(tb testing.TB, name string, arg ...any) pool.Options {
	tb.Helper()
	if behaviours[name] == nil {
		tb.Fatalf("no behaviour %q", name)
	}
	usedBehaviours.Store(name, true)
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	return pool.Options{
		Path:    self,
		Workers: 2,
		Env:     []string{envBehaviour + "=" + name, envArg + "=" + strings.TrimSpace(fmt.Sprintln(arg...))},
		Refresh: feeds.Options{DrainGrace: 200 * time.Millisecond},
		// A machine that runs all tests at once may need seconds to start 200
		// processes.
		Patience: pool.Patience{HelloWithin: time.Minute},
		Logger:   textLogger(tb.Output()),
	}
}

// textLogger writes everything to w.
func textLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// onlyOnce makes all workers of o but one be good.
func onlyOnce(tb testing.TB, o pool.Options) pool.Options {
	o.Env = append(o.Env, envOnce+"="+tb.TempDir()+"/once")
	return o
}

// onceEach makes all processes of a worker but the first be good.
func onceEach(tb testing.TB, o pool.Options) pool.Options {
	o.Env = append(o.Env, envOnce+"="+tb.TempDir()+"/once-$FEEDMILL_WORKER")
	return o
}

// argument returns the behaviour's argument as a number.
func argument() int {
	n, err := strconv.Atoi(os.Getenv(envArg))
	if err != nil {
		panic(err)
	}
	return n
}

// forever is long enough for every test. Rejected: select {}, in which the
// runtime sees a deadlock.
func forever() { time.Sleep(time.Minute) }

func ignoreAll() { signal.Ignore(os.Interrupt, syscall.SIGTERM) }

func goodHello() *ipc.Hello {
	return &ipc.Hello{Version: ipc.Version, MaxFrame: ipc.DefaultMaxFrame}
}

// parseCPU is how long the good worker reads one document.
func parseCPU() time.Duration {
	d, err := time.ParseDuration(os.Getenv(envCPU))
	if err != nil {
		return time.Minute // longer than any test
	}
	return d
}

// scoreboard is that of this process, if it is a worker that is no good one.
var scoreboard *board.Board

// hello sends a Hello and returns the conversation.
func hello(h *ipc.Hello) *ipc.Conn {
	scoreboard, _ = board.Open(3)
	scoreboard.Enter(os.Getpid())
	c := connect(os.Stdin, os.Stdout, 0)
	c.Send(h)
	return c
}

// rawWrites put bytes where a worker's frames go, in the modes in which that is
// not stdout.
var rawWrites = map[carrier.Mode]func([]byte){}

func raw(b []byte) {
	mode, _ := told()
	if write := rawWrites[mode]; write != nil {
		write(b)
		return
	}
	os.Stdout.Write(b)
}

// connect returns the worker's end of the mode that the arguments name.
func connect(in io.Reader, out io.Writer, maxFrame uint32) *ipc.Conn {
	mode, generation := told()
	if mode == carrier.Pipe {
		return ipc.NewConn(in, out, ipc.Options{MaxFrame: maxFrame})
	}
	c, err := carrier.Connect(mode, carrier.Worker{Generation: generation, Stdin: in, Stdout: out})
	if err != nil {
		panic(err)
	}
	return c
}

func old() {
	hello(&ipc.Hello{Version: ipc.Version + 1, Build: "from next year", MaxFrame: ipc.DefaultMaxFrame})
	io.Copy(io.Discard, os.Stdin)
}

// serve is the good worker.
func serve(in io.Reader, out io.Writer) { serveFrames(in, out, 0) }

// serveFrames is the good worker, with a limit for what it is sent.
func serveFrames(in io.Reader, out io.Writer, maxFrame uint32) {
	seen, _ := board.Open(3)
	capture, _ := board.OpenCapture(4)
	err := worker.Serve(context.Background(), connect(in, out, maxFrame), worker.Options{
		Board:        seen,
		Capture:      capture,
		ParseCPU:     parseCPU(),
		Sandbox:      "none (test)",
		MaxFrame:     maxFrame,
		Heartbeat:    100 * time.Millisecond,
		NewRefresher: func(feeds.Options) (worker.Refresher, error) { return &refresher{}, nil },
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker: error:", err)
		if _, ok := errors.AsType[*worker.OverrunError](err); ok {
			os.Exit(ipc.ExitCPU)
		}
		os.Exit(ipc.ExitInternal)
	}
}

// modes returns the modes that this system has, but for manager: its server is
// the real worker program, so package main tests it.
func modes() []carrier.Mode {
	return slices.DeleteFunc(carrier.Modes(), func(m carrier.Mode) bool { return m == carrier.Manager })
}

// told returns the mode that this process was told, and its number in that.
func told() (carrier.Mode, uint32) {
	mode, generation := carrier.Pipe, uint32(0)
	for i, arg := range os.Args[:len(os.Args)-1] {
		switch value := os.Args[i+1]; arg {
		case "--carrier":
			mode = carrier.Mode(value)
		case "--generation":
			fmt.Sscan(value, &generation)
		}
	}
	return mode, generation
}

// hostile answers a job well unless its URL asks for something else.
func hostile(c *ipc.Conn, r *feeds.Result) {
	frame := func(breakIt func(b []byte)) {
		var b bytes.Buffer
		ipc.NewConn(os.Stdin, &b, ipc.Options{}).SendResult(r)
		breakIt(b.Bytes())
		raw(b.Bytes())
	}
	foreign := *r
	foreign.ID += 1e6
	switch r.Title {
	case "garbage":
		raw([]byte("panic: this is no frame\n"))
	case "4 GB":
		frame(func(b []byte) { copy(b[13:], "\xff\xff\xff\xff") })
	case "wrong checksum":
		frame(func(b []byte) { b[len(b)-1] ^= 1 })
	case "wrong number":
		frame(func([]byte) {})
	case "foreign result":
		c.SendResult(&foreign)
	case "foreign items":
		c.Send(&ipc.Items{ID: foreign.ID, Items: foreign.Items})
	case "early Bye":
		c.Send(&ipc.Bye{})
	case "memory that is not there":
		os.Stdout.WriteString("\x92\xcf\x00\x00\x00\x00\x00\x3f\xff\xff\xce\x00\x00\x10\x00")
	case "order":
		c.Send(&ipc.Drain{})
	default:
		c.SendResult(r)
		return
	}
	forever()
}

// answers is a worker that does with each result what bad does, once the first
// ten have been answered well. A worker whose jobs say what it does need not
// wait for that.
func answers(bad func(*ipc.Conn, *feeds.Result)) {
	c := hello(goodHello())
	n := 0
	if strings.HasPrefix(os.Getenv(envBehaviour), "is hostile") {
		n = 10
	}
	for jobs := range shards(c) {
		for _, j := range jobs {
			r := want(j)
			if n++; n > 10 {
				bad(c, &r)
			} else {
				c.SendResult(&r)
			}
		}
	}
}

// shards returns the jobs that the coordinator gives, until it says nothing more. One
// that drains is told Bye.
func shards(c *ipc.Conn) iter.Seq[[]feeds.Job] {
	return func(yield func([]feeds.Job) bool) {
		for m, err := c.Recv(); err == nil; m, err = c.Recv() {
			switch m := m.(type) {
			case *ipc.Drain:
				c.Send(&ipc.Bye{})
			case *ipc.Shard:
				if !yield(m.Jobs) {
					return
				}
			}
		}
	}
}

// floods writes many times what a pipe holds, before its Hello.
func floods() {
	line := strings.Repeat("x", 99) + "\n"
	for range 2 << 20 / len(line) {
		os.Stderr.WriteString(line)
	}
	serve(os.Stdin, os.Stdout)
}

// isStopped is a worker that a signal stops once it is given jobs.
func isStopped() {
	for range shards(hello(goodHello())) {
		syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		forever()
	}
}

// isTakenOver is a worker that belongs to a document, whose URL says so, as soon as
// it is given that: it then answers another one and stops, and its scoreboard names
// nobody.
func isTakenOver() {
	c := hello(goodHello())
	taken := func(j feeds.Job) bool { return j.URL == "takes over" }
	for jobs := range shards(c) {
		stops := slices.ContainsFunc(jobs, taken)
		for _, j := range slices.DeleteFunc(jobs, taken) {
			r := want(j)
			c.SendResult(&r)
			if stops {
				break
			}
		}
		if stops {
			syscall.Kill(os.Getpid(), syscall.SIGSTOP)
			forever()
		}
	}
}

// killsItself is a worker that is good until the moment that the argument has for its
// number, in microseconds.
func killsItself() {
	worker, err := strconv.Atoi(os.Getenv("FEEDMILL_WORKER"))
	if err != nil {
		panic(err)
	}
	after, err := time.ParseDuration(strings.Fields(os.Getenv(envArg))[worker] + "us")
	if err != nil {
		panic(err)
	}
	time.AfterFunc(after, func() {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	})
	serve(os.Stdin, os.Stdout)
}

// startChild starts a process that holds stdout and stderr for a minute, and
// returns when that has written its number to the file that the argument names.
func startChild(ownGroup bool) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envBehaviour+"=child")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: ownGroup}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	for _, err := os.Stat(os.Getenv(envArg)); err != nil; _, err = os.Stat(os.Getenv(envArg)) {
		time.Sleep(time.Millisecond)
	}
}

// child is a process that a worker starts. It writes its number to a file.
func child(path string) {
	note(path)
	forever()
}

func note(path string) {
	if err := os.WriteFile(path+".new", []byte(hostPID()), 0o600); err != nil {
		panic(err)
	}
	os.Rename(path+".new", path)
}

// A cutWriter ends the process after so many bytes of stdout.
type cutWriter struct{ left int }

func (c *cutWriter) Write(p []byte) (int, error) {
	n, err := os.Stdout.Write(p[:min(len(p), c.left)])
	if c.left -= n; n < len(p) {
		os.Exit(9)
	}
	return n, err
}

// A printer prints in the midst of frames, after so many of them.
type printer struct{ after int }

func (p *printer) Write(b []byte) (int, error) {
	if p.after--; p.after == 0 {
		fmt.Println("debug: got here")
	}
	return os.Stdout.Write(b)
}

// A shortReader reads in small steps.
type shortReader struct{ r io.Reader }

func (s *shortReader) Read(p []byte) (int, error) { return s.r.Read(p[:min(len(p), 1000)]) }
