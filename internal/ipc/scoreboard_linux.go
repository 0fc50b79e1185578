package ipc

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A descriptor is the file of a memfd; nil when there is none, or no more.
type descriptor = *os.File

// The seals that a memfd must have to be taken for one of ours: nobody can
// change its size, or these seals.
const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL

// NewScoreboard makes the scoreboard of a process that is about to be started.
// The caller closes it. It fails with errors.ErrUnsupported in its chain where
// there are no memfds.
func NewScoreboard(incarnation uint32) (*Scoreboard, error) {
	f, err := newMemfd("feedmill-scoreboard", slotSize)
	if err != nil {
		return nil, fmt.Errorf("make scoreboard: %w", err)
	}
	// Written and not stored: where there is no memory for the page, this is
	// an error and not a SIGBUS.
	s := slot{magic: slotMagic, incarnation: incarnation}
	if _, err := f.WriteAt(unsafe.Slice((*byte)(unsafe.Pointer(&s)), slotSize), 0); err != nil {
		f.Close()
		return nil, fmt.Errorf("make scoreboard: %w", err)
	}
	b, err := mapScoreboard(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("make scoreboard: %w", err)
	}
	b.file = f
	return b, nil
}

// OpenScoreboard returns the scoreboard that file descriptor fd is, if it is
// one. It closes fd then and only then: the memory stays, until the process
// ends. Any other fd, or none, is left as it is and is an error.
func OpenScoreboard(fd int) (*Scoreboard, error) {
	if err := checkMemfd(fd, slotSize); err != nil {
		return nil, fmt.Errorf("open scoreboard: %w", err)
	}
	memory, err := mmap(fd)
	if err != nil {
		return nil, fmt.Errorf("open scoreboard: %w", err)
	}
	b := &Scoreboard{slot: (*slot)(unsafe.Pointer(&memory[0])), memory: memory}
	if b.slot.magic != slotMagic {
		b.Close()
		return nil, errors.New("open scoreboard: it is something else")
	}
	unix.Close(fd)
	return b, nil
}

// mapScoreboard maps a memfd of the coordinator's own.
func mapScoreboard(f *os.File) (*Scoreboard, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var memory []byte
	var failed error
	if err := raw.Control(func(fd uintptr) { memory, failed = mmap(int(fd)) }); err != nil {
		return nil, err
	}
	if failed != nil {
		return nil, failed
	}
	return &Scoreboard{slot: (*slot)(unsafe.Pointer(&memory[0])), memory: memory}, nil
}

func mmap(fd int) ([]byte, error) {
	memory, err := unix.Mmap(fd, 0, int(slotSize), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	return memory, nil
}

// File returns the file to hand to the process, or nil. It belongs to b.
func (b *Scoreboard) File() *os.File {
	if b == nil {
		return nil
	}
	return b.file
}

// CloseFile closes the file, once the process has it. The memory stays.
func (b *Scoreboard) CloseFile() {
	if b != nil && b.file != nil {
		b.file.Close()
		b.file = nil
	}
}

// Close gives back the memory and the file. b must not be used any more.
func (b *Scoreboard) Close() error {
	if b == nil {
		return nil
	}
	b.CloseFile()
	memory := b.memory
	b.slot, b.memory = nil, nil
	return os.NewSyscallError("munmap", unix.Munmap(memory))
}

// memfdCreate makes a memfd that can be sealed.
func memfdCreate(name string) (int, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_NOEXEC_SEAL)
	if err == unix.EINVAL { // before Linux 6.3
		fd, err = unix.MemfdCreate(name, flags)
	}
	if err == unix.ENOSYS || err == unix.EPERM {
		return -1, fmt.Errorf("%w: memfd_create: %w", errors.ErrUnsupported, err)
	}
	return fd, os.NewSyscallError("memfd_create", err)
}

// newMemfd makes a memfd of a size that cannot be changed any more.
func newMemfd(name string, size int64) (*os.File, error) {
	fd, err := memfdCreate(name)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	err = os.NewSyscallError("ftruncate", unix.Ftruncate(fd, size))
	if err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals)
		err = os.NewSyscallError("fcntl", err)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// checkMemfd returns nil when fd is a sealed memfd of this size.
func checkMemfd(fd int, size int64) error {
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
	return nil
}

// NewSpecimen makes an empty specimen. The caller closes it. It takes memory
// only for what is put into it.
func NewSpecimen() (*Specimen, error) {
	f, err := newMemfd("feedmill-specimen", headSize+MaxSpecimen)
	if err == nil {
		head := specimenHead{magic: specimenMagic}
		if _, err = f.WriteAt(head.bytes(), 0); err == nil {
			return &Specimen{f}, nil
		}
		f.Close()
	}
	return nil, fmt.Errorf("make specimen: %w", err)
}

// OpenSpecimen returns the specimen that file descriptor fd is, if it is one,
// and then owns fd. Any other fd, or none, is left as it is and is an error.
func OpenSpecimen(fd int) (*Specimen, error) {
	if err := checkMemfd(fd, headSize+MaxSpecimen); err != nil {
		return nil, fmt.Errorf("open specimen: %w", err)
	}
	var head specimenHead
	if _, err := unix.Pread(fd, head.bytes(), 0); err != nil || head.magic != specimenMagic {
		return nil, errors.New("open specimen: it is something else")
	}
	unix.CloseOnExec(fd)
	return &Specimen{os.NewFile(uintptr(fd), "specimen")}, nil
}

// File returns the file to hand to the process, or nil. It belongs to s.
func (s *Specimen) File() *os.File {
	if s == nil {
		return nil
	}
	return s.file
}

// Close gives back the memory, when the other side has too.
func (s *Specimen) Close() error {
	if s == nil {
		return nil
	}
	return s.file.Close()
}

// Want says whose document is to be kept; 0 says nobody's.
func (s *Specimen) Want(job int64) error {
	if s == nil {
		return nil
	}
	head := specimenHead{magic: specimenMagic, wanted: job}
	_, err := s.file.WriteAt(head.bytes(), 0)
	return err
}

// Put keeps the document of a job if it is wanted, or the first MaxSpecimen
// bytes of it.
func (s *Specimen) Put(job int64, body []byte) error {
	if s == nil {
		return nil
	}
	var head specimenHead
	if _, err := s.file.ReadAt(head.bytes(), 0); err != nil || head.wanted != job {
		return err
	}
	body = body[:min(len(body), MaxSpecimen)]
	if _, err := s.file.WriteAt(body, headSize); err != nil {
		return err
	}
	head.job, head.size = job, int64(len(body))
	_, err := s.file.WriteAt(head.bytes(), 0)
	return err
}

// Document returns the document of a job, or nil when it was not put there.
func (s *Specimen) Document(job int64) ([]byte, error) {
	if s == nil {
		return nil, nil
	}
	var head specimenHead
	if _, err := s.file.ReadAt(head.bytes(), 0); err != nil {
		return nil, fmt.Errorf("read specimen: %w", err)
	}
	if head.job != job || head.size < 0 || head.size > MaxSpecimen {
		return nil, nil
	}
	body := make([]byte, head.size)
	if _, err := s.file.ReadAt(body, headSize); err != nil {
		return nil, fmt.Errorf("read specimen: %w", err)
	}
	return body, nil
}
