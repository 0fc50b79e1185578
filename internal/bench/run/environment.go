//go:build linux

package run

import (
	"bytes"
	"cmp"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
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
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return line
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
