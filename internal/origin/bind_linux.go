package origin

import "syscall"

// bindLoopback ties a socket to the loopback device, so that to the rest of
// the network the port is closed. Where that is not allowed the accept filter
// alone must do, which is why a failure is no error.
func bindLoopback(_, _ string, raw syscall.RawConn) error {
	return raw.Control(func(fd uintptr) {
		_ = syscall.BindToDevice(int(fd), "lo")
	})
}
