//go:build unix

package pool_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
	"feedmill/internal/pool"
)

func TestAProgramThatIsNoWorkerIsOneReadableError(t *testing.T) {
	tests := []struct {
		name   string
		says   string
		hint   bool
		code   int // 0 for one that the coordinator ends, which may take a signal
		tries  int
		stderr string
	}{
		{"dies early", "exit status 3", false, 3, 3, "no luck"},
		{"refuses", "refuses", false, 64, 1, "not like this"},
		{"is no worker", "usage: something else", true, 0, 3, ""},
		{"old", fmt.Sprintf(`peer (build "from next year") speaks protocol version %d`, ipc.Version+1), true, 0, 1, ""},
		{"mute", "said no Hello within 100ms", false, 0, 3, ""},
		{"tiny frames", "accepts only 100 bytes", true, 0, 3, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := as(t, tt.name)
			o.Workers = 1
			if tt.name == "mute" {
				o.HelloWithin = 100 * time.Millisecond
			}
			r := newRound(jobs(5, nil), 1, 5)
			p, err := r.run(t, t.Context(), o)
			e, ok := errors.AsType[*pool.StartError](err)
			if !ok {
				t.Fatalf("got %v, want a StartError", err)
			}
			if !strings.Contains(e.Error(), tt.says) || strings.Contains(e.Error(), "\n") {
				t.Errorf("got %q, want one line that says %q", e, tt.says)
			}
			if got := e.Hint != ""; got != tt.hint || e.Code != tt.code && tt.code != 0 {
				t.Errorf("hint %q and code %d, want a hint: %v, code %d", e.Hint, e.Code, tt.hint, tt.code)
			}
			if n := p.Stats().Spawns; e.Tries != tt.tries || n != tt.tries {
				t.Errorf("error speaks of %d tries, %d were made, want %d", e.Tries, n, tt.tries)
			}
			if !strings.Contains(e.Stderr, tt.stderr) {
				t.Errorf("stderr %q, want it to hold %q", e.Stderr, tt.stderr)
			}
			r.check(t, map[string]feeds.Class{"ok": feeds.Cancelled})
		})
	}
}

func TestAMissingProgramIsFoundOutByNew(t *testing.T) {
	_, err := pool.New(pool.Options{Path: filepath.Join(t.TempDir(), "nothing")})
	e, ok := errors.AsType[*pool.StartError](err)
	if !ok || e.Hint == "" || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want a StartError with a hint that is fs.ErrNotExist", err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := pool.New(pool.Options{}); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("got %v, want exec.ErrNotFound", err)
	}
}

func TestAFileThatIsNoProgramIsNotTriedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "worker")
	if err := os.WriteFile(path, []byte("\x7fELF and no more"), 0o700); err != nil {
		t.Fatal(err)
	}
	r := newRound(jobs(5, nil), 2, 5)
	p, err := r.run(t, t.Context(), pool.Options{Path: path, Workers: 2})
	if _, ok := errors.AsType[*pool.StartError](err); !ok || p.Stats().Spawns != 0 {
		t.Errorf("got %v after %d spawns, want a StartError at once", err, p.Stats().Spawns)
	}
	r.check(t, map[string]feeds.Class{"ok": feeds.Cancelled})
}

func TestAWorkerWithoutJobsIsNeverStarted(t *testing.T) {
	o := as(t, "good")
	o.Workers = 8
	r := newRound(jobs(2, nil), o.Workers, 1)
	p, err := r.run(t, t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r.check(t, nil)
	if s := p.Stats(); s.Spawns != 2 {
		t.Errorf("%d processes started for two jobs, want 2", s.Spawns)
	}
}

// TestWorkersAheadAreReadyBeforeThereAreJobs, and only so many.
func TestWorkersAheadAreReadyBeforeThereAreJobs(t *testing.T) {
	inEveryMode(t, func(t *testing.T, mode ipc.Mode) {
		o := as(t, "good")
		ready := make(readyLog, 8)
		o.Mode, o.Workers, o.Ahead, o.Logger = mode, 3, 2, slog.New(ready)
		r := newRound(jobs(20, nil), o.Workers, 5)
		p, err := pool.New(o)
		if err != nil {
			t.Fatal(err)
		}
		before := sync.OnceValue(func() int {
			for range o.Ahead {
				<-ready
			}
			return p.Stats().Spawns
		})
		err = p.Run(t.Context(), func(ctx context.Context, worker int) ([]feeds.Job, error) {
			before()
			return r.next(ctx, worker)
		}, r.emit)
		if err != nil {
			t.Fatal(err)
		}
		r.check(t, nil)
		if n := before(); n != o.Ahead {
			t.Errorf("%d workers ran before there were jobs, want %d", n, o.Ahead)
		}
		if s := p.Stats(); s.Deaths != 0 {
			t.Errorf("%d workers died, want none", s.Deaths)
		}
	})
}

// A readyLog is a log handler that gets a value for each worker that is ready.
type readyLog chan struct{}

func (l readyLog) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "worker ready" {
		l <- struct{}{}
	}
	return nil
}

func (readyLog) Enabled(context.Context, slog.Level) bool { return true }
func (l readyLog) WithAttrs([]slog.Attr) slog.Handler     { return l }
func (l readyLog) WithGroup(string) slog.Handler          { return l }

// TestWorkersAheadOfNothingEndInOrder: no job ever comes.
func TestWorkersAheadOfNothingEndInOrder(t *testing.T) {
	inEveryMode(t, func(t *testing.T, mode ipc.Mode) {
		o := as(t, "good")
		o.Mode, o.Workers, o.Ahead = mode, 2, 2
		r := newRound(nil, o.Workers, 5)
		p, err := r.run(t, t.Context(), o)
		if s := p.Stats(); err != nil || s.Spawns != 2 || s.Deaths != 0 {
			t.Errorf("got %v, %d processes and %d deaths, want 2 that end in order", err, s.Spawns, s.Deaths)
		}
	})
}

// TestARoundThatIsSlowToComeIsNoStall where workers wait for it.
func TestARoundThatIsSlowToComeIsNoStall(t *testing.T) {
	t.Parallel()
	o := as(t, "good")
	o.Workers, o.Ahead, o.StallAfter = 1, 1, 2*time.Second
	r := newRound(jobs(3, nil), o.Workers, 5)
	p, err := pool.New(o)
	if err != nil {
		t.Fatal(err)
	}
	slow := time.After(5 * o.StallAfter / 2)
	err = p.Run(t.Context(), func(ctx context.Context, worker int) ([]feeds.Job, error) {
		if slow != nil {
			<-slow
			slow = nil
		}
		return r.next(ctx, worker)
	}, r.emit)
	if err != nil {
		t.Fatal(err)
	}
	r.check(t, nil)
}

// TestAWorkerAheadThatCannotStartEndsTheRun as one that has jobs does.
func TestAWorkerAheadThatCannotStartEndsTheRun(t *testing.T) {
	o := as(t, "refuses")
	o.Workers, o.Ahead = 2, 2
	p, err := pool.New(o)
	if err != nil {
		t.Fatal(err)
	}
	err = p.Run(t.Context(), func(ctx context.Context, worker int) ([]feeds.Job, error) {
		<-ctx.Done() // as when the store takes long
		return nil, nil
	}, func(feeds.Result, func()) {})
	if e, ok := errors.AsType[*pool.StartError](err); !ok || e.Code != pool.ExitRefused {
		t.Errorf("got %v, want a StartError with status %d", err, pool.ExitRefused)
	}
}

func TestGreetTellsWhatAWorkerSaysOfItself(t *testing.T) {
	g, err := pool.Greet(t.Context(), as(t, "good"))
	if err != nil || g.Sandbox != "none (test)" || g.After <= 0 {
		t.Errorf("got %+v, %v, want the sandbox level and the time that Hello took", g, err)
	}
	if slices.Contains(ipc.Modes(), ipc.ModeQueue) { // whose messages count by the process that sent them
		o := as(t, "mute")
		o.Mode, o.HelloWithin = ipc.ModeQueue, 100*time.Millisecond
		_, err = pool.Greet(t.Context(), o)
		if e, ok := errors.AsType[*pool.StartError](err); !ok || !strings.Contains(e.Hint, `exec worker "$@"`) {
			t.Errorf("got %v, want a StartError whose hint is to exec", err)
		}
	}
	_, err = pool.Greet(t.Context(), as(t, "refuses"))
	if e, ok := errors.AsType[*pool.StartError](err); !ok || e.Code != pool.ExitRefused {
		t.Errorf("got %v, want a StartError with code %d", err, pool.ExitRefused)
	}
}
