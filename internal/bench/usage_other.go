//go:build !linux

package bench

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"time"
)

// What only Linux tells: here it is nothing, and Execute refuses to measure. A
// run that was taken elsewhere can still be read and reported.

type usage struct {
	cpu                                   time.Duration
	minor, major, switches, reads, writes int64
}

func (u usage) less(usage) usage { return u }
func (u usage) plus(usage) usage { return u }

type memory struct{ pss, hwm int64 }

type machine struct{ busy, steal, total, throttled int64 }

const tick = 10 * time.Millisecond

func threadCPU() time.Duration     { return 0 }
func processCPU(int) time.Duration { return 0 }
func threadFaults() int64          { return 0 }
func ownUsage() usage              { return usage{} }
func endedUsage() usage            { return usage{} }
func usageOf(int) usage            { return usage{} }
func descendants() []int           { return nil }
func memoryOf(int) memory          { return memory{} }
func resetPeak()                   {}
func machineTime() machine         { return machine{} }
func limitMemory(int64) error      { return errors.ErrUnsupported }

func environment(*Options) Environment { return Environment{} }

func limits(context.Context, *Options) ([]Limit, error) { return nil, errors.ErrUnsupported }

func fileLock(*os.File) (lock, unlock func() error) { return nil, nil }
func ownGroup(*exec.Cmd)                            {}
