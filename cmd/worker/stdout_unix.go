//go:build unix

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// takeStdout moves stdout to a new descriptor, which no program started from
// here would inherit, and makes descriptor 1 another name of stderr. So even
// what a library writes to descriptor 1 without asking Go cannot get between
// the frames.
func takeStdout() (*os.File, error) {
	fd, err := unix.FcntlInt(1, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	if err := unix.Dup2(2, 1); err != nil {
		return nil, os.NewSyscallError("dup2", err)
	}
	return os.NewFile(uintptr(fd), "frames"), nil
}
