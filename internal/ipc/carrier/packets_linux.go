package carrier

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// queueRoom is how much a queue is to hold, in bytes, with what the kernel adds
// to each message. Linux allows twice net.core.wmem_max to everybody, which is
// 425,984 bytes unless it was changed.
const queueRoom = 1 << 20

// packets is one end of a SOCK_SEQPACKET pair: what is sent in one piece comes
// in one piece, also when many processes send and receive at either end.
//
// The flags of an end are shared by all who have inherited it, and so each call
// says for itself that it does not want to wait. It is the runtime's poller that
// waits, which costs no thread.
type packets struct {
	file *os.File
	raw  syscall.RawConn
}

// newPackets returns a pair: what is sent to w comes out of r, and nothing goes
// the other way. r learns who sent a message.
func newPackets() (r, w *packets, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	err = unix.Shutdown(fds[0], unix.SHUT_WR)
	err = errors.Join(err, unix.SetsockoptInt(fds[0], unix.SOL_SOCKET, unix.SO_PASSCRED, 1))
	if err != nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return nil, nil, os.NewSyscallError("setsockopt", err)
	}
	// Where this is not allowed there is less room, and that is all.
	_ = unix.SetsockoptInt(fds[1], unix.SOL_SOCKET, unix.SO_SNDBUF, queueRoom)
	if r, err = asPackets(fds[0]); err != nil {
		unix.Close(fds[1])
		return nil, nil, err
	}
	if w, err = asPackets(fds[1]); err != nil {
		r.close()
		return nil, nil, err
	}
	return r, w, nil
}

// asPackets returns the end that fd is, which it owns from then on.
func asPackets(fd int) (*packets, error) {
	p := &packets{file: os.NewFile(uintptr(fd), "queue")}
	var err error
	if p.raw, err = p.file.SyscallConn(); err != nil {
		p.file.Close()
		return nil, err
	}
	return p, nil
}

// inheritedPackets returns the end that a process has inherited as fd.
func inheritedPackets(fd int) (*packets, error) {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return nil, os.NewSyscallError("getsockopt", err)
	}
	if kind != unix.SOCK_SEQPACKET {
		return nil, errors.New("what was inherited is no queue")
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return asPackets(fd)
}

// again returns another file for the same end, to be inherited.
func (p *packets) again() (f *os.File, err error) {
	failed := p.raw.Control(func(fd uintptr) {
		var n int
		if n, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 3); err == nil {
			f = os.NewFile(uintptr(n), "queue")
		}
	})
	return f, os.NewSyscallError("fcntl", errors.Join(failed, err))
}

func (p *packets) close() error { return p.file.Close() }

// hurry makes whoever waits in send or receive return, now and for ever.
func (p *packets) hurry() { p.file.SetDeadline(time.Unix(1, 0)) }

// send sends b as one message, and waits while there is no room for it. It
// returns unix.EMSGSIZE for a message that is too long, and unix.EPIPE when
// nothing can be sent any more.
func (p *packets) send(b []byte) error {
	var failed error
	err := p.raw.Write(func(fd uintptr) bool {
		for {
			failed = unix.Send(int(fd), b, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
			if failed != unix.EINTR {
				return failed != unix.EAGAIN
			}
		}
	})
	if err != nil {
		return err
	}
	return failed
}

// credentialSpace is how much the kernel writes to say who sent a message. With
// room for no more than that it passes on no descriptor that a sender may have
// put beside it.
var credentialSpace = unix.CmsgSpace(unix.SizeofUcred)

// A packet is one message.
type packet struct {
	n      int  // its bytes
	pid    int  // of the process that sent it
	longer bool // than there was room for
}

// receive waits for a message, puts it into b and what the kernel says of it
// into control. io.EOF means that there will be none.
func (p *packets) receive(b, control []byte) (pk packet, err error) {
	failed := p.raw.Read(func(fd uintptr) bool {
		pk, err = receiveNow(int(fd), b, control)
		return err != unix.EAGAIN
	})
	if failed != nil {
		return packet{}, failed
	}
	return pk, err
}

// receiveNow is receive without the waiting; it returns unix.EAGAIN instead.
func receiveNow(fd int, b, control []byte) (packet, error) {
	for {
		n, oobn, flags, _, err := unix.Recvmsg(fd, b, control, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return packet{}, err
		case err != nil:
			return packet{}, os.NewSyscallError("recvmsg", err)
		}
		pk := packet{n: n, pid: credentials(control[:oobn]), longer: flags&unix.MSG_TRUNC != 0}
		// An end and an empty message look the same, but the latter has a
		// sender.
		if n == 0 && pk.pid == 0 {
			return packet{}, io.EOF
		}
		return pk, nil
	}
}

// credentials returns the process that the kernel says has sent a message, or 0.
func credentials(control []byte) int {
	if len(control) < unix.CmsgLen(unix.SizeofUcred) {
		return 0
	}
	h := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
	if h.Level != unix.SOL_SOCKET || h.Type != unix.SCM_CREDENTIALS {
		return 0
	}
	return int((*unix.Ucred)(unsafe.Pointer(&control[unix.CmsgLen(0)])).Pid)
}
