package ipc

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An arena is a memfd full of frames, which a worker builds where they will be
// read. On its first page is the index, in the machine's own byte order, as it
// never leaves the machine:
//
//	0     magic uint32 | count uint32
//	8     offset uint32 | length uint32, count times
//	4096  the frames, one behind the other
//
// The frames are those of docs/protocol.md, but for their checksums, which are
// 0: sealed memory can be neither torn nor mixed up, and so the bytes are
// looked at once less on either side.
const (
	arenaMagic = slotMagic<<8&0xffffff00 | 'm'
	arenaHead  = 4096
	maxEntries = (arenaHead - 8) / 8

	// hugePage is how long a huge page is, in bytes. On machines where they are
	// longer, arenas have none.
	hugePage = 2 << 20

	// arenaUnit is how long arenas are, in bytes, or a multiple of it. Half of it
	// costs a quarter more processor time at either end, and twice as much is
	// colder.
	arenaUnit = 8 << 20

	// keptArenas is how many arenas a worker that hands over one after the other
	// keeps open for a while after that. What the coordinator has let go of by
	// then goes back to the system on the worker's own core, and is what that
	// gets for its next arena, still warm. Without, long lists cost half as much
	// again; with more of them, a little more.
	keptArenas = 1

	// hugeAt is how much of an arena is used before huge pages are asked for,
	// in bytes. It then has cost in small pages a little more than a huge one
	// costs; but that one may be memory that nobody has used yet, which in a
	// virtual machine costs its host thirty times as much.
	hugeAt = 1 << 20

	// inlineMax is the longest frame that is not worth an arena, in bytes.
	inlineMax = 16 << 10

	// arenaRoom is where arenas are mapped, in bytes: the longest frame that
	// a peer accepts by default, with some room to spare.
	arenaRoom = DefaultMaxFrame + arenaUnit
)

// The seals of an arena that is handed over: nobody can change it any more, nor
// these seals.
const arenaSeals = unix.F_SEAL_WRITE | seals

type arenaIndex struct {
	magic   uint32
	count   atomic.Uint32
	entries [maxEntries]arenaEntry
}

type arenaEntry struct{ offset, length uint32 }

// An arenaSink is the sink that builds frames in arenas. What is small and comes
// while no arena is begun goes to stdout. Everything else gathers in the arena
// until that is full or flush is called: then it is unmapped, sealed and handed
// over, and said so on stdout.
type arenaSink struct {
	stdout stream
	socket int
	room   []byte // reserved addresses, of whole huge pages

	reserved unsafe.Pointer // where they begin, with a bit to spare

	fd     int    // the arena being filled; -1 for none
	m      []byte // its memory
	used   int    // of m
	ready  int    // of m: how much has its pages
	small  bool   // m is to have no more huge pages
	next   bool   // the next one is to have huge pages from the start
	noHuge bool   // there are none on this machine
	kept   []int  // arenas that were handed over, at most keptArenas
	err    error  // of buffer, for put
}

// newArenaSink returns a sink that hands arenas to socket, and its addresses.
func newArenaSink(stdout stream, socket int) (*arenaSink, error) {
	p, err := unix.MmapPtr(-1, 0, nil, arenaRoom+hugePage, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	return &arenaSink{stdout: stdout, socket: socket, fd: -1, reserved: p, room: unsafe.Slice((*byte)(alignHuge(p)), arenaRoom)}, nil
}

// alignHuge returns the first huge page from p on.
func alignHuge(p unsafe.Pointer) unsafe.Pointer {
	return unsafe.Add(p, -uintptr(p)&(hugePage-1))
}

// close gives back the addresses, and an arena that was begun. A process need
// not: both end with it.
func (a *arenaSink) close() {
	unix.MunmapPtr(a.reserved, arenaRoom+hugePage)
	a.forget(0)
	if a.fd >= 0 {
		unix.Close(a.fd)
		a.fd = -1
	}
}

func (a *arenaSink) index() *arenaIndex { return (*arenaIndex)(unsafe.Pointer(&a.m[0])) }

func (a *arenaSink) buffer(m *Message) []byte {
	bound := frameBound(m)
	if a.fd < 0 && bound <= inlineMax || bound > int64(len(a.room)-arenaHead) {
		return a.stdout.buffer(m)
	}
	if a.fd >= 0 && (a.used+int(bound) > len(a.m) || a.index().count.Load() == maxEntries) {
		a.err = a.handOver()
		a.next = true
	}
	if a.fd < 0 && a.err == nil {
		a.err = a.begin(arenaHead + int(bound))
	}
	if a.err == nil {
		a.err = a.provide(a.used + int(bound))
	}
	if a.err != nil {
		return nil
	}
	return a.m[a.used : a.used : a.used+int(bound)]
}

// put takes a frame without a checksum.
func (a *arenaSink) put(frame []byte) error {
	if a.err != nil {
		return a.err
	}
	if a.fd < 0 || &frame[0] != &a.m[:a.used+1][a.used] {
		// The order is kept.
		if a.err = a.flush(); a.err == nil {
			putChecksum(frame)
			a.err = a.stdout.put(frame)
		}
		return a.err
	}
	index := a.index()
	n := index.count.Load()
	index.entries[n] = arenaEntry{uint32(a.used), uint32(len(frame))}
	index.count.Store(n + 1) // from here on it is there
	a.used += len(frame)
	return nil
}

func (a *arenaSink) pending() bool { return a.fd >= 0 }

func (a *arenaSink) flush() error {
	if a.fd >= 0 && a.err == nil {
		a.next = false
		a.err = a.handOver()
		a.forget(0) // nothing follows soon
	}
	return a.err
}

// forget closes arenas that were handed over, but for the last n.
func (a *arenaSink) forget(n int) {
	for len(a.kept) > n {
		unix.Close(a.kept[0])
		a.kept = a.kept[1:]
	}
}

// begin maps an arena for size bytes or more.
func (a *arenaSink) begin(size int) error {
	size = roundUp(size, arenaUnit)
	fd, err := memfdCreate("feedmill-arena")
	if err != nil {
		return err
	}
	if err := unix.Ftruncate(fd, int64(size)); err != nil {
		unix.Close(fd)
		return os.NewSyscallError("ftruncate", err)
	}
	_, err = unix.MmapPtr(fd, 0, unsafe.Pointer(&a.room[0]), uintptr(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_FIXED)
	if err != nil {
		unix.Close(fd)
		return os.NewSyscallError("mmap", err)
	}
	a.fd, a.m, a.used, a.ready, a.small = fd, a.room[:size], arenaHead, 0, a.noHuge
	if err := a.provide(arenaHead); err != nil {
		return err
	}
	a.index().magic = arenaMagic
	return nil
}

// provide sees to it that the first n bytes of the arena have their pages, for
// which it pays less than for a fault each; and where there is no memory for
// them this is an error and no SIGBUS.
func (a *arenaSink) provide(n int) error {
	if n > a.ready && (n > hugeAt || a.next) && !a.small {
		a.collapse(n)
	}
	if n <= a.ready {
		return nil
	}
	to := roundUp(n, pageSize)
	err := unix.Madvise(a.m[a.ready:to], unix.MADV_POPULATE_WRITE)
	if err != nil && err != unix.EINVAL { // before Linux 5.14 the faults do it
		return fmt.Errorf("populate arena: %w", os.NewSyscallError("madvise", err))
	}
	a.ready = to
	return nil
}

// madvCollapse is MADV_COLLAPSE of Linux 6.1.
const madvCollapse = 25

// collapse gives the first n bytes of the arena huge pages, or all of it when it
// will surely be filled, whatever the system's settings for those of its own
// accord are. It copies what is there already. Where there are none to be had
// the arena gets small ones, as it needs them.
//
// Rejected: MFD_HUGETLB, for which the administrator must have set huge pages
// aside, and MADV_HUGEPAGE, which is forbidden for memfds unless he allowed it.
func (a *arenaSink) collapse(n int) {
	from, to := a.ready&^(hugePage-1), roundUp(n, hugePage)
	if a.next {
		to = len(a.m)
	}
	var err error
	for i := roundUp(a.ready, hugePage); i < to && err == nil; i += hugePage {
		// A huge page takes the place of small ones, at least of one.
		err = unix.Madvise(a.m[i:i+pageSize], unix.MADV_POPULATE_WRITE)
	}
	if err == nil {
		err = unix.Madvise(a.m[from:to], madvCollapse)
	}
	switch err {
	case nil:
		a.ready = to
	case unix.EINVAL:
		a.noHuge = true
		fallthrough
	default:
		a.small = true
	}
}

// size returns how long the arena is to be that has been filled so far: it has
// no more behind its end than before it. To cut a huge page costs more than
// the rest of it is worth.
func (a *arenaSink) size() int {
	for _, unit := range []int{arenaUnit, hugePage} {
		if size := roundUp(a.used, unit); size <= min(a.ready, 2*a.used) {
			return size
		}
	}
	return roundUp(a.used, pageSize)
}

// handOver seals the arena and gives it to the coordinator. The arena is gone
// then, also after an error.
func (a *arenaSink) handOver() error {
	fd, index := a.fd, a.index()
	a.kept = append(a.kept, fd)
	defer a.forget(keptArenas)
	m := &Mapped{Frames: int(index.count.Load()), Bytes: int64(a.used)}
	first := frameSeq(a.m[arenaHead:])
	had, size := len(a.m), a.size()
	a.fd, a.m = -1, nil
	// Memory that somebody could still write to is not sealed.
	_, err := unix.MmapPtr(-1, 0, unsafe.Pointer(&a.room[0]), uintptr(had), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_FIXED)
	if err != nil {
		return os.NewSyscallError("mmap", err)
	}
	if m.Frames == 0 {
		return nil
	}
	if size < had {
		if err := unix.Ftruncate(fd, int64(size)); err != nil {
			return os.NewSyscallError("ftruncate", err)
		}
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, arenaSeals); err != nil {
		return fmt.Errorf("seal arena: %w", os.NewSyscallError("fcntl", err))
	}
	if err := sendDescriptor(a.socket, fd); err != nil {
		return fmt.Errorf("hand over arena: %w", err)
	}
	frame := appendMapped(reserveHeader(a.stdout.buffer(nil)), m)
	sealFrame(frame, kindMapped, first)
	return a.stdout.put(frame)
}

var pageSize = os.Getpagesize()

// roundUp returns the first multiple of unit, a power of two, from n on.
func roundUp(n, unit int) int { return (n + unit - 1) &^ (unit - 1) }

// sendDescriptor sends fd over a socket, and waits while the socket is full:
// that is how a slow coordinator slows its workers.
func sendDescriptor(socket, fd int) error {
	rights := unix.UnixRights(fd)
	for {
		switch err := unix.Sendmsg(socket, []byte{0}, rights, nil, unix.MSG_NOSIGNAL); err {
		case unix.EINTR:
		case unix.ETOOMANYREFS:
			// All workers of a user together may not have more descriptors
			// under way than one process may have open. The coordinator takes
			// them out as it reads, and nothing tells when.
			time.Sleep(time.Millisecond)
		default:
			return os.NewSyscallError("sendmsg", err)
		}
	}
}
