package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"feedmill/internal/feeds"
	"feedmill/internal/origin"
	"feedmill/internal/pgtest"
)

// inNetwork runs the test again in a network of its own, in which it may do as it likes,
// with the programs that are built. It reports whether that is where it is now.
func inNetwork(t *testing.T) bool {
	t.Helper()
	if os.Getenv(envPrograms) != "" {
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), envPrograms+"="+programs)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if uid, gid := os.Getuid(), os.Getgid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
		cmd.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_NET_ADMIN, unix.CAP_SYS_ADMIN}
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := pgtest.StartForGood(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	out := said.Bytes()
	switch {
	case errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EINVAL):
		t.Skipf("no network of its own: %v", err)
	case bytes.Contains(out, []byte("--- SKIP")):
		t.Skipf("%s", out)
	case err != nil || !bytes.Contains(out, []byte("--- PASS")):
		t.Errorf("in a network of its own: %v\n%s", err, out)
	}
	return false
}

// sh runs a line of shell in the network of a process, 0 for this one's, and returns what
// it prints.
func sh(t *testing.T, network int, line string) string {
	t.Helper()
	cmd := exec.Command("sh", "-ec", line)
	if network != 0 {
		cmd = exec.Command("nsenter", "-n", "-t", strconv.Itoa(network), "sh", "-ec", line)
	}
	cmd.Env = append(os.Environ(), "PATH="+programs+":"+os.Getenv("PATH")+":/usr/sbin:/sbin")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

// TestANetworkThatBreaksBlamesNoFeed: a network that is gone in the middle of a round
// ends it with status 7. Nothing of it is a feed's fault, neither what was under way nor
// what came after, and the next round has all that was left.
func TestANetworkThatBreaksBlamesNoFeed(t *testing.T) {
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skipf("no program to break a network with: %v", err)
	}
	if t.Parallel(); !inNetwork(t) { // most of it is waiting
		return
	}
	const feedsInAll = 2000
	sh(t, 0, "ip link set lo up")
	s := serve(t, origin.Options{Feeds: feedsInAll, Hosts: feedsInAll, Items: 1, Bytes: 50, Latency: 500 * time.Millisecond})
	db := filepath.Join(t.TempDir(), "feeds.db")
	wait := started(t, command(t, db, "--list", s.list, "-n", "2", "--fetches", "400", "--timeout", "6s")) // connecting has five
	if !until(20*time.Second, func() bool { return s.Requests().Requests > 600 }) {
		t.Error("the round did not begin")
	}
	sh(t, 0, "ip link set lo down")
	out := wait()
	out.want(t, exitNetwork)
	sum := out.summary
	if sum.OK == 0 || sum.Cancelled == 0 || sum.Failed != 0 {
		t.Errorf("%d ok, %d cancelled, %d failed, want some, some and none\n%s", sum.OK, sum.Cancelled, sum.Failed, out.failures())
	}
	sh(t, 0, "ip link set lo up")
	rest := refreshed(t, db, "-n", "2")
	rest.want(t, exitOK)
	if rest.summary.OK != sum.Cancelled {
		t.Errorf("%d feeds were refreshed afterwards, want the %d that were left", rest.summary.OK, sum.Cancelled)
	}
}

// TestThreeMachinesFromNothing does what docs/fleet.md says, on three machines that have
// a network each: the first has the server, and the roles and rights of that page. While all
// refresh, the link of another is cut.
func TestThreeMachinesFromNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("a program with the race detector needs ten times the CPU, and leases and graces are seconds")
	}
	for _, program := range []string{"ip", "nsenter"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("no ip and nsenter to make networks with (Debian: apt-get install iproute2 util-linux)")
		}
	}
	if t.Parallel(); !inNetwork(t) { // most of it is waiting
		return
	}
	sh(t, 0, "ip link set lo up")
	slow := fleetSite(96, 24)
	slow.Latency = time.Second / 4
	f := &fleet{t: t, site: serve(t, slow), cluster: pgtest.Start(t, "listen_addresses=*"), db: "mill"}
	var first string
	for first = range f.site.URLs() {
		break
	}
	host := strings.Split(first, "/")[2]

	// The page's roles, by another name than that of who owns the cluster; whoever
	// comes over the network has a password.
	hba := filepath.Join(f.cluster.Dir, "data", "pg_hba.conf")
	if err := os.WriteFile(hba, append(readFile(t, hba), "host all all samenet scram-sha-256\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(readFile(t, filepath.Join("..", "..", "docs", "fleet.md"))), "    CREATE ROLE")
	block, _, _ = strings.Cut("CREATE ROLE"+block, "\n\n")
	in := "postgres"
	for line := range strings.Lines(strings.NewReplacer("feedmill", "mill", "…", "secret").Replace(block)) {
		if db, ok := strings.CutPrefix(strings.TrimSpace(line), `\c `); ok {
			in = strings.TrimSuffix(db, ";")
		} else {
			f.cluster.Exec(t, in, line)
		}
	}
	f.cluster.Exec(t, "postgres", "SELECT pg_reload_conf()")
	os.Setenv("PGPASSFILE", writeFile(t, "pgpass", "*:*:*:*:secret\n")) // this process has no other test
	port := strconv.Itoa(f.cluster.Port)
	sh(t, 0, "coordinator feeds import "+f.site.list+" --db 'postgres://mill@127.0.0.1:"+port+"/mill?sslmode=disable'")

	networks := map[string]int{"a": 0}
	for i, name := range []string{"b", "c"} {
		addr := "10.9." + strconv.Itoa(i)
		holder := exec.Command("sleep", "1000")
		holder.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
		if err := holder.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { holder.Process.Kill(); holder.Wait() })
		pid := holder.Process.Pid
		networks[name] = pid
		sh(t, 0, "ip link add name "+name+" type veth peer name eth0 netns "+strconv.Itoa(pid)+"; ip addr add "+addr+".1/24 dev "+name+"; ip link set dev "+name+" up")
		sh(t, pid, "ip link set lo up; ip addr add "+addr+".2/24 dev eth0; ip link set eth0 up")
		// The same feeds at the same addresses.
		origin := exec.Command("nsenter", "-n", "-t", strconv.Itoa(pid), filepath.Join(programs, "coordinator"), "origin", "--addr", host,
			"--feeds", strconv.Itoa(slow.Feeds), "--hosts", strconv.Itoa(slow.Hosts), "--items", strconv.Itoa(slow.Items), "--bytes", strconv.Itoa(slow.Bytes), "--latency", slow.Latency.String())
		origin.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := origin.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { origin.Process.Kill(); origin.Wait() })
	}

	ended := make(map[string]chan output)
	for i, name := range []string{"a", "b", "c"} {
		server := []string{"127.0.0.1", "10.9.0.1", "10.9.1.1"}[i]
		cmd := command(t, "postgres://mill@"+server+":"+port+"/mill?sslmode=disable", "--node", name, "-n", "1", "--claim", "3", "--ttl", fleetTTL.String())
		if pid := networks[name]; pid != 0 {
			cmd = exec.Command("nsenter", append([]string{"-n", "-t", strconv.Itoa(pid)}, cmd.Args...)...)
		}
		ended[name] = make(chan output, 1)
		go func() { ended[name] <- finished(t, cmd) }()
	}
	if !f.until(20*time.Second, "EXISTS (SELECT FROM leases WHERE owner LIKE 'b%')") {
		t.Error("the second machine never had a domain")
	}
	sh(t, 0, "ip link set dev b down")
	if !f.until(time.Minute, "NOT EXISTS (SELECT FROM feeds WHERE last_checked IS NULL)") {
		t.Errorf("without the second machine feeds are left\n%s", f.exec("SELECT * FROM leases"))
	}
	sh(t, 0, "ip link set dev b up")
	for _, name := range []string{"a", "b", "c"} {
		out := <-ended[name]
		f.machines = append(f.machines, &machine{name: name, lines: out.feeds})
		// Who is cut off waits for the server as long as a lease lasts, and may have
		// given up, also before it had a feed to tell of.
		cut := name == "b"
		if !cut && out.classes()[feeds.Cancelled] > 0 || out.code != exitOK && !(cut && out.code == exitStore) {
			t.Errorf("%s ended with %d, %v\n%s", name, out.code, out.classes(), out.stderr)
		}
	}
	if !slices.ContainsFunc(f.machines, func(m *machine) bool { return m.name == "c" && len(m.lines) > 0 }) {
		t.Error("the third machine did nothing")
	}
	for _, w := range f.check(quiet(t, f.site)) {
		t.Error(w)
	}
	reader := " --db 'postgres://mill_read@10.9.1.1:" + port + "/mill?sslmode=disable'"
	for _, line := range []string{"status", "feeds list", "items", "doctor"} {
		if out := sh(t, networks["c"], "coordinator "+line+reader); line != "doctor" && out == "" {
			t.Errorf("%s says nothing", line)
		}
	}
}
