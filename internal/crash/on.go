//go:build crashpoints && unix

package crash

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// armed is the point at which to die, times is the how-manieth visit to it is
// the last, and visits counts them. They are set before main begins: a worker
// opens no file once it is in its sandbox.
var (
	armed  string
	times  int64
	visits = new(atomic.Int64)
)

func init() {
	value, ok := os.LookupEnv(Variable)
	if !ok {
		return
	}
	armed, times = value, 1
	// Names have colons of their own: only digits after the last one count.
	if at := strings.LastIndexByte(value, ':'); at >= 0 {
		if n, err := strconv.ParseInt(value[at+1:], 10, 64); err == nil {
			armed, times = value[:at], n
		}
	}
	if path := os.Getenv(CountVariable); path != "" {
		if err := share(path); err != nil {
			fmt.Fprintln(os.Stderr, "count visits:", err)
			os.Exit(1)
		}
	}
}

// share puts the count into the file at path, which other processes share.
func share(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	mem, err := syscall.Mmap(int(f.Fd()), 0, CountSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return err
	}
	visits = (*atomic.Int64)(unsafe.Pointer(unsafe.SliceData(mem))) // a page is aligned for it
	return nil
}

// At kills the process if it was told to die here.
func At(name string) {
	if name != armed || visits.Add(1) != times {
		return
	}
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // the signal is on its way
}
