package carrier

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"feedmill/internal/ipc/memfd"

	"golang.org/x/sys/unix"
)

// A fileLock excludes everybody else who has opened the same file.
type fileLock struct {
	file *os.File // what the workers inherit, to open it anew
	own  *os.File // opened anew
	mu   sync.Mutex
}

// newFileLock makes a lock that nobody else knows the name of.
func newFileLock() (*fileLock, error) {
	file, err := memfd.New("feedmill-lock", 0, nil)
	if err != nil {
		return nil, err
	}
	own, err := reopen(file)
	if err != nil {
		file.Close()
		return nil, err
	}
	return &fileLock{file: file, own: own}, nil
}

// openFileLock returns the lock on the file that was inherited as fd, which it
// closes.
func openFileLock(fd int) (*fileLock, error) {
	file := os.NewFile(uintptr(fd), "lock")
	own, err := reopen(file)
	if err != nil {
		return nil, err
	}
	return &fileLock{own: own}, file.Close()
}

// reopen opens the file that f is once more, so that it can be locked apart
// from f.
func reopen(f *os.File) (*os.File, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var again *os.File
	var failed error
	err = raw.Control(func(fd uintptr) {
		again, failed = os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", fd), os.O_RDWR, 0)
	})
	return again, errors.Join(err, failed)
}

// around calls f while it holds the lock.
func (l *fileLock) around(f func() error) error {
	l.mu.Lock() // goroutines of one process share its open file
	defer l.mu.Unlock()
	if err := flock(l.own, unix.LOCK_EX); err != nil {
		return err
	}
	return errors.Join(f(), flock(l.own, unix.LOCK_UN))
}

func (l *fileLock) close() error {
	return errors.Join(l.file.Close(), l.own.Close())
}

// flock locks or unlocks f, and waits as long as it must.
func flock(f *os.File, how int) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		for {
			if failed = unix.Flock(int(fd), how); failed != unix.EINTR {
				return
			}
		}
	})
	return errors.Join(err, os.NewSyscallError("flock", failed))
}
