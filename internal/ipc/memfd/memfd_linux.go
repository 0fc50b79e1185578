// Package memfd makes memory that processes share: files without a name, whose
// size nobody can change. It maps nothing that it has not checked to be sealed:
// where a page could go away, looking at it could end the process (SIGBUS).
package memfd

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// seals are those that a memfd must have to be taken for one of ours: nobody
// can change its size, or these seals.
const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL

// New makes a memfd of size bytes, all zero, which begins with head. The caller
// closes it. It fails with errors.ErrUnsupported in its chain where there are
// none.
func New(name string, size int64, head []byte) (*os.File, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_NOEXEC_SEAL)
	if err == unix.EINVAL { // before Linux 6.3
		fd, err = unix.MemfdCreate(name, flags)
	}
	if err == unix.ENOSYS || err == unix.EPERM {
		return nil, fmt.Errorf("%w: memfd_create: %w", errors.ErrUnsupported, err)
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), name)
	err = os.NewSyscallError("ftruncate", unix.Ftruncate(fd, size))
	if err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals)
		err = os.NewSyscallError("fcntl", err)
	}
	if err == nil {
		// Written and not stored: where there is no memory for the page, this
		// is an error and not a SIGBUS.
		_, err = f.WriteAt(head, 0)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Check returns nil when fd is a sealed memfd of size bytes, which begins with
// head.
func Check(fd int, size int64, head []byte) error {
	got, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	if err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	if got&seals != seals {
		return errors.New("it is not sealed")
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	if st.Size != size {
		return fmt.Errorf("it has %d bytes, want %d", st.Size, size)
	}
	had := make([]byte, len(head))
	if _, err := unix.Pread(fd, had, 0); err != nil || string(had) != string(head) {
		return errors.New("it is something else")
	}
	return nil
}

// Map maps the first size bytes of fd, for both sides to read and write. Unmap
// gives them back.
func Map(fd int, size int64) ([]byte, error) {
	b, err := unix.Mmap(fd, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	return b, nil
}

// MapFile maps size bytes of a file of this process's own, as Map does a peer's.
func MapFile(f *os.File, size int64) (b []byte, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { b, failed = Map(int(fd), size) })
	return b, errors.Join(err, failed)
}

// Unmap gives back what Map has mapped.
func Unmap(b []byte) error { return os.NewSyscallError("munmap", unix.Munmap(b)) }

// Inherit returns the file of a descriptor that this process was started with,
// and that is one of its own from then on.
func Inherit(fd int, name string) *os.File {
	unix.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), name)
}

// Bytes returns v as the machine has it.
func Bytes[T any](v *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
}
