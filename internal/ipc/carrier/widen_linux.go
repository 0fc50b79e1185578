package carrier

import (
	"os"

	"golang.org/x/sys/unix"
)

// pipeRoom is how much the kernel is to hold in a pipe of results, in bytes:
// what Linux gives every user by default (/proc/sys/fs/pipe-max-size). In the
// usual 64 KiB there is room for two results, and a worker that has more to say
// sleeps until the coordinator was scheduled.
const pipeRoom = 1 << 20

// Widen makes room in the pipe of which f is an end. A user who has very many
// pipes gets no more room, and does with what there is.
func Widen(f *os.File) {
	raw, err := f.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeRoom) })
}
