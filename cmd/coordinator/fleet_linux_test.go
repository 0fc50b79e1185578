package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/origin"
	"feedmill/internal/pgtest"
)

// fleetTTL is how long a lease lasts in these tests, so that one can be lost in
// seconds.
const fleetTTL = 2 * time.Second

// A link is the network between one machine and the server: a proxy that can stop
// to carry anything without closing a connection.
type link struct {
	listener net.Listener
	to       string
	gate     sync.RWMutex // held for writing while the link is cut
}

func newLink(t *testing.T, to string) *link {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	k := &link{listener: l, to: to}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go k.carry(c)
		}
	}()
	return k
}

// carry carries one connection until either side ends it.
func (k *link) carry(c net.Conn) {
	defer c.Close()
	k.gate.RLock()
	server, err := net.Dial("tcp", k.to)
	k.gate.RUnlock()
	if err != nil {
		return
	}
	defer server.Close()
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{c, server}, {server, c}} {
		go func() {
			defer func() { done <- struct{}{} }()
			buf := make([]byte, 32<<10)
			for {
				n, err := way[0].Read(buf)
				k.gate.RLock()
				if n > 0 {
					if _, e := way[1].Write(buf[:n]); e != nil {
						err = e
					}
				}
				k.gate.RUnlock()
				if err != nil {
					return
				}
			}
		}()
	}
	<-done
	k.gate.RLock() // an end is not heard of over a link that is cut
	defer k.gate.RUnlock()
}

// cut cuts the link for a while.
func (k *link) cut(d time.Duration) {
	k.gate.Lock()
	time.Sleep(d) // the time is the point of the test
	k.gate.Unlock()
}

// url returns a database's URL by way of the link.
func (k *link) url(db string) string {
	return fmt.Sprintf("postgres://feedmill@%s/%s?sslmode=disable", k.listener.Addr(), db)
}

// A machine has one coordinator after the other refresh what is due.
type machine struct {
	name string
	link *link
	args []string

	mu    sync.Mutex
	pid   int // of the coordinator; 0 when there is none
	lines []feedLine
	runs  int
	codes map[int]int
	errs  []string
}

// work runs coordinators until ctx ends; the last one is left to end by itself.
func (m *machine) work(ctx context.Context, t *testing.T, db string) {
	m.codes = make(map[int]int)
	for ctx.Err() == nil {
		cmd := command(t, m.link.url(db), append([]string{"--node", m.name}, m.args...)...)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Start(); err != nil {
			t.Error(err)
			return
		}
		m.mu.Lock()
		m.pid = cmd.Process.Pid
		m.mu.Unlock()
		cmd.Wait()
		m.mu.Lock()
		m.pid = 0
		m.runs++
		lines, _ := parseLines(t, stdout.Bytes())
		m.lines = append(m.lines, lines...)
		m.codes[cmd.ProcessState.ExitCode()]++
		if stderr.Len() > 0 {
			m.errs = append(m.errs, strings.TrimSpace(stderr.String()))
		}
		m.mu.Unlock()
		time.Sleep(50 * time.Millisecond) // cron is slower
	}
}

// coordinator returns the process that runs now.
func (m *machine) coordinator() (pid int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pid
}

// A fleet is three machines on one server.
type fleet struct {
	t        *testing.T
	site     *site
	cluster  *pgtest.Cluster
	db       string // its name
	machines []*machine
	random   *rand.Rand
	sum      fleetSum
}

// A fleetSum says what was done to it.
type fleetSum struct {
	Rounds, Coordinators, Workers, Servers, Stops, Cuts int
}

// newFleet subscribes an origin's feeds in a database of a cluster.
func newFleet(t *testing.T, cluster *pgtest.Cluster, o origin.Options, seed uint64, args ...string) *fleet {
	t.Helper()
	f := &fleet{t: t, site: serve(t, o), cluster: cluster, random: rand.New(rand.NewPCG(seed, 0))}
	url := cluster.CreateDB(t)
	f.db = strings.TrimSuffix(filepath.Base(url), "?sslmode=disable")
	out, err := exec.Command(filepath.Join(programs, "coordinator"), "feeds", "import", "--db", url, f.site.list).CombinedOutput()
	if err != nil {
		t.Fatalf("feeds import: %v\n%s", err, out)
	}
	to := net.JoinHostPort(cluster.Host, strconv.Itoa(cluster.Port))
	for i := range 3 {
		m := &machine{name: fmt.Sprintf("m%d", i+1), link: newLink(t, to)}
		m.args = append([]string{"-n", "1", "--claim", "4", "--ttl", fleetTTL.String()}, args...)
		f.machines = append(f.machines, m)
	}
	return f
}

// exec runs SQL in the fleet's database.
func (f *fleet) exec(sql string) string { return f.cluster.Exec(f.t, f.db, sql) }

// until waits until a condition in SQL is true, and reports whether it is.
func (f *fleet) until(limit time.Duration, condition string) bool {
	return f.cluster.Until(f.t, f.db, limit, condition)
}

// url is the database's, without a link between.
func (f *fleet) url() string { return f.cluster.URL(f.db) }

// play makes everything due and has the machines refresh it while things go wrong,
// for as long as it takes and events last.
func (f *fleet) play(events int, wrong []func()) {
	f.t.Helper()
	f.sum.Rounds++
	f.exec("UPDATE feeds SET next_due = 0; UPDATE hosts SET lost = 0")
	ctx, stop := context.WithCancel(f.t.Context())
	defer stop()
	var wg sync.WaitGroup
	for _, m := range f.machines {
		wg.Go(func() { m.work(ctx, f.t, f.db) })
	}
	var order []int
	for range events {
		time.Sleep(time.Duration(f.random.Int64N(int64(300 * time.Millisecond)))) // the moment is the point of the test
		if len(order) == 0 {
			order = f.random.Perm(len(wrong))
		}
		wrong[order[0]]()
		order = order[1:]
	}
	if !f.until(2*time.Minute, "NOT EXISTS (SELECT FROM feeds WHERE last_checked IS NULL OR next_due = 0)") {
		f.t.Errorf("some feeds were never refreshed:\n%s\n%s", f.exec("SELECT * FROM leases"), f.said())
	}
	stop()
	wg.Wait()
}

// said is what the coordinators printed on standard error.
func (f *fleet) said() string {
	var b strings.Builder
	for _, m := range f.machines {
		fmt.Fprintf(&b, "%s: %d runs, by exit status %v\n%s\n", m.name, m.runs, m.codes, strings.Join(slices.Compact(m.errs), "\n"))
	}
	return b.String()
}

// one returns a machine.
func (f *fleet) one() *machine { return f.machines[f.random.IntN(len(f.machines))] }

// wrongs are the things that go wrong.
func (f *fleet) wrongs() []func() {
	return []func(){f.killCoordinator, f.killCoordinator, f.killWorker, f.killServer, f.stopCoordinator, f.cutLink, f.cutLink}
}

// hit does something to a machine's coordinator or, where it has none at the moment or do
// cannot, to the next one's. It reports whether there was one.
func (f *fleet) hit(do func(pid int) bool) bool {
	first := f.random.IntN(len(f.machines))
	return until(2*time.Second, func() bool {
		for i := range f.machines {
			if pid := f.machines[(first+i)%len(f.machines)].coordinator(); pid != 0 && do(pid) {
				return true
			}
		}
		return false
	})
}

func (f *fleet) killCoordinator() {
	if f.hit(func(pid int) bool { return syscall.Kill(pid, syscall.SIGKILL) == nil }) {
		f.sum.Coordinators++
	}
}

func (f *fleet) killWorker() {
	which := f.random.Int()
	if f.hit(func(pid int) bool {
		workers := children(pid, filepath.Join(programs, "worker"))
		return len(workers) > 0 && syscall.Kill(workers[which%len(workers)], syscall.SIGKILL) == nil
	}) {
		f.sum.Workers++
	}
}

func (f *fleet) killServer() {
	f.cluster.Kill()
	f.sum.Servers++
	time.Sleep(time.Duration(f.random.Int64N(int64(time.Second)))) // that it is away is the point
	if err := f.cluster.Restart(); err != nil {
		f.t.Fatal(err)
	}
}

// stopCoordinator stops one for up to twice as long as its leases last, its workers
// not.
func (f *fleet) stopCoordinator() {
	d := time.Duration(f.random.Int64N(int64(2 * fleetTTL)))
	if f.hit(func(pid int) bool {
		time.AfterFunc(d, func() { syscall.Kill(pid, syscall.SIGCONT) })
		return syscall.Kill(pid, syscall.SIGSTOP) == nil
	}) {
		f.sum.Stops++
	}
}

func (f *fleet) cutLink() {
	f.sum.Cuts++
	d := time.Duration(f.random.Int64N(int64(2 * fleetTTL)))
	go f.one().link.cut(d)
}

// check compares what is stored with what was reported, and with what a quiet run
// over SQLite stores. It returns all that is wrong.
func (f *fleet) check(want []string) (wrong []string) {
	f.t.Helper()
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	stored := make(map[string]int)
	for line := range strings.Lines(f.exec("SELECT url, count(*) FROM feeds f JOIN items i ON i.feed_id = f.id GROUP BY url")) {
		url, n, _ := strings.Cut(strings.TrimSpace(line), "|")
		stored[url], _ = strconv.Atoi(n)
	}
	added := make(map[string]int)
	for _, m := range f.machines {
		for _, l := range m.lines {
			added[l.URL] += l.New
			if l.Class.OK() && l.Items > stored[l.URL] {
				say("%s said that %s has %d items, and %d are there", m.name, l.URL, l.Items, stored[l.URL])
			}
			switch l.Class {
			case feeds.OK, feeds.NotModified, feeds.Unchanged, feeds.Cancelled, feeds.Store, feeds.WorkerSignal:
			default:
				say("%s said of %s: %s, %s", m.name, l.URL, l.Class, l.Detail)
			}
		}
	}
	for url, n := range added {
		if n > stored[url] {
			say("of %s %d items were reported as new, and %d are there: some were stored, lost and stored again", url, n, stored[url])
		}
	}
	if most := f.site.Requests().MaxPerHost; most > 1 {
		say("a host had %d requests at a time", most)
	}
	if got := contents(f.t, f.url()); !slices.Equal(got, want) {
		say("%d items, want %d\n%s", len(got), len(want), firstDifference(got, want))
	}
	return wrong
}

// settle has one coordinator refresh whatever the others could not: a feed that was
// under way in workers that were killed counts as one that kills.
func (f *fleet) settle() {
	f.t.Helper()
	f.exec("UPDATE feeds SET next_due = 0 WHERE class LIKE 'worker_%'; UPDATE hosts SET lost = 0, owner = '', lease_until = '-infinity'")
	refreshed(f.t, f.url(), "--durability", "normal").want(f.t, exitOK)
}

// quiet returns what a run over SQLite stores of a site.
func quiet(t *testing.T, s *site) []string {
	t.Helper()
	db := filepath.Join(t.TempDir(), "quiet.db")
	refreshed(t, db, "--list", s.list, "-n", "2").want(t, exitOK)
	return contents(t, db)
}

// fleetSite has hosts of several feeds, so that a domain takes a while.
func fleetSite(feeds, hosts int) origin.Options {
	return origin.Options{Feeds: feeds, Hosts: hosts, Items: 6, Bytes: 400, NewsEvery: 1, Latency: 20 * time.Millisecond}
}

// TestAFleetThatIsKilledLosesNothing is a few seconds of the chaos below, with one
// of each thing that can go wrong.
func TestAFleetThatIsKilledLosesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("a program with the race detector needs ten times the CPU, and leases and graces are seconds")
	}
	t.Parallel() // most of it is waiting for leases that end
	cluster := pgtest.Start(t)
	seed := uint64(time.Now().UnixNano())
	f := newFleet(t, cluster, fleetSite(120, 30), seed)
	f.play(4, []func(){f.killCoordinator, f.killServer, f.stopCoordinator, f.cutLink})
	f.settle()
	for _, w := range f.check(quiet(t, f.site)) {
		t.Errorf("seed %d: %s", seed, w)
	}
	t.Logf("%+v\n%s", f.sum, f.said())
}

// TestARunOutlivesItsServer has one coordinator, and its server killed and started again
// while requests are under way: it goes on and is done with all of them.
func TestARunOutlivesItsServer(t *testing.T) {
	if raceEnabled {
		t.Skip("a program with the race detector needs ten times the CPU, and leases and graces are seconds")
	}
	t.Parallel() // most of it is waiting for a server that is away
	slow := fleetSite(120, 30)
	slow.Latency = time.Second / 2
	f := newFleet(t, pgtest.Start(t), slow, 1)
	cmd := command(t, f.url(), "--ttl", "20s", "-n", "1")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if !f.until(20*time.Second, "EXISTS (SELECT FROM feeds WHERE last_checked > 0)") {
		t.Fatal("nothing was refreshed")
	}
	f.killServer()
	err := cmd.Wait()
	if left := f.exec("SELECT count(*) FROM feeds WHERE last_checked IS NULL"); err != nil || left != "0" {
		t.Errorf("%v, %s feeds were left\n%s", err, left, stderr.String())
	}
	lines, sum := parseLines(t, stdout.Bytes())
	if sum == nil || sum.Failed > 0 || sum.Cancelled == 0 {
		t.Errorf("the summary is %+v, want what was under way cancelled", sum)
	}
	for _, l := range lines {
		if l.Class == feeds.Cancelled && strings.Contains(l.Detail, "another coordinator") {
			t.Errorf("%s is cancelled because %s", l.URL, l.Detail)
		}
	}
	if leases := f.exec("SELECT count(*) FROM leases"); leases != "0" {
		t.Errorf("%s domains were not given back", leases)
	}
}

// TestFleetChaos has machines refresh one epoch after the other for as long as
// FEEDMILL_CHAOS says, such as 60s, while coordinators, workers and the server are
// killed, coordinators stopped and links cut. FEEDMILL_SEED repeats the choices; the
// machine's part in the timing is its own.
func TestFleetChaos(t *testing.T) {
	lasts, seed := chaos(t)
	t.Logf("FEEDMILL_SEED=%d", seed)
	f := newFleet(t, pgtest.Start(t), fleetSite(300, 60), seed)
	var want []string
	db := filepath.Join(t.TempDir(), "quiet.db")
	for end := time.Now().Add(lasts); time.Now().Before(end) && !t.Failed(); {
		f.site.SetEpoch(f.sum.Rounds)
		f.play(7, f.wrongs())
		f.settle()
		refreshed(t, db, "--list", f.site.list, "-n", "2", "--force").want(t, exitOK)
		want = contents(t, db)
		for _, w := range f.check(want) {
			t.Errorf("FEEDMILL_SEED=%d, round %d: %s", seed, f.sum.Rounds, w)
		}
	}
	t.Logf("%+v", f.sum)
	if t.Failed() {
		t.Log(f.said())
	}
	if f.sum.Coordinators == 0 || f.sum.Workers == 0 || f.sum.Servers == 0 || f.sum.Stops == 0 || f.sum.Cuts == 0 {
		t.Errorf("%+v: something never happened, so this shows nothing", f.sum)
	}
}

// TestTheCheckOfAFleetFindsALoss runs the same on a server that answers before it
// has written anything, has nobody write, and kills it: what was reported is gone, and the check
// must find it.
func TestTheCheckOfAFleetFindsALoss(t *testing.T) {
	if raceEnabled {
		t.Skip("a program with the race detector needs ten times the CPU, and leases and graces are seconds")
	}
	t.Parallel() // most of it is waiting for leases that end
	cluster := pgtest.Start(t)
	f := newFleet(t, cluster, fleetSite(120, 30), 1, "--durability", "normal")
	f.exec("ALTER DATABASE " + f.db + " SET synchronous_commit = off")
	// Who writes what was committed would give it to the system at any moment, and
	// from there no killed process takes it back.
	for _, pid := range cluster.Processes() {
		if title, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); bytes.Contains(title, []byte("walwriter")) || bytes.Contains(title, []byte("background writer")) {
			syscall.Kill(pid, syscall.SIGSTOP)
		}
	}
	reported := func() bool {
		n := 0
		for _, m := range f.machines {
			m.mu.Lock()
			n += len(m.lines)
			m.mu.Unlock()
		}
		return n > 0
	}
	f.play(1, []func(){func() { until(20*time.Second, reported); f.killServer() }})
	f.settle()
	wrong := f.check(quiet(t, f.site))
	if !slices.ContainsFunc(wrong, func(w string) bool {
		return strings.Contains(w, "lost and stored again") || strings.Contains(w, "are there")
	}) {
		t.Errorf("the check found %q: want a loss", wrong)
	}
}
