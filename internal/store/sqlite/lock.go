package sqlite

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"feedmill/internal/store"
)

// A fileLock is an exclusive lock on a file that the operating system drops
// when its process dies, however it dies. The file says which process holds it
// and is never deleted: another process could be waiting at the deleted one,
// and two would then hold "the" lock.
//
// Rejected: a row in the store or a file with a pid. Both outlive their
// process, and no one can tell a dead owner's pid from one that was reused.
//
// Who has the file by another name, by a hard link say, or has deleted the lock,
// does not come to that file. So where the system has locks that SQLite does not
// use (Linux), the store itself is locked as well.
type fileLock struct {
	f     *os.File
	store *os.File // nil where there is no such lock
}

// lockFile takes the lock beside the store at path, or returns a *LockedError.
func lockFile(path string) (*fileLock, error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock store: %w", err)
	}
	if err := takeLock(f, func() bool { return running(readPID(f)) }); err != nil {
		pid := readPID(f)
		f.Close()
		if errors.Is(err, errHeld) {
			return nil, &store.LockedError{Path: path, PID: pid}
		}
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	// The pid is for people: a lock whose pid cannot be written still holds.
	if f.Truncate(0) == nil {
		f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return &fileLock{f: f}, nil
}

// afterlife is how long a lock is waited for that no living process has taken. A
// process has copies of its parent's files from its birth until it runs its own
// program: who is killed while it starts a worker leaves its locks to that for
// so long, some milliseconds on a busy machine.
const afterlife = time.Second

// takeLock locks f, or returns errHeld: at once while held says that its holder
// lives.
func takeLock(f *os.File, held func() bool) error {
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		if err := tryLock(f); !errors.Is(err, errHeld) || held() || time.Since(began) > afterlife {
			return err
		}
	}
}

// holdStore locks the store itself, which must be there, or returns a
// *LockedError.
func (l *fileLock) holdStore(path string) (err error) {
	if l.store, err = lockStore(path); errors.Is(err, errHeld) {
		return &store.LockedError{Path: path}
	}
	return err
}

// release gives the lock up. No connection to the store may be open: to close a
// file drops all locks that this process has on it by fcntl, which are SQLite's.
func (l *fileLock) release() error {
	if l.store != nil {
		unlock(l.store)
		l.store.Close() // it was only read
	}
	l.f.Truncate(0) // nobody holds it: no pid
	unlock(l.f)
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
