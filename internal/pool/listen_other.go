//go:build !linux

package pool

import (
	"net"
	"os"
	"path/filepath"
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
