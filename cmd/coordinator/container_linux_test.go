package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"feedmill/internal/origin"
)

// With envConfined set to the path of a cgroup, or to "none", this test binary
// gives up what a tight container does not give, and becomes its arguments.
const envConfined = "FEEDMILL_TEST_CONFINED"

func init() { parts[envConfined] = confined }

// confined is main of that program: one without privileges and /dev/shm, in the
// cgroup, with 64 file descriptors.
func confined(cgroup string) int {
	runtime.LockOSThread() // namespaces are a thread's until it becomes another program
	fail := func(what string, err error) {
		if err != nil {
			fmt.Fprintf(os.Stderr, "confine: %s: %v\n", what, err)
			os.Exit(1)
		}
	}
	if cgroup != "none" {
		fail("enter cgroup", os.WriteFile(filepath.Join(cgroup, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0))
	}
	if os.Getuid() == 0 {
		fail("new mounts", syscall.Unshare(syscall.CLONE_NEWNS))
		fail("keep mounts to ourselves", syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""))
		for syscall.Unmount("/dev/shm", syscall.MNT_DETACH) == nil {
		}
	}
	fail("limit files", syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 64, Max: 64}))
	if os.Getuid() == 0 {
		const nobody = 65534
		fail("leave groups", syscall.Setgroups(nil))
		fail("leave group", syscall.Setgid(nobody))
		fail("leave user", syscall.Setuid(nobody))
	}
	os.Unsetenv(envConfined)
	err := syscall.Exec(os.Args[1], os.Args[1:], os.Environ())
	fail("become "+os.Args[1], err)
	return 1
}

// memoryCgroup makes a group in which all processes together have so much
// memory, or says why there is none.
func memoryCgroup(t *testing.T, limit int64) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Log(err)
		return "none"
	}
	for line := range strings.Lines(string(text)) {
		id := strings.SplitN(strings.TrimSpace(line), ":", 3)
		root, file := "", ""
		switch id[1] {
		case "memory":
			root, file = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		case "":
			root, file = "/sys/fs/cgroup", "memory.max"
		default:
			continue
		}
		dir := filepath.Join(root, id[2], "feedmill-test-"+strconv.Itoa(os.Getpid()))
		if err = os.Mkdir(dir, 0o755); err != nil {
			continue
		}
		t.Cleanup(func() { os.Remove(dir) })
		if err = os.WriteFile(filepath.Join(dir, file), []byte(strconv.FormatInt(limit, 10)), 0); err == nil {
			return dir
		}
	}
	t.Logf("no limit on the memory of all processes together: %v", err)
	return "none"
}

// confinedRefresh is refreshed in a setting like that of a tight container.
func confinedRefresh(t *testing.T, cgroup string, args ...string) output {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "feedmill-confined-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, d := range []string{dir, programs} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	home := filepath.Join(dir, "home")
	if err := os.Mkdir(home, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(home, 0o777); err != nil {
		t.Fatal(err)
	}
	cmd := command(t, filepath.Join(home, "feeds.db"), args...)
	cmd = exec.Command(self, append([]string{cmd.Path}, cmd.Args[1:]...)...)
	cmd.Env = append(os.Environ(), envConfined+"="+cgroup)
	cmd.Dir = home
	return finished(t, cmd)
}

// TestARoundFitsATightContainer: without privileges, without /dev/shm, with 64
// file descriptors and, where a group can be made, with 256 MB for all processes
// together, a round ends as it does elsewhere, sandbox and all, though the
// documents that cost most memory are in it.
func TestARoundFitsATightContainer(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector takes several times the memory")
	}
	s := serve(t, origin.Options{Feeds: 200, Hosts: 60, Items: 20, Bytes: 1500})
	big := serve(t, origin.Options{Feeds: 4, Hosts: 4, Items: 4000, Bytes: 1500})
	list := string(readFile(t, s.list)) + string(readFile(t, big.list))
	heavy := []string{"many-items", "huge-content", "too-large", "gzip-bomb", "zstd-bomb", "zstd-window", "doctype-5mb", "quadratic-text"}
	for _, name := range heavy {
		list += big.HostileURL(name) + "\n"
	}
	path := writeFile(t, "feeds.txt", list)
	for _, dir := range []string{filepath.Dir(path), filepath.Dir(filepath.Dir(path))} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	cgroup := memoryCgroup(t, 256<<20)
	out := confinedRefresh(t, cgroup, "--list", path, "-n", "8", "--sandbox", "best-effort")
	out.want(t, exitFeeds)
	t.Logf("cgroup %s: %d workers, peaks %+v, sandbox %s", cgroup, out.summary.Workers, out.summary.PeakRSS, out.summary.Sandbox)
	if out.summary.Workers >= 8 || !strings.Contains(out.stderr, "not enough room") {
		t.Errorf("%d workers of the 8 that were asked for, and stderr says %q", out.summary.Workers, out.stderr)
	}
	// All of the heaviest at once may be too much for 256 MB. Then the system
	// kills a worker, and what it had is done again.
	t.Logf("%d workers died", out.summary.WorkerDeaths)
	for _, l := range out.feeds {
		if !l.Class.OK() && !strings.Contains(l.URL, "/hostile/") {
			t.Errorf("%s ended as %s: %s", l.URL, l.Class, l.Detail)
		}
	}
}
