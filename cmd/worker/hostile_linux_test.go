package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/sys/unix"

	"feedmill/internal/feeds"
	"feedmill/internal/pool"
	"feedmill/internal/worker"
)

// What the hostile worker is told.
const (
	envLacks   = "FEEDMILL_TEST_LACKS"   // the parts of a sandbox that its system has not: landlock, seccomp, rlimits
	envTarget  = "FEEDMILL_TEST_TARGET"  // the process of the coordinator
	envPort    = "FEEDMILL_TEST_PORT"    // a port that it may not connect to
	envKeep    = "FEEDMILL_TEST_KEEP"    // a folder in which it would leave a file
	envVictims = "FEEDMILL_TEST_VICTIMS" // a FIFO that it and its children hold open
)

// victimFD is where the FIFO is.
const victimFD = 200

func init() {
	refreshers["hostile"] = func(feeds.Options) (worker.Refresher, error) { return &hostileRefresher{}, nil }
}

// lacking are the system calls without which a part is not to be had.
var lacking = map[string][]string{
	"landlock": {"landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"},
	"seccomp":  {"seccomp"},
	"rlimits":  {"prlimit64", "setrlimit"},
}

// prepareHostile makes the process one of a system that lacks something, and
// opens what tells the test whether anybody lives.
func prepareHostile() {
	if fifo := os.Getenv(envVictims); fifo != "" {
		fd, err := syscall.Open(fifo, syscall.O_WRONLY, 0)
		if err != nil {
			panic(err)
		}
		syscall.Dup3(fd, victimFD, 0)
		syscall.Close(fd)
	}
	var names []string
	for part := range strings.FieldsSeq(os.Getenv(envLacks)) {
		names = append(names, lacking[part]...)
	}
	if len(names) == 0 {
		return
	}
	err := seccomp.LoadFilter(seccomp.Filter{NoNewPrivs: true, Flag: seccomp.FilterFlagTSync, Policy: seccomp.Policy{
		DefaultAction: seccomp.ActionAllow,
		Syscalls:      []seccomp.SyscallGroup{{Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS), Names: names}},
	}})
	if err != nil {
		panic(err)
	}
}

// A hostileRefresher tries what each job's URL names, and says what came of it.
type hostileRefresher struct{ oddRefresher }

func (r *hostileRefresher) Run(ctx context.Context, jobs <-chan feeds.Job, emit func(feeds.Result)) {
	for j := range jobs {
		detail := "allowed"
		if err := attacks[j.URL](); err != nil {
			detail = err.Error()
		}
		emit(feeds.Result{ID: j.ID, Class: feeds.OK, Detail: detail})
	}
}

func target() int {
	pid, _ := strconv.Atoi(os.Getenv(envTarget))
	return pid
}

// attacks are what a worker may want that somebody else has taken over.
var attacks = map[string]func() error{
	"exec": func() error {
		pid, err := syscall.ForkExec("/bin/true", nil, &syscall.ProcAttr{})
		if err == nil {
			syscall.Wait4(pid, nil, 0, nil)
		}
		return err
	},
	"open": func() error { _, err := os.ReadFile("/etc/passwd"); return err },
	"keep": func() error { return os.WriteFile(filepath.Join(os.Getenv(envKeep), "kept"), nil, 0o600) },
	"connect": func() error {
		c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", os.Getenv(envPort)))
		if err == nil {
			c.Close()
		}
		return err
	},
	"environment": func() error { _, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", target())); return err },
	"memory": func() error {
		f, err := os.Open(fmt.Sprintf("/proc/%d/mem", target()))
		if err == nil {
			f.Close()
		}
		return err
	},
	"ptrace": func() error {
		// It stops nobody, and ends with this process.
		_, _, errno := syscall.Syscall6(syscall.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(target()), 0, 0, 0, 0)
		if errno == 0 {
			return nil
		}
		return errno
	},
	"signal": func() error { return syscall.Kill(target(), 0) },
	"fork":   fork,
}

// fork leaves a process in a session of its own that never ends.
func fork() error {
	pid, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, 0, 0, 0, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	for pid == 0 {
		syscall.RawSyscall(syscall.SYS_SETSID, 0, 0, 0)
		syscall.RawSyscall(unix.SYS_CLOSE_RANGE, 0, victimFD-1, 0)
		syscall.RawSyscall6(syscall.SYS_PPOLL, 0, 0, 0, 0, 0, 0)
	}
	return nil
}

// TestAHostileWorkerGetsNothing, with the whole sandbox and without each part of
// it, and nothing of it is left when the round is over.
func TestAHostileWorkerGetsNothing(t *testing.T) {
	// What a part refuses that no other one does.
	byLandlock := []string{"connect", "environment", "memory", "open"}
	tests := []struct {
		lacks, sandbox string
		allowed        []string
		hidden         []string // allowed where the coordinator is in sight
	}{
		{"", "best-effort", nil, nil},
		{"rlimits", "best-effort", nil, nil},
		{"landlock", "best-effort", byLandlock, nil},
		{"seccomp", "best-effort", []string{"fork"}, nil},
		{"", "off", append([]string{"keep"}, byLandlock...), []string{"ptrace", "signal"}},
		{"seccomp", "off", append([]string{"keep", "fork", "exec"}, byLandlock...), []string{"ptrace", "signal"}},
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for _, tt := range tests {
		t.Run(tt.sandbox+" without "+tt.lacks, func(t *testing.T) {
			t.Parallel()
			keep, fifo := t.TempDir(), filepath.Join(t.TempDir(), "fifo")
			if err := syscall.Mkfifo(fifo, 0o600); err != nil {
				t.Fatal(err)
			}
			held := make(chan error, 1)
			go func() { // ends when nobody holds the FIFO any more
				f, err := os.Open(fifo)
				if err == nil {
					_, err = io.Copy(io.Discard, f)
				}
				held <- err
			}()
			enclosed := tt.sandbox == "off" && canEnclose(t)
			got := attack(t, enclosed, []string{"--sandbox", tt.sandbox},
				envLacks+"="+tt.lacks, envTarget+"="+strconv.Itoa(os.Getpid()), envPort+"="+port, envKeep+"="+keep, envVictims+"="+fifo)
			want := slices.Clone(tt.allowed)
			if !enclosed {
				want = append(want, tt.hidden...)
			}
			for name, detail := range got {
				if allowed := detail == "allowed"; allowed != slices.Contains(want, name) {
					t.Errorf("%s: %s, want it allowed: %v", name, detail, !allowed)
				}
			}
			if len(got) != len(attacks) {
				t.Errorf("%d answers, want %d", len(got), len(attacks))
			}
			if !enclosed && slices.Contains(want, "fork") {
				killHolders(t, fifo) // a filter stands for the lack of filters: the pool takes it for one that refuses this
			}
			select {
			case err := <-held:
				if err != nil {
					t.Fatal(err)
				}
			case <-time.After(10 * time.Second):
				t.Error("something of the worker lives after the round")
				killHolders(t, fifo)
			}
		})
	}
}

// killHolders kills the processes that hold a FIFO where a hostile worker does.
func killHolders(t *testing.T, fifo string) {
	t.Helper()
	links, err := filepath.Glob(fmt.Sprintf("/proc/[0-9]*/fd/%d", victimFD))
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && to == fifo {
			pid, _ := strconv.Atoi(strings.Split(link, "/")[2])
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// attack runs all attacks in a worker, and returns what came of each.
func attack(t *testing.T, enclosed bool, args []string, env ...string) map[string]string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p, err := pool.New(pool.Options{
		Path: self, Args: args, Env: append(env, envRefresher+"=hostile"), Workers: 1,
		Refresh: feeds.Options{Ports: []uint16{80}}, Enclose: enclosed,
	})
	if err != nil {
		t.Fatal(err)
	}
	var jobs []feeds.Job
	for name := range attacks {
		jobs = append(jobs, feeds.Job{ID: int64(len(jobs) + 1), URL: name})
	}
	got := make(map[string]string)
	var once sync.Once
	err = p.Run(t.Context(), func(context.Context, int) (some []feeds.Job, err error) {
		once.Do(func() { some = jobs })
		return some, nil
	}, func(r feeds.Result) { got[jobs[r.ID-1].URL] = r.Detail })
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// canEnclose reports whether a PID namespace is to be had.
func canEnclose(t *testing.T) bool {
	t.Helper()
	made := make(chan error)
	go func() { // on a thread that ends with this
		runtime.LockOSThread()
		made <- unix.Unshare(unix.CLONE_NEWPID)
	}()
	err := <-made
	if err != nil && !errors.Is(err, syscall.EPERM) {
		t.Fatal(err)
	}
	return err == nil
}
