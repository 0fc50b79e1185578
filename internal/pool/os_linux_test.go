package pool

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheLeastLimitOfAllGroupsHolds, of this process's own and those above it; and
// the one of them that counts most kills tells of those.
func TestTheLeastLimitOfAllGroupsHolds(t *testing.T) {
	root, was := t.TempDir(), cgroupRoots
	cgroupRoots = append(was[:0:0], was...)
	t.Cleanup(func() { cgroupRoots = was })
	for i := range cgroupRoots {
		cgroupRoots[i].root = root
	}
	var own, top [2]string // the files of the process's group, and of the highest
	eachCgroupFile(func(limit, events string) {
		if own[0] == "" {
			own = [2]string{limit, events}
		}
		top = [2]string{limit, events}
	})
	if text, _ := os.ReadFile("/proc/self/cgroup"); !strings.Contains(string(text), "::") && !strings.Contains(string(text), ":memory:") {
		t.Skipf("no groups of memory here: %q", text)
	}
	write := func(file, text string) {
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		text string
		want int64
	}{{"max\n", 0}, {"-1\n", 0}, {"0\n", 0}, {"1152921504606846976\n", 0}, {"1048576\n", 1 << 20}} {
		if write(top[0], tt.text); memoryLimit() != tt.want {
			t.Errorf("a limit of %q is %d, want %d", tt.text, memoryLimit(), tt.want)
		}
	}
	if write(own[0], "4096\n"); memoryLimit() != 4096 {
		t.Errorf("got %d, want the lower limit, 4096", memoryLimit())
	}
	if oomKills() != 0 {
		t.Errorf("got %d kills where nobody counts them", oomKills())
	}
	write(top[1], "oom_kill_disable 9\noom_kill 3\n")
	if oomKills() != 3 {
		t.Errorf("got %d kills, want 3", oomKills())
	}
}
