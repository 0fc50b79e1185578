package ipc

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What comes of a descriptor that a worker has passed: nothing about it is
// believed but what the kernel says.

// errNone says that there is no descriptor in a socket.
var errNone = errors.New("no descriptor came")

// receiveDescriptor takes the next descriptor out of a socket. It does not wait:
// one that was announced is there. The kernel closes those of a message for
// which there is no room here.
func receiveDescriptor(socket int) (int, error) {
	var data [1]byte
	rights := make([]byte, unix.CmsgSpace(4))
	n, have, flags, _, err := unix.Recvmsg(socket, data[:], rights, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
	switch {
	case err == unix.EAGAIN || err == nil && n == 0 && have == 0:
		return -1, errNone
	case err != nil:
		return -1, os.NewSyscallError("recvmsg", err)
	}
	var fds []int
	if all, err := unix.ParseSocketControlMessage(rights[:have]); err == nil {
		for i := range all {
			some, _ := unix.ParseUnixRights(&all[i])
			fds = append(fds, some...)
		}
	}
	if len(fds) != 1 || flags&(unix.MSG_CTRUNC|unix.MSG_TRUNC) != 0 {
		for _, fd := range fds {
			closeDescriptor(fd)
		}
		return -1, fmt.Errorf("a message with %d descriptors or more came", len(fds))
	}
	return fds[0], nil
}

// closeDescriptor closes a descriptor that may be anything. To close a socket
// can take as long as its last user wanted, unless it is told otherwise.
func closeDescriptor(fd int) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{})
	unix.Close(fd)
}

// checkArena returns the size of a memfd that can be mapped and trusted to stay
// as it is: the kernel grants the seal for writing only when there is no mapping
// to write through and no page that something still has hold of. All its pages must be there: then none is made for whoever looks at
// it, and so, as it cannot shrink, there is no SIGBUS.
func checkArena(fd int, limit int64) (int64, error) {
	got, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	if err != nil {
		return 0, fmt.Errorf("the descriptor is no memfd")
	}
	if got&arenaSeals != arenaSeals {
		return 0, fmt.Errorf("the memfd lacks the seals %s", sealNames(arenaSeals&^got))
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, os.NewSyscallError("fstat", err)
	}
	if st.Size < arenaHead || st.Size > limit {
		return 0, fmt.Errorf("the memfd has %d bytes, want %d to %d", st.Size, arenaHead, limit)
	}
	if there := st.Blocks * 512; there < st.Size {
		return 0, fmt.Errorf("of the memfd's %d bytes %d are there", st.Size, there)
	}
	return st.Size, nil
}

func sealNames(missing int) string {
	var names []string
	for _, s := range []struct {
		seal int
		name string
	}{{unix.F_SEAL_WRITE, "write"}, {unix.F_SEAL_SHRINK, "shrink"}, {unix.F_SEAL_GROW, "grow"}, {unix.F_SEAL_SEAL, "seal"}} {
		if missing&s.seal != 0 {
			names = append(names, s.name)
		}
	}
	return strings.Join(names, ", ")
}

// mapSealed maps a sealed memfd for reading.
func mapSealed(fd, size int) (memory []byte, unmap func(), err error) {
	// One with huge pages is mapped by them only where one could begin.
	reserved := uintptr(size)
	var p unsafe.Pointer
	flags := 0
	if size >= hugePage {
		reserved += hugePage
		p, err = unix.MmapPtr(-1, 0, nil, reserved, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err != nil {
			return nil, nil, os.NewSyscallError("mmap", err)
		}
		flags = unix.MAP_FIXED
	}
	at := alignHuge(p)
	m, err := unix.MmapPtr(fd, 0, at, uintptr(size), unix.PROT_READ, unix.MAP_SHARED|flags)
	if err == unix.EPERM { // before Linux 6.7
		m, err = unix.MmapPtr(fd, 0, at, uintptr(size), unix.PROT_READ, unix.MAP_PRIVATE|flags)
	}
	if p == nil {
		p = m
	}
	if err != nil {
		if p != nil {
			unix.MunmapPtr(p, reserved)
		}
		return nil, nil, os.NewSyscallError("mmap", err)
	}
	return unsafe.Slice((*byte)(m), size), func() { unix.MunmapPtr(p, reserved) }, nil
}
