package board

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"feedmill/internal/ipc/memfd"
)

// A descriptor is the file of a memfd; nil when there is none, or no more.
type descriptor = *os.File

// boardHead is how the memfd of a board begins.
func boardHead() []byte {
	magic := uint32(recordMagic)
	return memfd.Bytes(&magic)
}

// New makes the board of a process that is about to be started. The caller
// closes it. It fails with errors.ErrUnsupported in its chain where there are no
// memfds.
func New() (*Board, error) {
	f, err := memfd.New("feedmill-scoreboard", recordSize, boardHead())
	if err != nil {
		return nil, fmt.Errorf("make scoreboard: %w", err)
	}
	memory, err := memfd.MapFile(f, recordSize)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("make scoreboard: %w", err)
	}
	return &Board{record: (*record)(unsafe.Pointer(&memory[0])), memory: memory, file: f}, nil
}

// Open returns the board that file descriptor fd is, if it is one. It closes fd
// then and only then: the memory stays, until the process ends. Any other fd, or
// none, is left as it is and is an error.
func Open(fd int) (*Board, error) {
	if err := memfd.Check(fd, recordSize, boardHead()); err != nil {
		return nil, fmt.Errorf("open scoreboard: %w", err)
	}
	memory, err := memfd.Map(fd, recordSize)
	if err != nil {
		return nil, fmt.Errorf("open scoreboard: %w", err)
	}
	unix.Close(fd)
	return &Board{record: (*record)(unsafe.Pointer(&memory[0])), memory: memory}, nil
}

// File returns the file to hand to the process, or nil. It belongs to b.
func (b *Board) File() *os.File {
	if b == nil {
		return nil
	}
	return b.file
}

// CloseFile closes the file, once the process has it. The memory stays.
func (b *Board) CloseFile() {
	if b != nil && b.file != nil {
		b.file.Close()
		b.file = nil
	}
}

// Close gives back the memory and the file. b must not be used any more.
func (b *Board) Close() error {
	if b == nil {
		return nil
	}
	b.CloseFile()
	memory := b.memory
	b.record, b.memory = nil, nil
	return memfd.Unmap(memory)
}
