//go:build profile

package profile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
)

// dir is where the profiles go. The linker sets it: a worker's environment and
// flags are its coordinator's business.
var dir string

// allocRate is how many bytes are allocated for each sample.
const allocRate = 64 << 10

// Run returns what f, the whole of a program called name, returns. It writes a
// profile of processor time to NAME-PID.cpu and one of allocations to
// NAME-PID.allocs. Both are opened before f begins, because a worker then
// gives up opening files. A profile that cannot be written is a panic: whoever
// built for it wants nothing else.
func Run(name string, f func() int) int {
	runtime.MemProfileRate = allocRate
	base := filepath.Join(dir, fmt.Sprintf("%s-%d", name, os.Getpid()))
	cpu, err := os.Create(base + ".cpu")
	must(err)
	allocs, err := os.Create(base + ".allocs")
	must(err)
	must(pprof.StartCPUProfile(cpu))
	code := f()
	pprof.StopCPUProfile()
	must(errors.Join(pprof.Lookup("allocs").WriteTo(allocs, 0), cpu.Close(), allocs.Close()))
	return code
}

func must(err error) {
	if err != nil {
		panic(fmt.Errorf("write profile: %w", err))
	}
}
