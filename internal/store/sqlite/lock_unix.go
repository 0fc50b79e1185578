//go:build unix

package sqlite

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// tryLock takes an exclusive flock. It belongs to the open file, not to the
// process: a second Open in one process is refused like one from elsewhere.
func tryLock(f *os.File) error {
	for {
		switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EWOULDBLOCK):
			return errHeld
		default:
			return err
		}
	}
}

// unlock gives up the lock on f, which closing it does only when no process has
// a copy of the open file: one that is being started has.
func unlock(f *os.File) { unix.Flock(int(f.Fd()), unix.LOCK_UN) }

// running reports whether there is a process of that pid.
func running(pid int) bool {
	return pid > 0 && !errors.Is(unix.Kill(pid, 0), unix.ESRCH)
}
