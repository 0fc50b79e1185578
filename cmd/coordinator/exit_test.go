package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestAnInterruptIsNoFailureOfTheStore: a signal that comes while the store is
// opened or read, which takes a while with a large one, ends every command as
// it does elsewhere.
func TestAnInterruptIsNoFailureOfTheStore(t *testing.T) {
	db := filepath.Join(t.TempDir(), "feeds.db")
	var stdout, stderr bytes.Buffer
	do := func(ctx context.Context, args ...string) int {
		stdout.Reset()
		stderr.Reset()
		return run(ctx, append([]string{"--db", db}, args...), strings.NewReader(""), &stdout, &stderr)
	}
	if code := do(t.Context(), "feeds", "add", "--offline", "http://one.example/feed"); code != exitOK {
		t.Fatalf("make a store: exit status %d: %s", code, stderr.String())
	}
	for sig, want := range map[os.Signal]struct {
		code int
		says string
	}{
		os.Interrupt:    {exitSIGINT, "interrupted"},
		syscall.SIGTERM: {exitSIGTERM, "terminated"},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(&signalled{sig})
		for _, args := range [][]string{
			{"refresh", "--mode", "goroutine"}, {"feeds", "list"}, {"items"}, {"feeds", "remove", "http://one.example/feed"},
		} {
			code := do(ctx, args...)
			if says := "coordinator: error: " + want.says + "\n"; code != want.code || stderr.String() != says {
				t.Errorf("%v %s: exit status %d, says %q; want %d, %q", sig, args, code, stderr.String(), want.code, says)
			}
		}
	}
}
