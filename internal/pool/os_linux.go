package pool

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

func dieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }

// fill says how many bytes are in a pipe (FIONREAD), of which f is either end.
//
// Rejected: f.Fd(), which would make every read of the pipe block a thread
// (golang.org/issue/24842).
func fill(f *os.File) string {
	raw, err := f.SyscallConn()
	if err != nil {
		return "?"
	}
	n := -1
	// A pipe that is closed meanwhile says nothing.
	_ = raw.Control(func(fd uintptr) {
		if v, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ); err == nil {
			n = v
		}
	})
	if n < 0 {
		return "?"
	}
	return fmt.Sprint(n)
}

// listenLocal returns a socket that processes of this machine can connect to. It
// is abstract, so it has no name in any folder and ends with whoever holds it.
func listenLocal() (l *net.UnixListener, remove func(), err error) {
	l, err = net.ListenUnix("unix", &net.UnixAddr{Name: "@feedmill-" + rand.Text(), Net: "unix"})
	return l, func() {}, err
}

// isMainThread reports whether the caller is on the first thread of this process.
func isMainThread() bool { return unix.Gettid() == unix.Getpid() }

// isStopped reports whether a signal stopped process pid (SIGSTOP, a debugger), and
// nobody has had it go on.
func isStopped(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	// What stands in brackets is the program's name, and may hold anything.
	after := stat[bytes.LastIndexByte(stat, ')')+1:]
	return bytes.HasPrefix(after, []byte(" T ")) || bytes.HasPrefix(after, []byte(" t "))
}

// MemoryOf returns the most memory that process pid has had resident, and how
// much of what it has now is its own, in bytes; 0 and 0 when it is gone.
//
// Rejected: ru_maxrss of the reaped child. The kernel counts in it what the
// coordinator had resident when it forked.
func MemoryOf(pid int) (peak, own int64) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, 0
	}
	return kilobytes(status, "\nVmHWM:"), kilobytes(status, "\nRssAnon:")
}

// kilobytes returns the number that a line of a status file has, in bytes.
func kilobytes(status []byte, line string) int64 {
	_, after, found := bytes.Cut(status, []byte(line))
	if !found {
		return 0
	}
	value, _, _ := bytes.Cut(after, []byte("\n"))
	kb, err := strconv.ParseInt(string(bytes.TrimSpace(bytes.TrimSuffix(value, []byte("kB")))), 10, 64)
	if err != nil {
		return 0
	}
	return kb << 10
}

// cgroupRoots are where the memory controllers of both versions of cgroups are
// mounted, see cgroups(7).
var cgroupRoots = []struct {
	controllers string // as /proc/self/cgroup names the hierarchy
	root        string
	limit       string
	events      string
}{
	{"", "/sys/fs/cgroup", "memory.max", "memory.events"},
	{"", "/sys/fs/cgroup/unified", "memory.max", "memory.events"},
	{"memory", "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.oom_control"},
}

// noLimit is what version 1 says where there is no limit, about.
const noLimit = 1 << 60

// memoryLimit returns how much memory this process and those that it starts
// may have together, in bytes, 0 when there is no limit or it is not known.
func memoryLimit() int64 {
	least := int64(0)
	eachCgroupFile(func(limit, _ string) {
		text, err := os.ReadFile(limit)
		if err != nil {
			return
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		if err == nil && n > 0 && n < noLimit && (least == 0 || n < least) {
			least = n
		}
	})
	return least
}

// oomKills returns how many processes of this one's group the system has
// killed for want of memory.
func oomKills() int64 {
	most := int64(0)
	eachCgroupFile(func(_, events string) {
		text, err := os.ReadFile(events)
		if err != nil {
			return
		}
		for line := range bytes.Lines(text) {
			if word, n, _ := strings.Cut(strings.TrimSpace(string(line)), " "); word == "oom_kill" {
				if n, err := strconv.ParseInt(n, 10, 64); err == nil {
					most = max(most, n)
				}
			}
		}
	})
	return most
}

// eachCgroupFile calls f with the files that may tell of this process's group
// and of those above it. They need not exist. In a container the group's path
// is often one of outside, and then the root is its own group.
func eachCgroupFile(f func(limit, events string)) {
	text, _ := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(text)) {
		id := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3) // 0::/user.slice or 9:memory:/docker/…
		if len(id) != 3 {
			continue
		}
		for _, r := range cgroupRoots {
			if id[1] != r.controllers {
				continue
			}
			for dir := path.Clean("/" + id[2]); ; dir = path.Dir(dir) {
				f(path.Join(r.root, dir, r.limit), path.Join(r.root, dir, r.events))
				if dir == "/" {
					break
				}
			}
		}
	}
}

// sealThread makes sure that no process that this thread starts ever clears its
// death signal (see starter) or the limit that marks it: what refuses that is
// inherited, by whatever program is run, and cannot be taken off. It is for workers
// that run without their sandbox, which refuses it too. The thread must end with
// whoever calls this, and cannot gain privileges any more, nor can what it starts.
//
// A process that it starts can still fork; a child has no death signal. The
// sandbox refuses that; an enclosure or an undertaker ends it.
func sealThread() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	machine, ok := machines[runtime.GOARCH]
	if !ok {
		return errors.ErrUnsupported
	}
	const (
		number, arch, args = 0, 4, 16   // in struct seccomp_data, little-endian
		x32                = 0x40000000 // another name of the same call
		refuse             = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	)
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	is := func(k uint32, skip, skipElse uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: k, Jt: skip, Jf: skipElse}
	}
	filter := []unix.SockFilter{
		load(arch), is(machine.arch, 0, 18), // what is built for another machine has other numbers: refused
		load(number), {Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: ^uint32(x32)},
		is(unix.SYS_PRCTL, 0, 4),
		load(args), is(unix.PR_SET_PDEATHSIG, 0, 12),
		load(args + 8), is(uint32(unix.SIGKILL), 10, 11),
		is(machine.setrlimit, 0, 2),
		load(args), is(unix.RLIMIT_RTTIME, 8, 7),
		is(unix.SYS_PRLIMIT64, 0, 6),
		load(args + 8), is(unix.RLIMIT_RTTIME, 0, 4),
		load(args + 16), is(0, 0, 3), // it may be asked for
		load(args + 20), is(0, 0, 1),
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		{Code: unix.BPF_RET | unix.BPF_K, K: refuse},
	}
	prog := &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, uintptr(unsafe.Pointer(prog)))
	if errno != 0 {
		return errno
	}
	return nil
}

// machines are those whose system calls sealThread can tell apart. Rejected: those of
// 32 bits, as what they run may well be built for 64.
var machines = map[string]struct{ arch, setrlimit uint32 }{
	"amd64":   {unix.AUDIT_ARCH_X86_64, 160},
	"arm64":   {unix.AUDIT_ARCH_AARCH64, 164},
	"riscv64": {unix.AUDIT_ARCH_RISCV64, 164},
}

// envFirst tells this program that it is the first process of an enclosure.
const envFirst = "FEEDMILL_FIRST"

// The first process of an enclosure is this program once more, whatever that is,
// and must not get as far as main. It waits for the end, and the kernel buries
// whoever is left to it.
func init() {
	if os.Getpid() == 1 && os.Getenv(envFirst) != "" {
		signal.Ignore()
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
}

// An enclosure is a PID namespace, see pid_namespaces(7). What is started in it
// sees no process outside, and when its first process ends the kernel ends all
// others, however they have changed their session, their parent or their
// signals. The first process ends with the thread that made the enclosure.
type enclosure struct {
	first *exec.Cmd
	stdin io.Closer
}

// enclose makes what this thread, which is locked, starts from now on be
// enclosed. It needs CAP_SYS_ADMIN.
//
// Rejected: a user namespace for those who lack that. A thread of several cannot
// enter one, so it would take another process to start the workers, and open
// more of the kernel to whoever gets past the sandbox.
func enclose() (*enclosure, error) {
	// The first time that package os needs it, it starts a process to see what the
	// kernel can do, which must not be the first one in there.
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		self.Release()
	}
	if err := unix.Unshare(unix.CLONE_NEWPID); err != nil {
		return nil, fmt.Errorf("make a PID namespace: %w", err)
	}
	e := &enclosure{first: exec.Command("/proc/self/exe")}
	e.first.Env = []string{envFirst + "=1", "GOMAXPROCS=1"}
	e.first.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	stdin, err := e.first.StdinPipe()
	if err == nil {
		err = e.first.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("start the first process of it: %w", err)
	}
	e.stdin = stdin
	return e, nil
}

// admit prepares cmd to be started in the enclosure. The check that syscall makes
// of a death signal takes a parent outside for one that is gone; nor is the
// signal needed.
func (e *enclosure) admit(cmd *exec.Cmd) { cmd.SysProcAttr.Pdeathsig = 0 }

// close ends whatever is left.
func (e *enclosure) close() {
	e.first.Process.Kill()
	e.first.Wait()
	e.stdin.Close()
}
