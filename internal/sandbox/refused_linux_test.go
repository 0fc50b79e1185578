package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func init() {
	children["refused"] = func() {
		other := make(chan func() error)
		answers := make(chan error)
		go func() { // a thread that is older than the sandbox
			runtime.LockOSThread()
			for do := range other {
				answers <- do()
			}
		}()
		other <- func() error { return nil }
		<-answers

		apply(Policy{})
		for _, a := range attempts {
			say(a.name, code(a.do()))
			other <- a.do
			say(a.name+", other thread", code(<-answers))
		}
	}
}

// code returns an error's number in the system's terms, 0 for none.
func code(err error) any {
	if err == nil {
		return "allowed"
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return unix.ErrnoName(errno)
	}
	return err
}

// call makes a system call that must not harm the machine should it be let
// through: its arguments are chosen to be useless.
func call(number uintptr, args ...uintptr) func() error {
	var a [6]uintptr
	copy(a[:], args)
	return func() error {
		_, _, errno := unix.Syscall6(number, a[0], a[1], a[2], a[3], a[4], a[5])
		if errno != 0 {
			return errno
		}
		return nil
	}
}

// An attempt is something that a worker must not be able to do.
type attempt struct {
	name string
	do   func() error
	want string // the error, EPERM when empty
}

const (
	// highHalf is set in arguments of which the kernel reads the low half
	// only; where there is no more than that half it is 0.
	highHalf = ^uintptr(0) >> 32 << 32

	// nothing is neither a file descriptor nor a process.
	nothing = 0xffffffff
)

var attempts = []attempt{
	{name: "read /etc/passwd", want: "EACCES", do: func() error { return readFile("/etc/passwd") }},
	{name: "read own program", want: "EACCES", do: func() error { return readFile(os.Args[0]) }},
	{name: "list /", want: "EACCES", do: func() error { _, err := os.ReadDir("/"); return err }},

	{name: "write a file", do: func() error { return os.WriteFile(scratch(), nil, 0o600) }},
	{name: "truncate a file", do: func() error { return os.Truncate(scratch(), 0) }},
	{name: "make a directory", do: func() error { return os.Mkdir(scratch(), 0o700) }},
	{name: "remove a file", do: func() error { return unix.Unlink(scratch()) }},
	{name: "rename a file", do: func() error { return os.Rename(scratch(), scratch()+"2") }},
	{name: "link a file", do: func() error { return os.Symlink("/etc", scratch()) }},
	{name: "chmod", do: func() error { return os.Chmod(scratch(), 0o700) }},
	{name: "openat2", want: "ENOSYS", do: call(unix.SYS_OPENAT2)},

	{name: "run a program", do: func() error {
		_, err := syscall.ForkExec(os.Args[0], nil, &syscall.ProcAttr{})
		return err
	}},
	{name: "execve", do: call(unix.SYS_EXECVE)},
	{name: "execveat", do: call(unix.SYS_EXECVEAT)},
	{name: "fork", do: fork},
	{name: "clone3", want: "ENOSYS", do: call(unix.SYS_CLONE3)},
	{name: "new user namespace", do: call(unix.SYS_CLONE, unix.CLONE_NEWUSER|unix.CLONE_THREAD)},

	{name: "ptrace", do: call(unix.SYS_PTRACE, unix.PTRACE_ATTACH, nothing)},
	{name: "process_vm_readv", do: call(unix.SYS_PROCESS_VM_READV)},
	{name: "process_vm_writev", do: call(unix.SYS_PROCESS_VM_WRITEV)},
	{name: "signal the parent", do: func() error { return unix.Kill(os.Getppid(), 0) }},
	{name: "signal a thread of the parent", do: func() error { return unix.Tgkill(os.Getppid(), os.Getppid(), 0) }},
	{name: "signal everyone", do: func() error { return unix.Kill(-1, 0) }},
	{name: "lower the parent's priority", do: func() error { return unix.Setpriority(unix.PRIO_PROCESS, os.Getppid(), 0) }},
	{name: "move the parent to another processor", do: func() error {
		var all unix.CPUSet
		all.Set(0)
		return unix.SchedSetaffinity(os.Getppid(), &all)
	}},
	{name: "sched_setattr", do: call(unix.SYS_SCHED_SETATTR, nothing)},
	{name: "ioprio_set", do: call(unix.SYS_IOPRIO_SET, nothing)},
	{name: "leave the process group", do: func() error { return unix.Setpgid(0, 0) }},
	{name: "become somebody else", do: call(unix.SYS_SETRESUID, ^uintptr(0), ^uintptr(0), ^uintptr(0))},
	{name: "clear the death signal", do: call(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG)},
	{name: "clear the death signal, high half", do: call(unix.SYS_PRCTL, highHalf|unix.PR_SET_PDEATHSIG)},
	{name: "be a subreaper", do: call(unix.SYS_PRCTL, unix.PR_SET_CHILD_SUBREAPER, 0)},
	{name: "memfd_create", do: call(unix.SYS_MEMFD_CREATE)},
	{name: "shared memory", do: call(unix.SYS_MMAP, 0, 1<<12, unix.PROT_READ, unix.MAP_SHARED|unix.MAP_ANONYMOUS, nothing, 0)},
	{name: "name an interface", do: call(unix.SYS_IOCTL, nothing, unix.SIOCGIFNAME)},
	{name: "add a route", do: call(unix.SYS_IOCTL, nothing, unix.SIOCADDRT)},
	{name: "pidfd_open", do: call(unix.SYS_PIDFD_OPEN)},
	{name: "perf_event_open", do: call(unix.SYS_PERF_EVENT_OPEN)},
	{name: "personality", do: call(unix.SYS_PERSONALITY, 0xffffffff)},
	{name: "raise a limit", do: func() error {
		return unix.Prlimit(0, unix.RLIMIT_CORE, &unix.Rlimit{Cur: 1, Max: 1}, nil)
	}},

	{name: "unshare", do: call(unix.SYS_UNSHARE)},
	{name: "setns", do: call(unix.SYS_SETNS, nothing)},
	{name: "mount", do: call(unix.SYS_MOUNT)},
	{name: "umount", do: call(unix.SYS_UMOUNT2)},
	{name: "move_mount", do: call(unix.SYS_MOVE_MOUNT)},
	{name: "fsopen", do: call(unix.SYS_FSOPEN)},
	{name: "chroot", do: call(unix.SYS_CHROOT)},
	{name: "pivot_root", do: call(unix.SYS_PIVOT_ROOT)},

	{name: "bpf", do: call(unix.SYS_BPF)},
	{name: "userfaultfd", do: call(unix.SYS_USERFAULTFD, nothing)},
	{name: "io_uring_setup", do: call(unix.SYS_IO_URING_SETUP)},
	{name: "io_uring_enter", do: call(unix.SYS_IO_URING_ENTER)},
	{name: "io_uring_register", do: call(unix.SYS_IO_URING_REGISTER)},
	{name: "add_key", do: call(unix.SYS_ADD_KEY)},
	{name: "request_key", do: call(unix.SYS_REQUEST_KEY)},
	{name: "keyctl", do: call(unix.SYS_KEYCTL, 99999)},
	{name: "init_module", do: call(unix.SYS_INIT_MODULE)},
	{name: "finit_module", do: call(unix.SYS_FINIT_MODULE, nothing)},
	{name: "delete_module", do: call(unix.SYS_DELETE_MODULE)},
	{name: "kexec_load", do: call(unix.SYS_KEXEC_LOAD, 0, 99999)},
	{name: "reboot", do: call(unix.SYS_REBOOT)},
	{name: "swapon", do: call(unix.SYS_SWAPON)},

	{name: "local socket", do: socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)},
	{name: "netlink socket", do: socket(unix.AF_NETLINK, unix.SOCK_RAW, 0)},
	{name: "packet socket", do: socket(unix.AF_PACKET, unix.SOCK_DGRAM, 0)},
	{name: "crypto socket", do: socket(unix.AF_ALG, unix.SOCK_SEQPACKET, 0)},
	{name: "raw socket", do: socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_UDP)},
	{name: "raw socket, high half", do: socket(unix.AF_INET, highHalf|unix.SOCK_RAW, unix.IPPROTO_UDP)},
	{name: "ping socket", do: socket(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP)},
	{name: "multipath TCP", do: socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP)},
	{name: "bind", do: call(unix.SYS_BIND, nothing)},
	{name: "listen", do: call(unix.SYS_LISTEN, nothing)},
	{name: "connect by sending", do: call(unix.SYS_SENDTO, nothing, 0, 0, sendConnect)},
	{name: "type into the terminal", do: call(unix.SYS_IOCTL, nothing, unix.TIOCSTI)},
	{name: "type into the terminal, high half", do: call(unix.SYS_IOCTL, nothing, highHalf|unix.TIOCSTI)},
}

func readFile(path string) error {
	_, err := os.ReadFile(path)
	return err
}

// scratch names a file that is not there.
func scratch() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("feedmill-sandbox-%d", os.Getpid()))
}

func socket(family, kind, protocol uintptr) func() error {
	return func() error {
		fd, _, errno := unix.Syscall(unix.SYS_SOCKET, family, kind, protocol)
		if errno != 0 {
			return errno
		}
		return unix.Close(int(fd))
	}
}

// fork makes a process that ends at once, should it be let through.
func fork() error {
	pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	if pid == 0 {
		unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
	_, err := unix.Wait4(int(pid), nil, 0, nil)
	return err
}

func TestEverythingRefusedIsRefusedInEveryThread(t *testing.T) {
	here := Probe()
	asEach(t, func(t *testing.T, env string) {
		r := runChild(t, "refused", env).finished(t)
		t.Logf("level %s", r.said["level"])
		for _, a := range attempts {
			want := a.want
			switch {
			case want == "":
				want = "EPERM"
			case want == "EACCES" && here.Landlock == 0:
				continue // there is no other wall around reading
			}
			if here.Seccomp || want == "EACCES" {
				for _, name := range []string{a.name, a.name + ", other thread"} {
					if got := r.said[name]; got != want {
						t.Errorf("%s: got %q, want %q", name, got, want)
					}
				}
			}
		}
	})
}

// foreign makes the system call number the way a 32-bit program would, and
// returns the kernel's answer. It crashes where there are no 32-bit programs.
func foreign(number byte) int32 {
	code, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		say("mmap", err)
		os.Exit(1)
	}
	// mov eax, number; int 0x80; ret
	copy(code, []byte{0xb8, number, 0, 0, 0, 0xcd, 0x80, 0xc3})
	entry := unsafe.Pointer(&code)
	return (*(*func() int32)(unsafe.Pointer(&entry)))()
}

func init() {
	children["foreign"] = func() {
		say("pid", os.Getpid())
		say("before", foreign(20)) // getpid
		apply(Policy{})
		say("after", foreign(20))
	}
}

func TestCallsOfAnotherMachineAreRefused(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skipf("amd64 alone has a second way into the kernel, this is %s", runtime.GOARCH)
	}
	if !Probe().Seccomp {
		t.Skipf("needs seccomp, there is: %v", Probe())
	}
	r := runChild(t, "foreign")
	if r.said["before"] != r.said["pid"] || r.said["pid"] == "" {
		t.Skipf("this kernel runs no 32-bit programs: child ended with %v", r.state)
	}
	if got := r.finished(t).said["after"]; got != "-1" {
		t.Errorf("getpid by int 0x80 gave %s, want -1 (EPERM)", got)
	}
}
