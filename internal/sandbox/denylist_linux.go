package sandbox

import (
	"slices"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// refused are the system calls that no worker has a use for. A machine has
// only some of them: the others' names are passed over there.
//
// Rejected: a list of what is allowed. It would have to follow every release
// of Go, of the C library and of the kernel, and to be wrong once is to lose
// every feed.
var refused = []string{
	// Other processes. Those that it would start itself: see programs.
	"ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "process_mrelease", "kcmp",
	"pidfd_open", "pidfd_getfd", "pidfd_send_signal", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "tkill",
	"perf_event_open", "personality", "setrlimit",

	// Their priorities and processors, also one's own, and the group that the
	// coordinator kills as a whole.
	"setpriority", "ioprio_set", "sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr",
	"setpgid", "setsid",

	// Being somebody else. A change of user also ends the death signal that the
	// coordinator has set.
	"setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid", "setfsgid", "setgroups", "capset",
	"setuid32", "setgid32", "setreuid32", "setregid32", "setresuid32", "setresgid32", "setfsuid32", "setfsgid32", "setgroups32",

	// Memory that RLIMIT_DATA does not count. Shared mappings: see below.
	"memfd_create", "memfd_secret",

	// Namespaces and mounts.
	"unshare", "setns", "chroot", "pivot_root", "mount", "umount", "umount2", "mount_setattr", "move_mount",
	"open_tree", "open_tree_attr", "fsopen", "fsconfig", "fsmount", "fspick",
	"open_by_handle_at", "name_to_handle_at", "fanotify_init", "quotactl", "quotactl_fd",

	// Large and often broken parts of the kernel.
	"bpf", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register",
	"add_key", "request_key", "keyctl", "modify_ldt", "lookup_dcookie", "nfsservctl",
	"shmget", "shmat", "shmctl", "semget", "semop", "semtimedop", "semctl", "msgget", "msgsnd", "msgrcv", "msgctl", "ipc",
	"mq_open", "mq_unlink", "mbind", "set_mempolicy", "migrate_pages", "move_pages",

	// The machine as a whole.
	"init_module", "finit_module", "delete_module", "create_module", "kexec_load", "kexec_file_load",
	"reboot", "swapon", "swapoff", "acct", "syslog", "sethostname", "setdomainname", "iopl", "ioperm", "vhangup",
	"settimeofday", "clock_settime", "clock_settime64", "clock_adjtime", "clock_adjtime64", "adjtimex", "stime",

	// Changes to files. Landlock refuses most of them, where there is
	// Landlock; owners, modes, times and attributes it leaves alone.
	"creat", "truncate", "truncate64", "mknod", "mknodat", "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat",
	"rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat",
	"chmod", "fchmod", "fchmodat", "fchmodat2",
	"chown", "fchown", "lchown", "fchownat", "chown32", "fchown32", "lchown32",
	"utime", "utimes", "utimensat", "utimensat_time64", "futimesat",
	"setxattr", "lsetxattr", "fsetxattr", "setxattrat", "removexattr", "lremovexattr", "fremovexattr", "removexattrat",

	// Being a server.
	"bind", "listen", "accept", "accept4",
}

// unanswerable are calls whose arguments are in memory, where a filter cannot
// look. They end as if the kernel were too old to have them, and then their
// callers (the C library, for one) use the older call that is filtered.
var unanswerable = []string{"clone3", "openat2"}

// Flags that package unix does not have on every machine.
const (
	cloneNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
		unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET
	openWriting = unix.O_WRONLY | unix.O_RDWR | unix.O_CREAT | unix.O_TRUNC
	sendConnect = 0x20000000 // MSG_FASTOPEN: connects, past Landlock
	maxUint32   = 1<<32 - 1

	// The requests of sockios.h.
	firstNetworkIoctl = 0x8900
	lastNetworkIoctl  = 0x89ff
)

// is names a call with conditions, all of which must be met.
func is(name string, all ...seccomp.Condition) seccomp.NameWithConditions {
	return seccomp.NameWithConditions{Name: name, Conditions: all}
}

// arg is a condition on one argument, counted from 0.
func arg(n uint32, op seccomp.Operation, value uint64) seccomp.Condition {
	return seccomp.Condition{Argument: n, Operation: op, Value: value}
}

// programs are the calls that start processes or become another program.
var programs = []string{"execve", "execveat", "fork", "vfork"}

// leaving returns the calls that are refused, for some arguments, so that a worker
// leaves nothing behind.
func leaving() []seccomp.NameWithConditions {
	return []seccomp.NameWithConditions{
		// A new thread is fine, a new process is not.
		is("clone", arg(0, seccomp.BitsNotSet, unix.CLONE_THREAD)),
		// The signal with which a worker dies when its coordinator does. Only the
		// low half of the first argument counts.
		is("prctl", arg(0, seccomp.Equal, unix.PR_SET_PDEATHSIG)),
		is("prctl", arg(0, seccomp.GreaterThan, maxUint32)),
	}
}

// conditional returns the calls that are refused for some arguments. Where the
// kernel looks at the low half of an argument only, a condition that refuses
// one value also refuses everything with a high half.
func conditional(pid uint64) []seccomp.NameWithConditions {
	list := append(leaving(), []seccomp.NameWithConditions{
		// New namespaces. New processes: see below.
		is("clone", arg(0, seccomp.BitsSet, cloneNamespaces)),

		// Signals to oneself are how the Go runtime preempts goroutines.
		is("kill", arg(0, seccomp.NotEqual, pid)),
		is("tgkill", arg(0, seccomp.NotEqual, pid)),

		// Limits may be read. Root could raise them again.
		is("prlimit64", arg(2, seccomp.NotEqual, 0)),

		is("open", arg(1, seccomp.BitsSet, openWriting)),
		is("openat", arg(2, seccomp.BitsSet, openWriting)),

		// Being the parent of orphans.
		is("prctl", arg(0, seccomp.Equal, unix.PR_SET_CHILD_SUBREAPER)),
		is("prctl", arg(0, seccomp.Equal, unix.PR_SET_MM)),

		// Shared memory that nobody else has counts as nobody's data.
		is("mmap", arg(3, seccomp.BitsSet, unix.MAP_SHARED), arg(3, seccomp.BitsSet, unix.MAP_ANONYMOUS)),
		is("mmap2", arg(3, seccomp.BitsSet, unix.MAP_SHARED), arg(3, seccomp.BitsSet, unix.MAP_ANONYMOUS)),

		// Interfaces, addresses and routes of the machine.
		is("ioctl", arg(1, seccomp.GreaterOrEqual, firstNetworkIoctl), arg(1, seccomp.LessOrEqual, lastNetworkIoctl)),

		// Putting keystrokes into the user's terminal.
		is("ioctl", arg(1, seccomp.Equal, unix.TIOCSTI)),
		is("ioctl", arg(1, seccomp.Equal, unix.TIOCLINUX)),
		is("ioctl", arg(1, seccomp.GreaterThan, maxUint32)),

		// IPv4 and IPv6 alone: local sockets lead to services that trust
		// whoever reaches them, others to rarely used parts of the kernel.
		// TCP and UDP alone: Landlock knows the ports of no other protocol.
		is("socket", arg(0, seccomp.NotEqual, unix.AF_INET), arg(0, seccomp.NotEqual, unix.AF_INET6)),
		is("socket", arg(2, seccomp.NotEqual, 0),
			arg(2, seccomp.NotEqual, unix.IPPROTO_TCP), arg(2, seccomp.NotEqual, unix.IPPROTO_UDP)),
		is("socket", arg(1, seccomp.GreaterThan, maxUint32)),

		is("sendto", arg(3, seccomp.BitsSet, sendConnect)),
		is("sendmsg", arg(2, seccomp.BitsSet, sendConnect)),
		is("sendmmsg", arg(3, seccomp.BitsSet, sendConnect)),
	}...)
	for _, flags := range []uint64{0, unix.SOCK_CLOEXEC, unix.SOCK_NONBLOCK, unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK} {
		list = append(list, is("socket", arg(1, seccomp.Equal, unix.SOCK_RAW|flags)))
	}
	return list
}

// denyList returns the policy for a machine and for the process pid.
func denyList(table *arch.Info, pid uint64) seccomp.Policy {
	return refuse(table, slices.Concat(refused, programs), unanswerable, conditional(pid))
}

// aloneList returns the policy for a worker that gives up nothing else.
func aloneList(table *arch.Info) seccomp.Policy {
	return refuse(table, programs, []string{"clone3"}, leaving())
}

// refuse returns a policy that refuses what a machine has of these calls: never,
// as if the kernel lacked them, and for some arguments.
func refuse(table *arch.Info, never, lacking []string, forSome []seccomp.NameWithConditions) seccomp.Policy {
	known := func(names []string) (have []string) {
		for _, name := range names {
			if _, ok := table.SyscallNames[name]; ok {
				have = append(have, name)
			}
		}
		return have
	}
	var some []seccomp.NameWithConditions
	for _, c := range forSome {
		if _, ok := table.SyscallNames[c.Name]; ok {
			some = append(some, c)
		}
	}
	return seccomp.Policy{
		DefaultAction: seccomp.ActionAllow,
		Syscalls: []seccomp.SyscallGroup{
			{Action: seccomp.ActionErrno, Names: known(never)},
			{Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS), Names: known(lacking)},
			{Action: seccomp.ActionErrno, NamesWithCondtions: some},
		},
	}
}
