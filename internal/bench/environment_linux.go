package bench

import (
	"bytes"
	"cmp"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// environment returns what this machine is and what the program was built from.
func environment(o *Options) Environment {
	e := Environment{
		OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: cpus(), Go: runtime.Version(), Build: o.Build,
		Kernel:    firstLine("/proc/sys/kernel/osrelease"),
		Governor:  firstLine("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
		HugePages: chosen(firstLine("/sys/kernel/mm/transparent_hugepage/enabled")),
		QuotaCPUs: quota(cmp.Or(firstLine("/sys/fs/cgroup/cpu.max"),
			firstLine("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")+" "+firstLine("/sys/fs/cgroup/cpu/cpu.cfs_period_us"))),
		Memory: statusFields("/proc/meminfo")["MemTotal"],
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
	e.PipeSize = pipeSize()
	if o.Python != "" {
		out, err := exec.Command(o.Python, "-c", "import platform; print(platform.python_implementation(), platform.python_version())").Output()
		if err == nil {
			e.Python = strings.TrimSpace(string(out))
		}
	}
	return e
}

// firstLine returns the first line of a file, and nothing of one that is not
// there.
func firstLine(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}

// chosen returns the word in brackets.
func chosen(s string) string {
	_, s, _ = strings.Cut(s, "[")
	s, _, _ = strings.Cut(s, "]")
	return s
}

// quota returns how many CPUs a cgroup's cpu.max allows, 0 for all: that is "max"
// with cgroup v2 and -1 with v1.
func quota(s string) float64 {
	fields := strings.Fields(s)
	if len(fields) != 2 {
		return 0
	}
	allowed, err := strconv.ParseFloat(fields[0], 64) // "max" is no number
	period, err2 := strconv.ParseFloat(fields[1], 64)
	if err != nil || err2 != nil || period == 0 || allowed < 0 {
		return 0
	}
	return allowed / period
}

// pipeSize returns how many bytes a fresh pipe holds.
func pipeSize() int64 {
	r, w, err := os.Pipe()
	if err != nil {
		return 0
	}
	defer r.Close()
	defer w.Close()
	size := 0
	if raw, err := r.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { size, _ = unix.FcntlInt(fd, unix.F_GETPIPE_SZ, 0) })
	}
	return int64(size)
}
