package pgtest

import (
	"bytes"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is who runs it: postgres refuses root, and then somebody else is asked.
func server() (uid, gid int) {
	if uid, gid = os.Getuid(), os.Getgid(); uid != 0 {
		return uid, gid
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			uid, _ = strconv.Atoi(u.Uid)
			gid, _ = strconv.Atoi(u.Gid)
			return uid, gid
		}
	}
	return uid, gid
}

// own gives a folder to who runs the server.
func own(dir string) error {
	uid, gid := server()
	return os.Chown(dir, uid, gid)
}

// asServer has cmd run as who runs the server.
func asServer(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if uid, gid := server(); uid != os.Getuid() {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
}

// endWithUs has the server end when the test program does, however that happens.
func endWithUs(cmd *exec.Cmd) { cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT }

// children returns the processes that pid has started and that live.
func children(pid int) (found []int) {
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range all {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it is gone
		}
		f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // state ppid …
		if len(f) > 1 && f[0] != "Z" && f[1] == strconv.Itoa(pid) {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			found = append(found, child)
		}
	}
	return found
}

// killTree kills pid and what it has started, which cannot start more meanwhile,
// and waits until the latter are gone: as long as one of them lives the next
// server does not start.
func killTree(pid int) {
	syscall.Kill(pid, syscall.SIGSTOP)
	started := children(pid)
	for _, child := range started {
		syscall.Kill(child, syscall.SIGKILL)
	}
	syscall.Kill(pid, syscall.SIGKILL)
	for _, child := range started {
		for syscall.Kill(child, 0) == nil && alive(child) {
			time.Sleep(time.Millisecond) // there is no event to wait for: it is not our child
		}
	}
}

// alive reports whether a process is there and no zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	return len(f) > 0 && f[0] != "Z" && f[0] != "X"
}
