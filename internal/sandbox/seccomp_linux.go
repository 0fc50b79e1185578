package sandbox

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// archOffset is where struct seccomp_data has the machine that a system call
// was made for, see seccomp(2).
const archOffset = 4

// loadDenyList puts the deny-list over every thread of the process.
//
// The library knows the system calls and writes the filter; loading it is done
// here for two reasons. Its filter lets every call of another machine pass, so
// that a process on amd64 could say int 0x80 and have everything. And its
// loader takes the positive answer for success with which the kernel says that
// a thread could not be brought under the filter.
func loadDenyList() error {
	table, err := callTable()
	if err != nil {
		return err
	}
	return load(table, denyList(table, uint64(os.Getpid())))
}

// stayAlone makes every thread of the process unable to start another process, or
// to give up the signal with which it dies when its coordinator does. What it
// started could live on for ever.
func stayAlone() error {
	table, err := callTable()
	if err != nil {
		return err
	}
	return load(table, aloneList(table))
}

// load puts a list over every thread of the process.
func load(table *arch.Info, list seccomp.Policy) error {
	program, err := list.Assemble()
	if err != nil {
		return fmt.Errorf("assemble deny-list: %w", err)
	}
	program = append([]bpf.Instruction{
		bpf.LoadAbsolute{Off: archOffset, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(table.ID), SkipTrue: 1},
		bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
	}, program...)
	return loadFilter(program)
}

// callTable returns the system calls of this machine.
func callTable() (*arch.Info, error) {
	if runtime.GOARCH == "386" {
		// socketcall(2) hides what it is called for in memory, where a filter
		// cannot look.
		return nil, errors.New("not built for 386")
	}
	table, err := arch.GetInfo("")
	if err != nil || len(table.SyscallNames) == 0 {
		return nil, errors.New("not built for " + runtime.GOARCH)
	}
	return table, nil
}

// loadFilter loads a filter into every thread of the process.
func loadFilter(program []bpf.Instruction) error {
	raw, err := bpf.Assemble(program)
	if err != nil {
		return fmt.Errorf("assemble filter: %w", err)
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, in := range raw {
		filter[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	prog := &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}

	// no_new_privs, which the kernel asks for first, is set for one thread;
	// loading the filter from that same thread gives it to the others too.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	// Kernels before 5.16 slow down every process that has a filter, against
	// attacks by code that is compiled as it comes; there is none here.
	// Kernels before 4.17 do not know the flag, and do not slow down.
	err = setFilter(unix.SECCOMP_FILTER_FLAG_TSYNC|unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, prog)
	if errors.Is(err, unix.EINVAL) {
		err = setFilter(unix.SECCOMP_FILTER_FLAG_TSYNC, prog)
	}
	return err
}

// setFilter is seccomp(2) with SECCOMP_SET_MODE_FILTER.
func setFilter(flags uintptr, prog *unix.SockFprog) error {
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(prog)))
	if errno != 0 {
		return errno
	}
	if thread != 0 {
		return fmt.Errorf("thread %d has a filter of its own", thread)
	}
	return nil
}

// seccompAvailable asks the kernel whether a filter could refuse calls.
func seccompAvailable() error {
	if _, err := callTable(); err != nil {
		return err
	}
	action := uint32(unix.SECCOMP_RET_ERRNO)
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action)))
	if errno != 0 {
		return errno
	}
	return nil
}
