package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/origin"
	"feedmill/internal/pgtest"
)

// An elsewhere is a real sshd on a port of loopback, with keys of its own, that lets in
// who runs the test.
type elsewhere struct {
	pid    int
	script string // a --worker that runs one by ssh
	worker string // the program that it runs: a file of its own, so that its processes are known
}

// startElsewhere runs an sshd until the test ends, which is skipped where there is none.
func startElsewhere(t testing.TB) *elsewhere {
	t.Helper()
	path, err := exec.LookPath("sshd")
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/sshd")
	}
	if _, e := exec.LookPath("ssh"); err != nil || e != nil {
		t.Skip("no sshd and ssh to run (Debian: apt-get install openssh-server)")
	}
	if os.Getuid() == 0 {
		os.Mkdir("/run/sshd", 0o755) // which it wants to find, empty, when it is root's
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	dir := t.TempDir()
	e := &elsewhere{script: filepath.Join(dir, "elsewhere"), worker: filepath.Join(dir, "worker")}
	for _, key := range []string{"host", "user"} {
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, key)).CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen: %v\n%s", err, out)
		}
	}
	here := strings.NewReplacer("$DIR", dir, "$PORT", strconv.Itoa(port), "$USER", me.Username)
	files := map[string]string{
		"sshd": "ListenAddress 127.0.0.1:$PORT\nHostKey $DIR/host\nAuthorizedKeysFile $DIR/user.pub\nStrictModes no\nUsePAM no\n" +
			"PermitRootLogin yes\nPasswordAuthentication no\nPidFile none\nMaxStartups 100\nLogLevel ERROR\n" +
			"SetEnv HOME=$DIR\n", // or what the user has for each shell is run and paid for
		"ssh": "Host far\nHostName 127.0.0.1\nPort $PORT\nUser $USER\nIdentityFile $DIR/user\nIdentitiesOnly yes\nIdentityAgent none\n" +
			"UserKnownHostsFile $DIR/known\nGlobalKnownHostsFile /dev/null\nBatchMode yes\nLogLevel ERROR\n",
		"known":     "[127.0.0.1]:$PORT " + string(readFile(t, filepath.Join(dir, "host.pub"))),
		"elsewhere": "#!/bin/sh\nexec ssh -F $DIR/ssh -T far $DIR/worker \"$@\"\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(here.Replace(text)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(programs, "worker"), e.worker); err != nil {
		t.Fatal(err)
	}
	l.Close()
	server := exec.Command(path, "-D", "-e", "-f", filepath.Join(dir, "sshd"))
	var said bytes.Buffer
	server.Stderr = &said
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := pgtest.StartForGood(server); err != nil {
		t.Fatal(err)
	}
	e.pid = server.Process.Pid
	t.Cleanup(func() { server.Process.Signal(syscall.SIGTERM); server.Wait() })
	var out []byte
	if !until(10*time.Second, func() bool {
		out, err = exec.Command(e.script, "--version").CombinedOutput()
		return err == nil
	}) {
		server.Process.Kill()
		server.Wait()
		t.Fatalf("sshd lets nobody in: %v\n%s%s", err, out, said.Bytes())
	}
	return e
}

// sessions returns the processes of the sshd that serve a link each.
func (e *elsewhere) sessions() (pids []int) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", e.pid))
	for _, f := range strings.Fields(string(text)) {
		pid, _ := strconv.Atoi(f)
		pids = append(pids, pid)
	}
	return pids
}

// cpu waits until all links have ended and returns what they have cost on the far
// side, sshd and workers, in the system's ticks of 10 ms.
func (e *elsewhere) cpu(t testing.TB) (sum time.Duration) {
	t.Helper()
	if !until(10*time.Second, func() bool { return len(e.sessions()) == 0 }) {
		t.Fatal("links of a round that is over are still there")
	}
	stat := string(readFile(t, fmt.Sprintf("/proc/%d/stat", e.pid)))
	for _, ticks := range strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])[11:15] { // its own, and of who has ended
		n, err := strconv.Atoi(ticks)
		if err != nil {
			t.Fatal(err)
		}
		sum += time.Duration(n) * 10 * time.Millisecond
	}
	return sum
}

// TestARoundOverSSHIsLikeAnyOther has real ssh between a coordinator and its workers, and
// the links of one round cut by killing what serves them: nobody is blamed, no worker stays,
// and what is stored is what a round over pipes stores.
func TestARoundOverSSHIsLikeAnyOther(t *testing.T) {
	t.Parallel() // most of it is waiting until the workers of cut links have ended for sure
	e := startElsewhere(t)
	s := serve(t, origin.Options{Feeds: 120, Hosts: 40, Items: 8, Bytes: 400, Latency: 10 * time.Millisecond})
	want := quiet(t, s)
	for _, cut := range []bool{false, true} {
		db := filepath.Join(t.TempDir(), "feeds.db")
		asked := s.Requests().Requests
		if cut {
			go until(20*time.Second, func() bool {
				if s.Requests().Requests < asked+30 {
					return false
				}
				for _, pid := range e.sessions() {
					syscall.Kill(pid, syscall.SIGKILL)
				}
				return true
			})
		}
		out := refreshed(t, db, "--list", s.list, "-n", "2", "--worker", e.script)
		out.want(t, exitOK)
		if (out.summary.WorkerDeaths > 0) != cut {
			t.Errorf("%d links were lost, and cut is %v\n%s", out.summary.WorkerDeaths, cut, out.stderr)
		}
		for _, l := range out.feeds {
			if l.Class != feeds.OK || l.Attempts != 1 {
				t.Fatalf("%s: %s after %d attempts that count, want ok after 1", l.URL, l.Class, l.Attempts)
			}
		}
		if got := contents(t, db); !slices.Equal(got, want) {
			t.Errorf("cut is %v: %d items, want %d\n%s", cut, len(got), len(want), firstDifference(got, want))
		}
		if out.summary.CPUMS.Workers == 0 {
			t.Error("nothing is known of what the workers cost")
		}
	}
	if !until(time.Second, func() bool { return len(running(e.worker)) == 0 }) {
		t.Errorf("workers %v are left", running(e.worker))
	}
	if most := s.Requests().MaxPerHost; most > 1 {
		t.Errorf("a host had %d requests at a time", most)
	}
}

// BenchmarkRoundSSH is a round whose workers are reached by ssh, over loopback, against
// one over pipes: what encrypting and carrying the frames costs, on both sides, and to
// open the links. Nothing is gained, as both sides are one machine.
func BenchmarkRoundSSH(b *testing.B) {
	for _, tt := range []struct {
		name string
		want feeds.Class
		args []string // of the origin
	}{
		{"new", feeds.OK, append([]string{"--feeds", "500"}, bodies...)},
		{"304", feeds.NotModified, append([]string{"--feeds", "2000"}, bodies...)},
		{"many 304", feeds.NotModified, append([]string{"--feeds", "8000"}, bodies...)}, // beside which it costs little to open a link
	} {
		b.Run(tt.name, func(b *testing.B) {
			e := startElsewhere(b)
			l := startLoad(b, tt.args...)
			arms := make(map[string]*program)
			for _, name := range []string{"pipe", "ssh"} {
				arms[name] = &program{mode: "pipe", want: tt.want, args: []string{"--list", l.list}}
				if tt.want == feeds.NotModified {
					arms[name].db, arms[name].args = l.filled(b), []string{"--force"}
				}
			}
			arms["ssh"].args = append(arms["ssh"].args, "--worker", e.script)
			arms["pipe"].round(b) // the origin makes its bodies
			t := inTurn(b, func() {}, arms["pipe"].arm(b), arm{"ssh", func() cost {
				before := e.cpu(b)
				c := arms["ssh"].round(b)
				c.cpu += e.cpu(b) - before
				return c
			}})
			t.report(b, "ssh", "pipe")
		})
	}
}
