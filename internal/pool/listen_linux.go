package pool

import (
	"crypto/rand"
	"net"
)

// listenLocal returns a socket that processes of this machine can connect to. It
// is abstract, so it has no name in any folder and ends with whoever holds it.
func listenLocal() (l *net.UnixListener, remove func(), err error) {
	l, err = net.ListenUnix("unix", &net.UnixAddr{Name: "@feedmill-" + rand.Text(), Net: "unix"})
	return l, func() {}, err
}
