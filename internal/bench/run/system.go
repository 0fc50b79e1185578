//go:build linux

package run

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Here returns what this machine is and what the program was built from.
func Here(o *Options) Environment {
	e := Environment{
		OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), Go: runtime.Version(), Build: o.Build,
		Kernel:   firstLine("/proc/sys/kernel/osrelease"),
		Governor: firstLine("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
		Turbo:    firstLine("/sys/devices/system/cpu/intel_pstate/no_turbo") == "0" || firstLine("/sys/devices/system/cpu/cpufreq/boost") == "1",
		SMT:      firstLine("/sys/devices/system/cpu/smt/active") == "1",
		QuotaCPUs: quota(cmp.Or(firstLine("/sys/fs/cgroup/cpu.max"),
			firstLine("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")+" "+firstLine("/sys/fs/cgroup/cpu/cpu.cfs_period_us"))),
		Memory: statusFields("/proc/meminfo")["MemTotal"],
	}
	for _, p := range o.Pythons {
		p.Path = filepath.Base(p.Path) // runs are published, and folders have people's names
		e.Pythons = append(e.Pythons, p)
	}
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range bytes.Lines(info) {
		name, value, _ := strings.Cut(string(line), ":")
		switch name = strings.TrimSpace(name); {
		case name == "model name" && e.CPU == "":
			e.CPU = strings.TrimSpace(value)
		case name == "flags":
			e.Virtual = e.Virtual || strings.Contains(value, " hypervisor")
		}
	}
	load, _, _ := strings.Cut(firstLine("/proc/loadavg"), " ")
	e.LoadAverage, _ = strconv.ParseFloat(load, 64)
	return e
}

// firstLine returns the first line of a file, and nothing of one that is not
// there.
func firstLine(path string) string {
	b, _ := os.ReadFile(path)
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}

// quota returns how many CPUs a cgroup's cpu.max allows, 0 for all: that is "max"
// with cgroup v2 and -1 with v1.
func quota(s string) float64 {
	var allowed, period float64
	if n, _ := fmt.Sscan(s, &allowed, &period); n < 2 || period == 0 || allowed < 0 { // "max" is no number
		return 0
	}
	return allowed / period
}

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
	_ = unix.ClockGettime(id, &t) // of a process that is gone it leaves zero
	return time.Duration(t.Nano())
}

// usage is what processes have used up to one moment.
type usage struct {
	cpu      time.Duration
	minor    int64
	switches int64
}

func (u usage) less(o usage) usage {
	return usage{u.cpu - o.cpu, u.minor - o.minor, u.switches - o.switches}
}

func (u usage) plus(o usage) usage { return u.less(usage{}.less(o)) }

func ownUsage() usage {
	u := rusage(unix.RUSAGE_SELF)
	u.cpu = processCPU(0)
	return u
}

// rusage returns what this process, the calling thread or the children that were
// waited for have used.
func rusage(who int) usage {
	var r unix.Rusage
	_ = unix.Getrusage(who, &r) // which fails for no such who
	return usage{cpu: time.Duration(r.Utime.Nano() + r.Stime.Nano()), minor: r.Minflt, switches: r.Nvcsw + r.Nivcsw}
}

// usageOf returns what a process that is alive has used.
func usageOf(pid int) usage {
	u := usage{cpu: processCPU(pid)}
	// The second field of stat, the name, may hold anything.
	if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
		if fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])); len(fields) > 7 {
			u.minor = number(fields[7])
		}
	}
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for _, t := range tasks {
		s := statusFields(t)
		u.switches += s["voluntary_ctxt_switches"] + s["nonvoluntary_ctxt_switches"]
	}
	return u
}

// statusFields returns the numbers of a file like /proc/PID/status or
// smaps_rollup; those in kB in bytes.
func statusFields(path string) map[string]int64 {
	b, _ := os.ReadFile(path)
	fields := make(map[string]int64)
	for line := range strings.Lines(string(b)) {
		name, rest, _ := strings.Cut(line, ":")
		words := strings.Fields(rest)
		if len(words) > 0 {
			fields[name] = number(words[0])
		}
		if len(words) > 1 && words[1] == "kB" {
			fields[name] <<= 10
		}
	}
	return fields
}

func number(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}

// children returns the processes that this one has started. They start none.
func children() []int {
	var pids []int
	files, _ := filepath.Glob("/proc/self/task/*/children")
	for _, f := range files {
		b, _ := os.ReadFile(f)
		for pid := range strings.FieldsSeq(string(b)) {
			pids = append(pids, int(number(pid)))
		}
	}
	return pids
}

// treePSS returns the memory of this process and of those that it has started, each
// with its share of what others map, too. The kernel's ru_maxrss of a child is of
// no use: it has the parent's peak in it, from before the exec.
func treePSS() (sum int64) {
	for _, pid := range append(children(), os.Getpid()) {
		sum += statusFields(fmt.Sprintf("/proc/%d/smaps_rollup", pid))["Pss"]
	}
	return sum
}

// machine is what the CPUs of the machine have done, in clock ticks.
type machine struct {
	busy, steal, total int64
}

func machineTime() machine {
	var m machine
	fields := strings.Fields(firstLine("/proc/stat"))
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
	return m
}

// ticks is how long one clock tick of /proc/stat lasts: USER_HZ is 100 on every
// Linux.
const tick = 10 * time.Millisecond

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

// startOnOneCPU starts a program that may use a single CPU, with all that it
// starts: GOMAXPROCS would hold each of its processes to one, and not all of
// them to the same.
func startOnOneCPU(c *exec.Cmd) error {
	runtime.LockOSThread() // a child has the CPUs of the thread that starts it
	defer runtime.UnlockOSThread()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	for i := 0; one.Count() == 0; i++ {
		if before.IsSet(i) {
			one.Set(i)
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return err
	}
	defer unix.SchedSetaffinity(0, &before)
	return c.Start()
}
