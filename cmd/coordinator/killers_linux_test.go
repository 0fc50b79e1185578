package main

import (
	"bytes"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/origin"
	"feedmill/internal/refresh"
	"feedmill/internal/store"
	"feedmill/internal/terminal"
)

// killerWorker builds the real worker with killers in it: the tests of
// cmd/worker, under the name by which they are that. See killers_test.go there.
func killerWorker(t *testing.T) string {
	t.Helper()
	if raceEnabled {
		t.Skip("a worker with the race detector cannot be limited in memory")
	}
	path, err := buildKillers()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// buildKillers builds it, once for all tests.
var buildKillers = sync.OnceValues(func() (path string, err error) {
	path = filepath.Join(programs, "worker-with-killers")
	if out, err := exec.Command("go", "test", "-c", "-o", path, "../worker").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the worker with killers: %w\n%s", err, out)
	}
	return path, nil
})

// inProcess does a round of these feeds in a store of its own, in this process
// so that a hung worker need not be given its usual time, and returns what a
// user would have seen.
func inProcess(t *testing.T, db string, urls []string, flags *runnerFlags) output {
	t.Helper()
	var stdout, stderr bytes.Buffer
	a := &app{stdout: &stdout, stderr: &stderr, db: db, verbose: testing.Verbose()}
	s, err := a.openStore(t.Context(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	in := &input{given: true, feeds: newGathering()}
	for _, u := range urls {
		in.feeds.add(feeds.Subscription{URL: u})
	}
	refs, err := dueFeeds(t.Context(), s, in, true)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	job := &round{
		db: s, path: db, refs: refs, flags: flags,
		options: feeds.Options{AllowNet: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, plan: refresh.Options{Force: true}, strict: true,
		report: newReport(&stdout, true), bars: terminal.NewProgress(a.stderr, true, false), log: a.logger(),
	}
	out := output{code: a.exit(job.run(t.Context())), wall: time.Since(start)}
	out.stderr = stderr.String()
	out.feeds, out.summary = parseLines(t, stdout.Bytes())
	return out
}

// TestTenKillersCostTenFeeds is a round over three hundred good feeds with ten
// among them that each kill their worker in another way. The good ones are as in
// a round without the ten, and the ten are named.
func TestTenKillersCostTenFeeds(t *testing.T) {
	t.Parallel()
	worker := killerWorker(t)
	s := serve(t, origin.Options{Feeds: 310, Hosts: 31, Items: 4, Bytes: 300})
	killers := map[string]feeds.Class{
		"stack": feeds.WorkerStack, "memory": feeds.WorkerMemory, "cpu": feeds.WorkerCPU,
		"panic": feeds.WorkerSignal, "throw": feeds.WorkerSignal, "exit": feeds.WorkerSignal,
		"segv": feeds.WorkerSignal, "stop": feeds.WorkerCPU, "kill": feeds.WorkerSignal,
		"garbage": feeds.WorkerProtocol,
	}
	var good, all []string
	want := make(map[string]feeds.Class)
	kinds := slices.Sorted(maps.Keys(killers))
	for u := range s.URLs() {
		if len(all)%31 == 15 && len(want) < len(kinds) {
			kind := kinds[len(want)]
			u = strings.Replace(u, "://", "://"+kind+"@", 1)
			want[feeds.RedactURL(u)] = killers[kind]
		} else {
			good = append(good, u)
		}
		all = append(all, u)
	}

	flags := func() *runnerFlags {
		return &runnerFlags{
			mode: choice{"pipe", modes}, sandbox: choice{"best-effort", nil},
			workers: 2, worker: worker, hangAfter: 6 * time.Second,
		}
	}
	quiet := filepath.Join(t.TempDir(), "quiet.db")
	inProcess(t, quiet, good, flags()).want(t, exitOK)

	loud, poison := filepath.Join(t.TempDir(), "loud.db"), t.TempDir()
	f := flags()
	f.poison = poison
	out := inProcess(t, loud, all, f)
	out.want(t, exitFeeds)
	t.Logf("with killers: %v, %d deaths", out.wall, out.summary.WorkerDeaths)
	named := make(map[string]feeds.Class)
	for _, l := range out.feeds {
		switch {
		case !l.Class.OK():
			named[l.URL] = l.Class
			if l.Detail == "" || l.Attempts < 2 {
				t.Errorf("%s: %q after %d attempts, want to know how it died, and that it was tried", l.URL, l.Detail, l.Attempts)
			}
		case l.Items == 0 || l.New != l.Items:
			t.Errorf("%s: %d new of %d items, want all of some", l.URL, l.New, l.Items)
		}
	}
	for u, class := range want {
		if named[u] != class {
			t.Errorf("%s ended as %q, want %s", u, named[u], class)
		}
	}
	if len(named) != len(want) {
		t.Errorf("%d feeds failed, want %d: %v", len(named), len(want), named)
	}
	if got, want := contents(t, loud), contents(t, quiet); !slices.Equal(got, want) {
		t.Errorf("%d items beside killers, %d without:\n%s", len(got), len(want), firstDifference(got, want))
	}
	checkPoison(t, poison, want)
}

// TestAKillerNeedNotBeTheOneThatIsRead: what strikes while its feed is still
// being fetched takes a process with it that reads innocent ones, time and
// again. They are tried and have their results, and it is named, however the
// lists come back.
func TestAKillerNeedNotBeTheOneThatIsRead(t *testing.T) {
	t.Parallel()
	worker := killerWorker(t)
	s := serve(t, origin.Options{Feeds: 200, Hosts: 100, Items: 4, Bytes: 300})
	killers := map[string]feeds.Class{"memory": feeds.WorkerMemory, "exit": feeds.WorkerSignal, "panic": feeds.WorkerSignal, "cpu": feeds.WorkerCPU}
	var urls []string
	want := make(map[string]feeds.Class)
	kinds := slices.Sorted(maps.Keys(killers))
	for u := range s.URLs() {
		if len(urls)%45 == 22 && len(want) < len(kinds) {
			kind := kinds[len(want)]
			u = strings.Replace(u, "://", "://"+kind+":early@", 1)
			want[u] = killers[kind]
		}
		urls = append(urls, u)
	}
	for _, mode := range modes {
		if mode != goroutineMode {
			t.Run(mode, func(t *testing.T) { killedEarly(t, worker, mode, urls, want) })
		}
	}
}

// killedEarly is that round in one mode. want has the classes of the killers.
func killedEarly(t *testing.T, worker, mode string, urls []string, want map[string]feeds.Class) {
	out := inProcess(t, filepath.Join(t.TempDir(), "feeds.db"), urls, &runnerFlags{
		mode: choice{mode, modes}, sandbox: choice{"best-effort", nil}, workers: 2, worker: worker, hangAfter: 6 * time.Second,
	})
	out.want(t, exitFeeds)
	for _, l := range out.feeds {
		bad := ""
		for u, class := range want {
			if l.URL == feeds.RedactURL(u) {
				bad = string(class)
			}
		}
		switch {
		case bad == "" && (!l.Class.OK() || l.Items == 0):
			t.Errorf("%s, which is innocent, ended as %s: %s", l.URL, l.Class, l.Detail)
		case bad != "" && string(l.Class) != bad:
			t.Errorf("%s ended as %s, want %s: %s", l.URL, l.Class, bad, l.Detail)
		}
	}
	t.Logf("%v, %d deaths", out.wall, out.summary.WorkerDeaths)
	if t.Failed() {
		t.Logf("stderr:\n%.20000s", out.stderr)
	}
}

// TestAManagerThatIsStoppedIsReplaced: its callers wait for it and say that all is
// well, so that nobody but who looks at it knows.
func TestAManagerThatIsStoppedIsReplaced(t *testing.T) {
	if raceEnabled {
		t.Skip("a worker with the race detector may say nothing for a second")
	}
	t.Parallel() // most of it is waiting until it is noticed
	s := serve(t, origin.Options{Feeds: 100, Hosts: 50, Items: 4, Bytes: 300, Latency: 300 * time.Millisecond})
	worker := ownWorker(t)
	stopped := make(chan bool)
	go func() {
		stopped <- until(10*time.Second, func() bool {
			return slices.ContainsFunc(running(worker), func(pid int) bool {
				args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
				return bytes.HasSuffix(args, []byte("\x00--manager\x00")) && syscall.Kill(pid, syscall.SIGSTOP) == nil
			})
		})
	}()
	out := inProcess(t, filepath.Join(t.TempDir(), "feeds.db"), slices.Collect(s.URLs()), &runnerFlags{
		mode: choice{"manager", modes}, sandbox: choice{"best-effort", nil}, workers: 2, worker: worker, hangAfter: time.Second,
	})
	if !<-stopped {
		t.Fatal("no manager was found")
	}
	out.want(t, exitOK)
	for _, l := range out.feeds {
		if !l.Class.OK() || l.Items != 4 {
			t.Errorf("%s ended as %s with %d items: %s", l.URL, l.Class, l.Items, l.Detail)
		}
	}
	if !strings.Contains(out.stderr, "manager is stopped") {
		t.Errorf("nothing was said of the manager:\n%s", out.stderr)
	}
}

// checkPoison looks at what was kept of the killers: a report each, and the
// document of all that died while they read it.
func checkPoison(t *testing.T, dir string, killers map[string]feeds.Class) {
	t.Helper()
	texts, _ := filepath.Glob(dir + "/*.txt")
	seen := make(map[string]bool)
	for _, name := range texts {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(text), "\n")
		u := strings.TrimPrefix(first, "url: ")
		seen[u] = true
		if want := fmt.Sprintf("class: %s\n", killers[u]); !strings.Contains(string(text), want) {
			t.Errorf("the report on %s lacks %q:\n%.500s", u, want, text)
		}
		body, err := os.ReadFile(strings.TrimSuffix(name, ".txt") + ".body")
		if err != nil || !bytes.Contains(body, []byte("item")) && !bytes.Contains(body, []byte("entry")) {
			t.Errorf("document of %s: %d bytes, %v, want the feed", u, len(body), err)
		}
	}
	if len(seen) != len(killers) {
		t.Errorf("%d reports, want %d", len(seen), len(killers))
	}
}
