package pool

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
)

func TestBackoffDoublesUpToABound(t *testing.T) {
	for k, want := range []time.Duration{50, 100, 200, 400, 800, 1600, 3200, 3200, 3200} {
		want *= time.Millisecond
		if got := backoff(k, 0); got != want {
			t.Errorf("failure %d: %v without jitter, want %v", k, got, want)
		}
		if got := backoff(k, 0.999); got < want/2 || got >= want {
			t.Errorf("failure %d: %v with jitter, want it in [%v, %v)", k, got, want/2, want)
		}
	}
	if got := backoff(1<<40, 0); got != backoffMost {
		t.Errorf("got %v after very many failures, want %v", got, backoffMost)
	}
}

func TestWatchCountsOnlyTimeSpentListening(t *testing.T) {
	const s = time.Second
	base := time.Unix(1e9, 0)
	at := func(seconds int) time.Time { return base.Add(time.Duration(seconds) * s) }
	tests := []struct {
		name string
		play func(w *watch)
		when int // of the check
		want string
	}{
		{"fresh", func(w *watch) {}, 9, ""},
		{"silent", func(w *watch) {}, 10, "said nothing for 10s"},
		{"heard since", func(w *watch) { w.hear(at(9)); w.listen(at(9)) }, 18, ""},
		{"a long frame moves", func(w *watch) { w.move(1, at(5)); w.move(2, at(9)) }, 18, ""},
		{"a long frame stands still", func(w *watch) { w.move(1, at(5)); w.move(1, at(9)) }, 18, "said nothing for 10s"},
		{"coordinator busy", func(w *watch) { w.hear(at(1)) }, 999, ""},
		{"one document for long", func(w *watch) {
			for i := 1; i < 25; i++ {
				w.hear(at(i))
				w.tick(7, at(i))
				w.listen(at(i))
			}
		}, 25, "parsed one document for 10s"},
		{"one document, but the coordinator was busy", func(w *watch) {
			w.tick(7, at(1))
			w.hear(at(2))
			w.listen(at(30))
		}, 31, ""},
		{"the document is answered", func(w *watch) {
			for i := 1; i < 25; i++ {
				w.hear(at(i))
				w.tick(7, at(i))
				w.answer(7, at(i))
				w.listen(at(i))
			}
		}, 25, ""},
		{"ticks but no answers", func(w *watch) {
			for i := 1; i < 100; i++ {
				w.hear(at(i))
				w.tick(int64(i), at(i))
				w.listen(at(i))
			}
		}, 100, "answered nothing for 1m0s"},
		{"the coordinator stood still", func(w *watch) { w.tick(7, at(1)); w.skip(500 * s) }, 509, ""},
		{"long idle, then jobs", func(w *watch) { w.begin(at(500)) }, 509, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := &watch{silence: 10 * s, parse: 10 * s, stall: 60 * s}
			w.begin(base)
			w.listen(base)
			tt.play(w)
			got := ""
			if err := w.check(at(tt.when)); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTailKeepsTheEndAndTheReason(t *testing.T) {
	var log bytes.Buffer
	w := &tail{log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	var all strings.Builder
	all.WriteString("starting\nfatal error: stack overflow\n")
	for i := range 200_000 {
		fmt.Fprintf(&all, "line %d\n", i)
	}
	all.WriteString("panic: later and not the cause\nno newline")
	for text := all.String(); text != ""; {
		n := min(len(text), 1+len(text)%7777)
		w.Write([]byte(text[:n]))
		text = text[n:]
	}
	w.end()
	if want := all.String()[all.Len()-tailBytes:]; w.text() != want {
		t.Errorf("kept %d bytes, want the last %d", len(w.text()), len(want))
	}
	if w.reason != "fatal error: stack overflow" || w.total != int64(all.Len()) {
		t.Errorf("reason %q after %d bytes, want the first one after %d", w.reason, w.total, all.Len())
	}
	if n := strings.Count(log.String(), "\n"); n != tailLogs+1 {
		t.Errorf("%d lines logged, want %d and a last word", n, tailLogs)
	}
	if cap(w.kept) > 8*tailBytes || cap(w.line) > 4*tailLine {
		t.Errorf("buffers grew to %d and %d bytes", cap(w.kept), cap(w.line))
	}
}

func TestOneEndlessLineIsBounded(t *testing.T) {
	w := &tail{log: slog.New(slog.DiscardHandler)}
	for range 1000 {
		w.Write(bytes.Repeat([]byte{'x'}, 10_000))
	}
	w.end()
	if len(w.text()) != tailBytes || cap(w.line) > 4*tailLine || w.lines != 1 {
		t.Errorf("kept %d bytes and %d of a line, %d lines", len(w.text()), cap(w.line), w.lines)
	}
}

func TestJudgeTellsHowAWorkerDied(t *testing.T) {
	broken := &ipc.ProtocolError{Kind: ipc.ErrChecksum}
	tests := []struct {
		name   string
		cause  error
		code   int
		end    string
		reason string
		last   string
		want   feeds.Class
		says   string
	}{
		{"killed by someone", nil, -1, "signal: killed", "", "x", feeds.WorkerSignal, "signal: killed"},
		{"hung", &hangError{what: "said nothing", after: time.Second}, -1, "signal: killed", "", "", feeds.WorkerCPU, "said nothing for 1s"},
		{"broke the protocol", fmt.Errorf("x: %w", broken), -1, "signal: killed", "", "", feeds.WorkerProtocol, "bad checksum"},
		{"stack", nil, 2, "exit status 2", "runtime: goroutine stack exceeds 1000000000-byte limit", "", feeds.WorkerStack, "stack exceeds"},
		{"stack, other line", nil, 2, "exit status 2", "fatal error: stack overflow", "", feeds.WorkerStack, "stack overflow"},
		{"memory", nil, 2, "exit status 2", "fatal error: runtime: out of memory", "", feeds.WorkerMemory, "out of memory"},
		{"memory, other line", nil, 2, "exit status 2", "fatal error: runtime: cannot allocate memory", "", feeds.WorkerMemory, "cannot allocate"},
		{"panic", nil, 2, "exit status 2", "panic: boom", "goroutine 1", feeds.WorkerSignal, "panic: boom"},
		{"words of a program that lives", nil, 3, "exit status 3", "fatal error: runtime: out of memory", "bye", feeds.WorkerSignal, "exit status 3: bye"},
		{"internal", nil, ExitInternal, "exit status 70", "", "worker: error: x", feeds.WorkerProtocol, "worker: error: x"},
		{"too much CPU", nil, ExitCPU, "exit status 71", "worker: error: the document of feed 5 took 10s of CPU time", "x", feeds.WorkerCPU, "gave up: the document of feed 5 took 10s"},
		{"left without a word", nil, 0, "exit status 0", "", "", feeds.WorkerProtocol, "exit status 0"},
	}
	for _, tt := range tests {
		got := judge(end{cause: tt.cause, code: tt.code, words: tt.end, reason: tt.reason, last: tt.last})
		if got.class != tt.want || !strings.Contains(got.detail, tt.says) {
			t.Errorf("%s: got %s, %q, want %s and %q", tt.name, got.class, got.detail, tt.want, tt.says)
		}
	}
}

// TestAKillForWantOfMemoryIsOneOfMemory: SIGKILL alone says nothing, but the
// system counts whom it killed to get memory back.
func TestAKillForWantOfMemoryIsOneOfMemory(t *testing.T) {
	killed := end{code: -1, signal: syscall.SIGKILL, words: "signal: killed"}
	if got := judge(killed); got.class != feeds.WorkerSignal {
		t.Errorf("killed by someone: got %s, want %s", got.class, feeds.WorkerSignal)
	}
	killed.oom = true
	if got := judge(killed); got.class != feeds.WorkerMemory {
		t.Errorf("killed while the system wanted memory: got %s, want %s", got.class, feeds.WorkerMemory)
	}
}

func TestWorkerGetsAMinimalEnvironment(t *testing.T) {
	t.Setenv("SSL_CERT_FILE", "/certs")
	t.Setenv("HTTP_PROXY", "http://user:secret@proxy")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	got := environ(1<<20, "socks5://elsewhere", []string{"GOMAXPROCS=2"})
	for _, want := range []string{"SSL_CERT_FILE=/certs", "GOMEMLIMIT=1048576"} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is missing in %q", want, got)
		}
	}
	if strings.Contains(strings.Join(got, " "), "secret") {
		t.Errorf("%q holds what is none of a worker's business", got)
	}
	if got[0] != "GOMAXPROCS=1" || got[len(got)-1] != "GOMAXPROCS=2" {
		t.Errorf("%q: want what is added to come last, where it wins", got)
	}
	if got := environ(0, "env", nil); !slices.Contains(got, "HTTP_PROXY=http://user:secret@proxy") {
		t.Errorf("%q lacks the proxy that the worker is to use", got)
	}
}

// TestWorkersAreToldTheirPorts in as few arguments as the system takes.
func TestWorkersAreToldTheirPorts(t *testing.T) {
	o := Options{Args: []string{"--sandbox", "off"}}
	if got := o.args(7); !slices.Equal(got, o.Args) {
		t.Errorf("no ports: arguments %q, want %q", got, o.Args)
	}
	o.Refresh.Ports = []uint16{80, 443, 8080}
	want := []string{"--sandbox", "off", "--connect", "80,443,8080"}
	if got := o.args(7); !slices.Equal(got, want) {
		t.Errorf("three ports: arguments %q, want %q", got, want)
	}
	o.Refresh.Ports = make([]uint16, 1<<16-1)
	for i := range o.Refresh.Ports {
		o.Refresh.Ports[i] = uint16(i + 1)
	}
	const maxArg = 128 << 10 // MAX_ARG_STRLEN of execve(2)
	n := 0
	for _, arg := range o.args(7) {
		n += strings.Count(arg, ",") + 1
		if len(arg) >= maxArg {
			t.Errorf("an argument of %d bytes, the system takes less than %d", len(arg), maxArg)
		}
	}
	if flags := (len(o.args(7)) - 2) / 2; n != 1<<16-1+flags+2 {
		t.Errorf("all ports: %d words in %d flags, want each port once", n, flags)
	}
}

func TestSignalsThatJudgeKnows(t *testing.T) {
	killed := end{code: -1, signal: syscall.SIGKILL, words: "signal: killed"}
	if got := judge(killed); got.class != feeds.WorkerSignal {
		t.Errorf("killed by somebody: got %s, want %s", got.class, feeds.WorkerSignal)
	}
	killed.oom = true
	if got := judge(killed); got.class != feeds.WorkerMemory {
		t.Errorf("killed when the system had no memory: got %s, want %s", got.class, feeds.WorkerMemory)
	}
	refused := end{code: -1, signal: sigsys, words: "signal: bad system call"}
	if got := judge(refused); got.class != feeds.WorkerSignal || !strings.Contains(got.detail, "sandbox") {
		t.Errorf("killed by its sandbox: got %s, %q", got.class, got.detail)
	}
}

func TestWhoIsAccused(t *testing.T) {
	reading := ipc.Standing{PID: 1, Owed: 9, Document: ipc.Work{Phase: ipc.PhaseParse, Job: 5}}
	both := reading
	both.Answer = ipc.Work{Phase: ipc.PhaseWrite, Job: 6}
	fetching := ipc.Standing{PID: 1, Owed: 9}
	broken := &ipc.ProtocolError{Kind: ipc.ErrChecksum}
	tests := []struct {
		name  string
		end   end
		board ipc.Standing
		told  bool
		tick  int64
		want  blame
	}{
		{"crashed in a document", end{code: 2}, reading, true, 4, blame{jobs: []int64{5}, sure: true}},
		{"crashed between a document and an answer", end{code: 2}, both, true, 0, blame{jobs: []int64{5, 6}, sure: true}},
		{"crashed while it fetched", end{code: 2}, fetching, true, 4, blame{}},
		{"hung in a document", end{cause: &hangError{what: "said nothing"}}, reading, true, 0, blame{jobs: []int64{5}, sure: true}},
		{"answered nothing", end{cause: &hangError{all: true}}, reading, true, 0, blame{jobs: []int64{5}, sure: false}},
		{"broke the protocol", end{cause: broken}, reading, true, 0, blame{jobs: []int64{5}, sure: false}},
		{"left", end{code: ExitInternal}, reading, true, 0, blame{jobs: []int64{5}, sure: false}},
		{"no scoreboard", end{code: 2}, ipc.Standing{}, false, 4, blame{jobs: []int64{4}, sure: false}},
		{"nothing known", end{code: 2}, ipc.Standing{}, false, 0, blame{}},
	}
	for _, tt := range tests {
		if got := accuse(tt.end, tt.board, tt.told, tt.tick); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestAskingForLessWhereThereIsLessRoom(t *testing.T) {
	const mib = 1 << 20
	type fitted struct {
		workers, fetches int
		memory           int64
	}
	tests := []struct {
		name string
		ask  fitted
		room room
		want fitted
		says bool
	}{
		{"no limits known", fitted{200, 0, 0}, room{}, fitted{200, 16, 0}, false},
		{"plenty", fitted{200, 0, 0}, room{1 << 20, 1 << 40}, fitted{200, 16, 0}, false},
		{"64 files", fitted{200, 0, 0}, room{files: 64}, fitted{6, 7, 0}, true},
		{"hardly any files", fitted{4, 0, 0}, room{files: 20}, fitted{1, 1, 0}, true},
		{"few requests asked", fitted{2, 3, 0}, room{files: 64}, fitted{2, 3, 0}, false},
		{"256 MiB", fitted{4, 0, 0}, room{memory: 256 * mib}, fitted{2, 16, 96 * mib / 10 * 6}, true},
		{"256 MiB and a limit of one's own", fitted{2, 0, 40 * mib}, room{memory: 256 * mib}, fitted{2, 16, 40 * mib}, false},
		{"hardly any memory", fitted{4, 0, 0}, room{memory: 32 * mib}, fitted{1, 16, 80 * mib / 10 * 6}, true},
	}
	for _, tt := range tests {
		var log bytes.Buffer
		o := Options{
			Workers: tt.ask.workers, MemLimit: tt.ask.memory, Refresh: feeds.Options{Fetches: tt.ask.fetches},
			RecycleAt: DefaultRecycleAt, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		}
		o.fit(tt.room)
		if got := (fitted{o.Workers, o.Refresh.Fetches, o.MemLimit}); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
		if said := log.Len() > 0; said != tt.says {
			t.Errorf("%s: logged %q, want a line: %v", tt.name, log.String(), tt.says)
		}
	}
}

func TestStartErrorIsOneLineWithItsCause(t *testing.T) {
	cause := errors.New("cause")
	e := &StartError{Path: "/bin/worker", What: "it ended", Stderr: "a\nb\n", said: "b", Tries: 3, Err: cause}
	if got, want := e.Error(), "start worker /bin/worker: it ended (3 times in a row): b"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !errors.Is(e, cause) {
		t.Error("the cause is lost")
	}
}
