package pool

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// fill says how many bytes are in a pipe (FIONREAD), of which f is either end.
//
// Rejected: f.Fd(), which would make every read of the pipe block a thread
// (golang.org/issue/24842).
func fill(f *os.File) string {
	raw, err := f.SyscallConn()
	if err != nil {
		return "?"
	}
	n := -1
	// A pipe that is closed meanwhile says nothing.
	_ = raw.Control(func(fd uintptr) {
		if v, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ); err == nil {
			n = v
		}
	})
	if n < 0 {
		return "?"
	}
	return fmt.Sprint(n)
}
