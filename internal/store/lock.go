package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// A fileLock is an exclusive lock on a file that the operating system drops
// when its process dies, however it dies. The file says which process holds it
// and is never deleted: another process could be waiting at the deleted one,
// and two would then hold "the" lock.
//
// Rejected: a row in the store or a file with a pid. Both outlive their
// process, and no one can tell a dead owner's pid from one that was reused.
type fileLock struct {
	f *os.File
}

// lockFile takes the lock beside the store at path, or returns a *LockedError
// at once.
func lockFile(path string) (*fileLock, error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock store: %w", err)
	}
	if err := tryLock(f); err != nil {
		pid := readPID(f)
		f.Close()
		if errors.Is(err, errHeld) {
			return nil, &LockedError{Path: path, PID: pid}
		}
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	// The pid is for people: a lock whose pid cannot be written still holds.
	if f.Truncate(0) == nil {
		f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return &fileLock{f: f}, nil
}

// release gives the lock up.
func (l *fileLock) release() error {
	l.f.Truncate(0) // nobody holds it: no pid
	return l.f.Close()
}

// readPID returns the pid that f holds, or 0.
func readPID(f *os.File) int {
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 32))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}

// errHeld says that another process has the lock.
var errHeld = errors.New("held by another process")
