package pool

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
	"feedmill/internal/ipc/board"
)

func TestBackoffDoublesUpToABound(t *testing.T) {
	for k, want := range []time.Duration{50, 100, 200, 400, 800, 1600, 3200, 3200, 3200} {
		want *= time.Millisecond
		if got := backoff(k, backoffMost, 0); got != want {
			t.Errorf("failure %d: %v without jitter, want %v", k, got, want)
		}
		if got := backoff(k, backoffMost, 0.999); got < want/2 || got >= want {
			t.Errorf("failure %d: %v with jitter, want it in [%v, %v)", k, got, want/2, want)
		}
	}
	for _, most := range []time.Duration{backoffMost, backoffAway} {
		if got := backoff(1<<40, most, 0); got != most {
			t.Errorf("got %v after very many failures, want %v", got, most)
		}
	}
}

func TestJudgeTellsHowAWorkerDied(t *testing.T) {
	broken := &ipc.ProtocolError{Kind: ipc.ErrNotFrame}
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
		{"broke the protocol", fmt.Errorf("x: %w", broken), -1, "signal: killed", "", "", feeds.WorkerProtocol, "not a frame"},
		{"stack", nil, 2, "exit status 2", "runtime: goroutine stack exceeds 1000000000-byte limit", "", feeds.WorkerStack, "stack exceeds"},
		{"stack, other line", nil, 2, "exit status 2", "fatal error: stack overflow", "", feeds.WorkerStack, "stack overflow"},
		{"memory", nil, 2, "exit status 2", "fatal error: runtime: out of memory", "", feeds.WorkerMemory, "out of memory"},
		{"memory, other line", nil, 2, "exit status 2", "fatal error: runtime: cannot allocate memory", "", feeds.WorkerMemory, "cannot allocate"},
		{"panic", nil, 2, "exit status 2", "panic: boom", "goroutine 1", feeds.WorkerSignal, "panic: boom"},
		{"words of a program that lives", nil, 3, "exit status 3", "fatal error: runtime: out of memory", "bye", feeds.WorkerSignal, "exit status 3: bye"},
		{"internal", nil, ipc.ExitInternal, "exit status 70", "", "worker: error: x", feeds.WorkerProtocol, "worker: error: x"},
		{"too much CPU", nil, ipc.ExitCPU, "exit status 71", "worker: error: the document of feed 5 took 10s of CPU time", "x", feeds.WorkerCPU, "gave up: the document of feed 5 took 10s"},
		{"left without a word", nil, 0, "exit status 0", "", "", feeds.WorkerProtocol, "exit status 0"},
	}
	for _, tt := range tests {
		got := judge(evidence{cause: tt.cause, code: tt.code, words: tt.end, reason: tt.reason, last: tt.last})
		if got.class != tt.want || !strings.Contains(got.detail, tt.says) {
			t.Errorf("%s: got %s, %q, want %s and %q", tt.name, got.class, got.detail, tt.want, tt.says)
		}
	}
}

// TestALinkThatIsLostIsNobodysDeath: one ends as ssh does that lost its peer, or is
// ended because nothing came; a worker behind it that died in another way says so.
func TestALinkThatIsLostIsNobodysDeath(t *testing.T) {
	for name, tt := range map[string]struct {
		end  evidence
		lost bool
		says string
	}{
		"ssh":            {evidence{code: 255, words: "exit status 255", last: "Connection closed"}, true, "the link to its worker ended: exit status 255: Connection closed"},
		"another link":   {evidence{code: 1, words: "exit status 1"}, true, "the link to its worker ended: exit status 1"},
		"told to end":    {evidence{code: 0, words: "exit status 0"}, true, "the link to its worker ended: exit status 0"},
		"killed":         {evidence{code: -1, signal: syscall.SIGKILL, words: "signal: killed"}, true, "the link to its worker ended: signal: killed"},
		"hung up":        {evidence{code: -1, signal: syscall.SIGHUP, words: "signal: hangup"}, true, "signal: hangup"},
		"silent":         {evidence{cause: &hangError{what: "said nothing", after: time.Second, silent: true}, code: -1}, true, "the link to its worker said nothing for 1s"},
		"not silent":     {evidence{cause: &hangError{what: "parsed one document", after: time.Second}, code: 255}, false, "its worker parsed one document for 1s"},
		"a breach":       {evidence{cause: &ipc.ProtocolError{Kind: ipc.ErrNotFrame}, code: 255}, false, "not a frame"},
		"a worker's own": {evidence{code: 2, reason: "panic: boom", words: "exit status 2"}, false, "its worker crashed: panic: boom"},
		"another code":   {evidence{code: 7, words: "exit status 7"}, false, "its worker ended: exit status 7"},
		"a crash":        {evidence{code: -1, signal: syscall.SIGSEGV, words: "signal: segmentation fault"}, false, "its worker ended: signal: segmentation fault"},
		"its leash":      {evidence{code: ipc.ExitUnanswered, leashed: true, words: "exit status"}, true, "heard nothing of the coordinator"},
	} {
		tt.end.elsewhere = true
		got := judge(tt.end)
		if (got.alibi == linkLost) != tt.lost || (got.class == feeds.Cancelled) != tt.lost || !strings.Contains(got.detail, tt.says) {
			t.Errorf("%s: got %s, alibi %d, %q; want lost %v, %q", name, got.class, got.alibi, got.detail, tt.lost, tt.says)
		}
		if tt.end.elsewhere, tt.end.leashed = false, false; judge(tt.end).alibi == linkLost {
			t.Errorf("%s: a worker on this machine is a link that was lost", name)
		}
	}
}

// TestWhoIsAtFaultForABreach: the worker, once or, where one feed cannot be the
// reason, twice; and of a plain death nobody.
func TestWhoIsAtFaultForABreach(t *testing.T) {
	for name, tt := range map[string]struct {
		end  evidence
		want int
	}{
		"garbage":             {evidence{cause: &ipc.ProtocolError{Kind: ipc.ErrNotFrame}}, 1},
		"no answer for long":  {evidence{cause: &hangError{what: "answered nothing", breach: 2}}, 2},
		"one document":        {evidence{cause: &hangError{what: "parsed one document"}}, 0},
		"left":                {evidence{code: 0}, 1},
		"refused":             {evidence{code: ipc.ExitRefused}, 1},
		"a fault of its own":  {evidence{code: ipc.ExitInternal}, 1},
		"no leash to end by":  {evidence{code: ipc.ExitUnanswered}, 1},
		"a crash":             {evidence{code: 2, reason: "panic: boom"}, 0},
		"a crash in silence":  {evidence{code: 2}, 0},
		"too much of the CPU": {evidence{code: ipc.ExitCPU}, 0},
		"killed":              {evidence{code: -1, signal: syscall.SIGKILL}, 0},
	} {
		got := judge(tt.end)
		if got.breach != tt.want || (got.class == feeds.WorkerProtocol) != (tt.want > 0) {
			t.Errorf("%s: got %d, %s; want %d", name, got.breach, got.class, tt.want)
		}
	}
}

// TestACollectorWithoutMemoryIsToldByItsTrace: the runtime's word for a nil pointer, and
// that of the collector's lists, together.
func TestACollectorWithoutMemoryIsToldByItsTrace(t *testing.T) {
	cmd := exec.Command("sh", "-c", "exit 2")
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Skipf("no shell: %v", err)
	}
	const fault = "SIGSEGV: segmentation violation"
	for stderr, want := range map[string]feeds.Class{
		fault + "\ngoroutine 0:\n" + collectorFault + ".push(0x0)\n":         feeds.WorkerMemory,
		fault + "\ngoroutine 1:\nmain.main()\n":                              feeds.WorkerSignal,
		"panic: boom\ngoroutine 1:\n" + collectorFault + ".push(0x0)\n":      feeds.WorkerSignal,
		"fatal error: runtime: out of memory\n" + collectorFault + ".push\n": feeds.WorkerMemory,
	} {
		w := &process{state: cmd.ProcessState, tail: &tail{log: slog.New(slog.DiscardHandler)}}
		w.tail.Write([]byte(stderr))
		if got := w.examine(false); got.class != want {
			t.Errorf("%q: got %s, %q, want %s", stderr, got.class, got.detail, want)
		}
	}
}

// TestAWorkerIsGivenWhatItIsToShare: a scoreboard unless it is to do without, and a
// place for a document when it is to try a suspect whose document is wanted.
func TestAWorkerIsGivenWhatItIsToShare(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no memfd on", runtime.GOOS)
	}
	for _, tt := range []struct {
		o     Options
		trial bool
		files int
	}{{Options{}, false, 1}, {Options{}, true, 1}, {Options{KeepPoison: "x"}, false, 1}, {Options{KeepPoison: "x"}, true, 2}, {Options{KeepPoison: "x", NoScoreboard: true}, true, 0}} {
		w := &process{cmd: exec.Command("worker")}
		w.share(&tt.o, slog.New(slog.DiscardHandler), tt.trial)
		if got := len(w.cmd.ExtraFiles); got != tt.files || (w.board != nil) != (tt.files > 0) || (w.capture != nil) != (tt.files > 1) {
			t.Errorf("%+v, trial %v: got %d files, want %d", tt.o, tt.trial, got, tt.files)
		}
		w.release()
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
	t.Setenv("all_proxy", "socks5://proxy")
	for _, want := range []string{"HTTP_PROXY=http://user:secret@proxy", "all_proxy=socks5://proxy"} {
		if got := environ(0, "env", nil); !slices.Contains(got, want) {
			t.Errorf("%q lacks %s, the proxy that the worker is to use", got, want)
		}
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

// TestSignalsThatJudgeKnows: SIGKILL alone says nothing, but the system counts whom it
// killed to get memory back.
func TestSignalsThatJudgeKnows(t *testing.T) {
	killed := evidence{code: -1, signal: syscall.SIGKILL, words: "signal: killed"}
	if got := judge(killed); got.class != feeds.WorkerSignal {
		t.Errorf("killed by somebody: got %s, want %s", got.class, feeds.WorkerSignal)
	}
	killed.oom = true
	if got := judge(killed); got.class != feeds.WorkerMemory {
		t.Errorf("killed when the system had no memory: got %s, want %s", got.class, feeds.WorkerMemory)
	}
	refused := evidence{code: -1, signal: sigsys, words: "signal: bad system call"}
	if got := judge(refused); got.class != feeds.WorkerSignal || !strings.Contains(got.detail, "sandbox") {
		t.Errorf("killed by its sandbox: got %s, %q", got.class, got.detail)
	}
}

func TestWhoIsAccused(t *testing.T) {
	reading := board.Standing{PID: 1, Owed: 9, Document: board.Work{Phase: board.PhaseParse, Job: 5}}
	both := reading
	both.Answer = board.Work{Phase: board.PhaseWrite, Job: 6}
	fetching := board.Standing{PID: 1, Owed: 9}
	broken := &ipc.ProtocolError{Kind: ipc.ErrNotFrame}
	stopped := &hangError{what: "said nothing", silent: true, stopped: true}
	tests := []struct {
		name   string
		end    evidence
		breach bool
		board  board.Standing
		told   bool
		want   []int64
		alibi  alibi
	}{
		{"crashed in a document", evidence{code: 2}, false, reading, true, []int64{5}, noAlibi},
		{"crashed between a document and an answer", evidence{code: 2}, false, both, true, []int64{5, 6}, noAlibi},
		{"crashed while it fetched", evidence{code: 2}, false, fetching, true, nil, noAlibi},
		{"killed by the system in a document", evidence{code: -1, signal: syscall.SIGKILL}, false, reading, true, []int64{5}, noAlibi},
		{"killed by somebody while it fetched", evidence{code: -1, signal: syscall.SIGKILL}, false, fetching, true, nil, endedOutside},
		{"killed by us while it fetched", evidence{cause: &hangError{}, code: -1, signal: syscall.SIGKILL}, false, fetching, true, nil, noAlibi},
		{"hung in a document", evidence{cause: &hangError{what: "said nothing"}}, false, reading, true, []int64{5}, noAlibi},
		{"stopped in a document", evidence{cause: stopped}, false, reading, true, []int64{5}, noAlibi},
		{"stopped while it fetched", evidence{cause: stopped}, false, fetching, true, nil, stoppedBySignal},
		{"broke the protocol", evidence{cause: broken}, true, reading, true, nil, noAlibi},
		{"lost what it shares", evidence{code: ipc.ExitCarrier}, false, reading, true, nil, endedOutside},
		{"no scoreboard", evidence{code: 2}, false, board.Standing{}, false, nil, noAlibi},
	}
	for _, tt := range tests {
		got, alibi := accuse(tt.end, tt.breach, tt.board, tt.told)
		if !slices.Equal(got, tt.want) || alibi != tt.alibi {
			t.Errorf("%s: got %v and alibi %d, want %v and %d", tt.name, got, alibi, tt.want, tt.alibi)
		}
	}
}

func TestAskingForLessWhereThereIsLessRoom(t *testing.T) {
	const mib = 1 << 20
	type fitted struct {
		workers int
		memory  int64
	}
	tests := []struct {
		name string
		ask  fitted
		room capacity
		want fitted
		says bool
	}{
		{"no limits known", fitted{200, 0}, capacity{}, fitted{200, 0}, false},
		{"plenty", fitted{200, 0}, capacity{1 << 20, 1 << 40}, fitted{200, 0}, false},
		{"64 files", fitted{200, 0}, capacity{files: 64}, fitted{6, 0}, true},
		{"hardly any files", fitted{4, 0}, capacity{files: 20}, fitted{1, 0}, true},
		{"256 MiB", fitted{4, 0}, capacity{memory: 256 * mib}, fitted{2, 96 * mib / 10 * 6}, true},
		{"256 MiB and a limit of one's own", fitted{2, 40 * mib}, capacity{memory: 256 * mib}, fitted{2, 40 * mib}, false},
		{"hardly any memory", fitted{4, 0}, capacity{memory: 32 * mib}, fitted{1, 80 * mib / 10 * 6}, true},
	}
	for _, tt := range tests {
		var log bytes.Buffer
		o := Options{
			Workers: tt.ask.workers, MemLimit: tt.ask.memory,
			RecycleAt: defaultRecycleAt, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		}
		o.fit(tt.room)
		if got := (fitted{o.Workers, o.MemLimit}); got != tt.want {
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

// TestWhatTheSystemDidNotStartMayPass when it was short of something, and else is said
// once, without the path that stands before it.
func TestWhatTheSystemDidNotStartMayPass(t *testing.T) {
	for _, no := range []syscall.Errno{syscall.EAGAIN, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE, syscall.EBADF, syscall.EACCES, syscall.ENOEXEC} {
		passes := no != syscall.EACCES && no != syscall.ENOEXEC
		for _, err := range []error{no, &fs.PathError{Op: "fork/exec", Path: "/w", Err: no}, &exec.Error{Name: "w", Err: &fs.PathError{Op: "stat", Path: "/w", Err: no}}} {
			e := notStarted("/w", err)
			if e.permanent == passes || (e.Hint == "") != passes || !errors.Is(e, no) || e.Error() != "start worker /w: "+no.Error() {
				t.Errorf("%v: got %q, permanent %v, hint %q", err, e, e.permanent, e.Hint)
			}
		}
	}
}

// TestOnlyWhatIsAskedForIsKept of a feed that kills, and no more than a hundred.
func TestOnlyWhatIsAskedForIsKept(t *testing.T) {
	t.Chdir(t.TempDir()) // where it would be, without a folder
	quiet := slog.New(slog.DiscardHandler)
	w := &process{log: quiet, hello: new(ipc.Hello), tail: &tail{log: quiet}}
	for folder, want := range map[string]int{"": 0, t.TempDir(): maxKept} {
		s := &slot{shared: &run{o: &Options{KeepPoison: folder}, count: new(counters)}}
		for id := range int64(maxKept + 2) {
			s.keepPoison(w, &lease{job: feeds.Job{ID: id + 1, URL: "https://u:p@h/"}}, finding{class: feeds.WorkerSignal})
		}
		if here, _ := filepath.Glob("*"); len(here) > 0 {
			t.Errorf("folder %q: %d files in the one that it runs in", folder, len(here))
		}
		if kept, _ := filepath.Glob(filepath.Join(folder, "*.txt")); len(kept) != want {
			t.Errorf("folder %q: %d are kept, want %d", folder, len(kept), want)
		}
	}
}
