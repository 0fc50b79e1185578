//go:build unix

package pool_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
	"feedmill/internal/ipc/carrier"
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

// TestOneWorkerThatCannotStartEndsTheRun, though there are more jobs than it would take:
// whoever waits for room in it is told.
func TestOneWorkerThatCannotStartEndsTheRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "worker")
	if err := os.WriteFile(path, []byte("\x7fELF and no more"), 0o700); err != nil {
		t.Fatal(err)
	}
	p, err := pool.New(pool.Options{Path: path, Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	taken, emitted := int64(0), int64(0)
	err = p.Run(t.Context(), func(context.Context, int) ([]feeds.Job, error) {
		taken++
		return []feeds.Job{{ID: taken}}, nil
	}, func(feeds.Result) { emitted++ })
	if _, ok := errors.AsType[*pool.StartError](err); !ok || emitted != taken {
		t.Errorf("got %v and %d results of %d jobs, want a StartError and all", err, emitted, taken)
	}
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

func TestGreetTellsWhatAWorkerSaysOfItself(t *testing.T) {
	g, err := pool.Greet(t.Context(), as(t, "good"))
	if err != nil || g.Sandbox != "none (test)" || g.After <= 0 {
		t.Errorf("got %+v, %v, want the sandbox level and the time that Hello took", g, err)
	}
	if slices.Contains(carrier.Modes(), carrier.Queue) { // whose messages count by the process that sent them
		o := as(t, "mute")
		o.Mode, o.HelloWithin = carrier.Queue, 100*time.Millisecond
		_, err = pool.Greet(t.Context(), o)
		if e, ok := errors.AsType[*pool.StartError](err); !ok || !strings.Contains(e.Hint, `exec worker "$@"`) {
			t.Errorf("got %v, want a StartError whose hint is to exec", err)
		}
	}
	_, err = pool.Greet(t.Context(), as(t, "refuses"))
	if e, ok := errors.AsType[*pool.StartError](err); !ok || e.Code != ipc.ExitRefused {
		t.Errorf("got %v, want a StartError with code %d", err, ipc.ExitRefused)
	}
}
