//go:build !linux

package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
)

// What a process uses is known from Linux's /proc: elsewhere a run can be read
// and reported, and none can be taken.

func Execute(context.Context, Options) (*Run, error) {
	return nil, fmt.Errorf("measure processes on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

func Child(context.Context, []string, *os.File, *os.File, *os.File) int { return 1 }

func Here(*Options) Environment { return Environment{OS: runtime.GOOS, Arch: runtime.GOARCH} }

type plant struct{}
