// Package pgtest gives tests a PostgreSQL server of their own: a new cluster in a
// temporary folder, run by a user who is not root, that can be killed and started
// again. It refuses to use a server that is there already, which is somebody's.
package pgtest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// startLimit is how long a server may take to answer, after a crash too.
const startLimit = time.Minute

// LockedDB is the name of a database that asks for a password over TCP. Start does
// not make it.
const LockedDB = "locked"

// A Cluster is a server, or one that was killed. Its methods may not be called
// from several goroutines at once, but for URL, CreateDB and Exec.
type Cluster struct {
	Host string // of the server, a loopback address
	Port int
	Dir  string // the folder of the server's socket, and of its data below it

	bin      string
	settings []string
	server   *exec.Cmd // nil when it does not run
	log      *os.File
	made     atomic.Int64 // databases
}

// Start makes a cluster with settings, such as "synchronous_commit=off", and
// starts it. It is gone at the end of the test. Where there is no initdb the test
// is skipped.
func Start(t testing.TB, settings ...string) *Cluster {
	t.Helper()
	c, err := start(settings)
	if errors.Is(err, errNone) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.remove)
	return c
}

// shared is what Shared starts.
var shared struct {
	once sync.Once
	c    *Cluster
	err  error
}

// Shared returns the one cluster of the test program, which it starts when it is
// first asked for: starting takes seconds. It must not be killed. Whoever
// calls it has Stop called by their TestMain.
func Shared(t testing.TB) *Cluster {
	t.Helper()
	shared.once.Do(func() { shared.c, shared.err = start([]string{"fsync=off"}) }) // it is not killed
	if errors.Is(shared.err, errNone) {
		t.Skip(shared.err)
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.c
}

// Stop ends and removes the shared cluster, if there is one.
func Stop() {
	if shared.c != nil {
		shared.c.remove()
	}
}

var errNone = errors.New("no PostgreSQL server to run: initdb is neither in $PATH nor in /usr/lib/postgresql (Debian: apt-get install postgresql)")

// binaries returns the folder of the server's programs.
func binaries() (string, error) {
	if runtime.GOOS != "linux" {
		return "", fmt.Errorf("%w, and this test runs on Linux only", errNone)
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			found = append(found, path)
		}
	}
	for i := len(found) - 1; i >= 0; i-- {
		dir := filepath.Dir(found[i])
		if _, err := os.Stat(filepath.Join(dir, "postgres")); err == nil {
			return dir, nil
		}
	}
	return "", errNone
}

func start(settings []string) (c *Cluster, err error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "feedmill-pg-")
	if err != nil {
		return nil, err
	}
	c = &Cluster{Host: "127.0.0.1", Dir: dir, bin: bin, settings: settings}
	defer func() {
		if err != nil {
			c.remove()
		}
	}()
	if err := own(dir); err != nil {
		return nil, err
	}
	out, err := c.program("initdb", "--no-sync", "--auth=trust", "--username=feedmill", "--encoding=UTF8", "--locale=C", "--pgdata", c.data()).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	if err := c.allow(); err != nil {
		return nil, err
	}
	if c.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		return nil, err
	}
	if c.Port, err = freePort(); err != nil {
		return nil, err
	}
	return c, c.Restart()
}

func (c *Cluster) data() string { return filepath.Join(c.Dir, "data") }

// allow lets everybody in without a password but to LockedDB.
func (c *Cluster) allow() error {
	path := filepath.Join(c.data(), "pg_hba.conf")
	before, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	rule := "host " + LockedDB + " all 127.0.0.1/32 scram-sha-256\n"
	return os.WriteFile(path, append([]byte(rule), before...), 0o600)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// program returns one of the server's programs, run by the server's user.
func (c *Cluster) program(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(c.bin, name), args...)
	cmd.Dir = c.Dir
	cmd.Env = []string{"PATH=" + c.bin + ":/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
	asServer(cmd)
	return cmd
}

// Restart starts the server, ending one that runs in order before that, and
// returns once it answers.
func (c *Cluster) Restart() error {
	c.stop()
	args := []string{"-D", c.data(), "-c", "listen_addresses=" + c.Host, "-c", "port=" + strconv.Itoa(c.Port),
		"-c", "unix_socket_directories=" + c.Dir, "-c", "max_connections=100", "-c", "log_min_messages=warning"}
	for _, s := range c.settings {
		args = append(args, "-c", s)
	}
	server := c.program("postgres", args...)
	server.Stdout, server.Stderr = c.log, c.log
	endWithUs(server)
	if err := StartForGood(server); err != nil {
		return err
	}
	c.server = server
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) { // there is no event to wait for: the process is not ours
		err := c.program("pg_isready", "-q", "-h", c.Dir, "-p", strconv.Itoa(c.Port)).Run()
		if err == nil {
			return nil
		}
		if time.Since(began) > startLimit {
			said, _ := os.ReadFile(c.log.Name())
			return fmt.Errorf("postgres does not answer: %w\n%s", err, said)
		}
	}
}

// Secure has the server offer TLS, with a certificate and its key as PEM.
func (c *Cluster) Secure(t testing.TB, certificate, key []byte) {
	t.Helper()
	for name, text := range map[string][]byte{"server.crt": certificate, "server.key": key} {
		path := filepath.Join(c.data(), name)
		if err := errors.Join(os.WriteFile(path, text, 0o600), own(path)); err != nil {
			t.Fatal(err)
		}
	}
	c.settings = append(c.settings, "ssl=on")
	if err := c.Restart(); err != nil {
		t.Fatal(err)
	}
}

// BecomeStandby has the server be read only from now on, as one that follows another.
func (c *Cluster) BecomeStandby(t testing.TB) {
	t.Helper()
	path := filepath.Join(c.data(), "standby.signal")
	if err := errors.Join(os.WriteFile(path, nil, 0o600), own(path), c.Restart()); err != nil {
		t.Fatal(err)
	}
}

// stop ends the server in order, if it runs.
func (c *Cluster) stop() {
	if c.server == nil {
		return
	}
	c.server.Process.Signal(os.Interrupt) // "fast": sessions are ended
	c.server.Wait()
	c.server = nil
}

// remove ends the server at once and removes all that it had.
func (c *Cluster) remove() {
	c.Kill()
	if c.log != nil {
		c.log.Close()
	}
	os.RemoveAll(c.Dir)
}

// Kill kills the server and every process of it with SIGKILL, if it runs, and
// returns when all are gone.
func (c *Cluster) Kill() {
	if c.server == nil {
		return
	}
	killTree(c.server.Process.Pid)
	c.server.Wait()
	c.server = nil
}

// Processes returns the ids of the server's processes, the first of them the one
// that has started the others.
func (c *Cluster) Processes() []int {
	if c.server == nil {
		return nil
	}
	return append([]int{c.server.Process.Pid}, children(c.server.Process.Pid)...)
}

// URL returns the URL of a database, for the cluster's own user.
func (c *Cluster) URL(db string) string {
	return fmt.Sprintf("postgres://feedmill@%s:%d/%s?sslmode=disable", c.Host, c.Port, db)
}

// CreateDB makes a database that is new and returns its URL.
func (c *Cluster) CreateDB(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test%d", c.made.Add(1))
	c.Exec(t, "postgres", "CREATE DATABASE "+name)
	return c.URL(name)
}

// Exec runs SQL in a database and returns what psql prints: a line for each row,
// with | between its columns.
func (c *Cluster) Exec(t testing.TB, db, sql string) string {
	t.Helper()
	cmd := c.program("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", c.Dir, "-p", strconv.Itoa(c.Port), "-U", "feedmill", "-d", db, "-c", sql)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("psql: %v\n%s%s", err, sql+"\n", stderr.String())
	}
	return strings.TrimSuffix(stdout.String(), "\n")
}

// Until reports whether the condition, in SQL, becomes true within limit. The server
// looks, fifty times a second: a psql for each look takes a core. What others do it would
// remember from the first look to the last, which are in one transaction.
func (c *Cluster) Until(t testing.TB, db string, limit time.Duration, condition string) bool {
	t.Helper()
	return c.Exec(t, db, fmt.Sprintf(`SET client_min_messages = warning;
		CREATE FUNCTION pg_temp.become_true() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
			FOR i IN 1..%d LOOP
				IF %s THEN RETURN true; END IF;
				PERFORM pg_sleep(0.02);
				PERFORM pg_stat_clear_snapshot();
			END LOOP;
			RETURN false;
		END $$;
		SELECT pg_temp.become_true()`, int(limit/(20*time.Millisecond)), condition)) == "t"
}

// StartForGood starts a program on a thread that stays: the system ends a server with the
// thread that started it, and one that some test locked and left takes it along.
func StartForGood(cmd *exec.Cmd) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		started <- cmd.Start()
		select {}
	}()
	return <-started
}
