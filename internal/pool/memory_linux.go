package pool

import (
	"bufio"
	"bytes"
	"os"
	"path"
	"strconv"
	"strings"
)

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
	file, err := os.Open("/proc/self/cgroup")
	if err != nil {
		return
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		id := strings.SplitN(lines.Text(), ":", 3) // 0::/user.slice or 9:memory:/docker/…
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
