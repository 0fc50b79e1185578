//go:build !linux

package pool

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// listenLocal returns a socket that processes of this user can connect to, and
// what removes the folder that it lies in.
func listenLocal() (l *net.UnixListener, remove func(), err error) {
	dir, err := os.MkdirTemp("", "feedmill-")
	if err != nil {
		return nil, nil, err
	}
	remove = func() { os.RemoveAll(dir) }
	l, err = net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "manager"), Net: "unix"})
	if err != nil {
		remove()
		return nil, nil, err
	}
	l.SetUnlinkOnClose(false) // the manager listens on it from now on
	return l, remove, nil
}

func dieWithParent(*syscall.SysProcAttr) {} // only Linux can

// fill says that it is not known how full a pipe is.
func fill(*os.File) string { return "?" }

// isStopped returns false: only Linux tells.
func isStopped(int) bool { return false }

func isMainThread() bool { return false } // where no thread is sealed

// MemoryOf returns 0 and 0: only Linux tells of a process that still runs.
func MemoryOf(int) (peak, own int64) { return 0, 0 }

// memoryLimit returns 0: only Linux bounds groups of processes.
func memoryLimit() int64 { return 0 }

// oomKills returns 0.
func oomKills() int64 { return 0 }

// An enclosure is there on Linux only.
type enclosure struct{}

func enclose() (*enclosure, error)     { return nil, errors.ErrUnsupported }
func (*enclosure) admit(cmd *exec.Cmd) {}
func (*enclosure) close()              {}

// A mark is there on Linux only.
type mark struct{}

func newMark() mark                   { return mark{} }
func (mark) put(f func() error) error { return f() }

// seal fails: only Linux ends a process with the one that started it.
func (*mark) seal() error { return errors.ErrUnsupported }

// An undertaker is there on Linux only.
type undertaker struct{}

func (*undertaker) take(*exec.Cmd, mark, *slog.Logger) {}
func (*undertaker) close(mark)                         {}
