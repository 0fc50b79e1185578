package bench

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// threadCPU returns the CPU time that the calling thread has used. Only a
// goroutine that is locked to its thread can take a difference of two.
func threadCPU() time.Duration { return clock(unix.CLOCK_THREAD_CPUTIME_ID) }

// processCPU returns the CPU time that all threads of a process have used,
// also those that are gone, to the nanosecond. 0 is this process. It returns
// 0 when there is no such process.
//
// Rejected: /proc/PID/stat, which counts in hundredths of a second, and the
// rusage of children, which is there only when they are gone.
func processCPU(pid int) time.Duration {
	if pid == 0 {
		return clock(unix.CLOCK_PROCESS_CPUTIME_ID)
	}
	const sched = 2 // CPUCLOCK_SCHED, see clock_getcpuclockid(3) and its source
	return clock(int32(^pid)<<3 | sched)
}

func clock(id int32) time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(id, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// threadFaults returns how many minor page faults the calling thread has taken.
func threadFaults() int64 {
	var r unix.Rusage
	if unix.Getrusage(unix.RUSAGE_THREAD, &r) != nil {
		return 0
	}
	return r.Minflt
}

// usage is what processes have used up to one moment.
type usage struct {
	cpu           time.Duration
	minor, major  int64
	switches      int64
	reads, writes int64 // system calls
}

func (u usage) less(o usage) usage {
	return usage{u.cpu - o.cpu, u.minor - o.minor, u.major - o.major, u.switches - o.switches, u.reads - o.reads, u.writes - o.writes}
}

func (u usage) plus(o usage) usage { return u.less(usage{}.less(o)) }

// ownUsage returns what this process has used, read and write calls included.
func ownUsage() usage {
	u := rusage(unix.RUSAGE_SELF)
	u.cpu = processCPU(0)
	u.reads, u.writes = calls(os.Getpid())
	return u
}

// endedUsage returns what the children have used that were waited for. Nobody
// counts their read and write calls.
func endedUsage() usage { return rusage(unix.RUSAGE_CHILDREN) }

func rusage(who int) usage {
	var r unix.Rusage
	if unix.Getrusage(who, &r) != nil {
		return usage{}
	}
	return usage{
		cpu:   time.Duration(r.Utime.Nano() + r.Stime.Nano()),
		minor: r.Minflt, major: r.Majflt, switches: r.Nvcsw + r.Nivcsw,
	}
}

// usageOf returns what a process that is alive has used.
func usageOf(pid int) usage {
	u := usage{cpu: processCPU(pid)}
	u.reads, u.writes = calls(pid)
	if fields := statFields(pid); len(fields) > 10 {
		u.minor, u.major = number(fields[7]), number(fields[9])
	}
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for _, t := range tasks {
		s := statusFields(t)
		u.switches += s["voluntary_ctxt_switches"] + s["nonvoluntary_ctxt_switches"]
	}
	return u
}

// statFields returns the fields of /proc/PID/stat from the third on, the state:
// the second one may hold anything.
func statFields(pid int) []string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	return strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
}

// statusFields returns the numbers of a file like /proc/PID/status or
// smaps_rollup; those in kB in bytes.
func statusFields(path string) map[string]int64 {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	fields := make(map[string]int64)
	for line := range strings.Lines(string(b)) {
		name, rest, ok := strings.Cut(line, ":")
		words := strings.Fields(rest)
		if !ok || len(words) == 0 {
			continue
		}
		n, err := strconv.ParseInt(words[0], 10, 64)
		if err != nil {
			continue
		}
		if len(words) > 1 && words[1] == "kB" {
			n <<= 10
		}
		fields[name] = n
	}
	return fields
}

func number(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}

// calls returns how many read and write calls a process has made.
func calls(pid int) (reads, writes int64) {
	s := statusFields(fmt.Sprintf("/proc/%d/io", pid))
	return s["syscr"], s["syscw"]
}

// descendants returns the processes that this one has started, and theirs.
func descendants() []int {
	parents := make(map[int]int)
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, s := range stats {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(s)))
		if err != nil {
			continue
		}
		if fields := statFields(pid); len(fields) > 1 && fields[0] != "Z" {
			parents[pid] = int(number(fields[1]))
		}
	}
	found := []int{os.Getpid()}
	for i := 0; i < len(found); i++ {
		for pid, parent := range parents {
			if parent == found[i] && !slices.Contains(found, pid) {
				found = append(found, pid)
			}
		}
	}
	return found[1:]
}

// memory is what a process has: its share of what it maps, and its peak.
type memory struct{ pss, hwm int64 }

// memoryOf returns the memory of a process. The kernel's ru_maxrss of a child
// is of no use: it has the parent's peak in it, from before the exec.
func memoryOf(pid int) memory {
	return memory{
		pss: statusFields(fmt.Sprintf("/proc/%d/smaps_rollup", pid))["Pss"],
		hwm: statusFields(fmt.Sprintf("/proc/%d/status", pid))["VmHWM"],
	}
}

// resetPeak makes VmHWM of this process start again at what it has now.
func resetPeak() { os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

// machine is what the CPUs of the machine have done, in clock ticks, and what
// the cgroup was denied.
type machine struct {
	busy, steal, total int64
	throttled          int64 // see cgroupThrottled
}

// machineTime returns what the machine has done so far.
func machineTime() machine {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return machine{}
	}
	line, _, _ := strings.Cut(string(b), "\n")
	fields := strings.Fields(line)
	var m machine
	if len(fields) < 9 {
		return m
	}
	for i, f := range fields[1:9] { // user nice system idle iowait irq softirq steal
		n := number(f)
		m.total += n
		if i != 3 && i != 4 && i != 7 {
			m.busy += n
		}
	}
	m.steal = number(fields[8])
	m.throttled = cgroupThrottled()
	return m
}

// ticks is how long one clock tick of /proc/stat lasts: USER_HZ is 100 on every
// Linux.
const tick = 10 * time.Millisecond

// cgroupThrottled returns for how long the cgroup of this process was denied its
// CPUs: in microseconds with cgroup v2, in nanoseconds with v1. Only whether it
// grows is looked at.
func cgroupThrottled() int64 {
	for _, path := range []string{"/sys/fs/cgroup/cpu.stat", "/sys/fs/cgroup/cpu/cpu.stat"} {
		b, _ := os.ReadFile(path)
		for line := range strings.Lines(string(b)) {
			name, n, _ := strings.Cut(line, " ")
			if name == "throttled_usec" || name == "throttled_time" {
				return number(strings.TrimSpace(n))
			}
		}
	}
	return 0
}

// limitMemory makes the system refuse this process more than so many bytes of
// memory; 0 sets no limit.
func limitMemory(bytes int64) error {
	if bytes == 0 {
		return nil
	}
	limit := unix.Rlimit{Cur: uint64(bytes), Max: uint64(bytes)}
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &limit); err != nil {
		return fmt.Errorf("limit memory: %w", err)
	}
	return nil
}

// fileLock returns what takes and gives back the lock of a file, which the
// system takes back from a process that dies.
func fileLock(f *os.File) (lock, unlock func() error) {
	how := func(op int) func() error {
		return func() error { return os.NewSyscallError("flock", unix.Flock(int(f.Fd()), op)) }
	}
	return how(unix.LOCK_EX), how(unix.LOCK_UN)
}

// ownGroup puts a program into a process group of its own, which is killed with
// it.
func ownGroup(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
}
