package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"feedmill/internal/export"
	"feedmill/internal/feeds"
	"feedmill/internal/origin"
	"feedmill/internal/store"
)

// A site is an origin with a list of its feeds, for one test.
type site struct {
	*origin.Server
	list string // a file with one URL a line
}

// serve runs an origin until the test ends.
func serve(t testing.TB, o origin.Options) *site {
	t.Helper()
	s, err := origin.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("origin: %v", err)
		}
	})
	var b strings.Builder
	for u := range s.URLs() {
		b.WriteString(u + "\n")
	}
	return &site{s, writeFile(t, "feeds.txt", b.String())}
}

// trusted serves an origin over https, and has all that tests start trust it,
// or over http where no variable says whom to trust.
func trusted(t testing.TB, o origin.Options) *site {
	t.Helper()
	if runtime.GOOS != "linux" {
		return serve(t, o)
	}
	o.HTTPS = true
	s := serve(t, o)
	trust(t, s.AuthorityPEM())
	return s
}

// authorities guards the file of those that programs trust. It is one for all
// tests, since a variable cannot differ between those that go on at once.
var authorities sync.Mutex

// trust has all programs that tests start from now on trust an authority.
func trust(t testing.TB, pem []byte) {
	t.Helper()
	authorities.Lock()
	defer authorities.Unlock()
	f, err := os.OpenFile(os.Getenv("SSL_CERT_FILE"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(pem); err != nil {
		t.Fatal(err)
	}
}

// writeFile makes a file in a folder of the test and returns its path.
func writeFile(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// An output is what a run of the coordinator printed.
type output struct {
	code    int
	feeds   []feedLine
	summary *summaryLine // nil when there was none
	stderr  string
	wall    time.Duration
	cpu     time.Duration // with its workers', where the system says
}

// command returns a run of the real coordinator on loopback origins.
func command(t testing.TB, db string, args ...string) *exec.Cmd {
	t.Helper()
	args = append([]string{"refresh", "--db", db, "--json", "--quiet", "--strict", "--allow-net", "127.0.0.0/8"}, args...)
	return exec.Command(filepath.Join(programs, "coordinator"), args...)
}

// refreshed runs refresh with args and returns what it printed.
func refreshed(t testing.TB, db string, args ...string) output {
	t.Helper()
	return finished(t, command(t, db, args...))
}

// finished runs cmd, a run of the coordinator, and returns what it printed.
func finished(t testing.TB, cmd *exec.Cmd) output {
	t.Helper()
	return started(t, cmd)()
}

// started starts cmd, a run of the coordinator. wait returns what it printed when it
// has ended.
func started(t testing.TB, cmd *exec.Cmd) (wait func() output) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() output {
		t.Helper()
		err := cmd.Wait()
		out := output{code: cmd.ProcessState.ExitCode(), stderr: stderr.String(), wall: time.Since(start)}
		out.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
			t.Fatal(err)
		}
		out.feeds, out.summary = parseLines(t, stdout.Bytes())
		return out
	}
}

// parseLines reads the NDJSON that a run printed, up to a line that was cut.
func parseLines(t testing.TB, stdout []byte) (lines []feedLine, summary *summaryLine) {
	t.Helper()
	for line := range bytes.Lines(stdout) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // the run was killed while it wrote
		}
		var kind struct{ Type string }
		if err := json.Unmarshal(line, &kind); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		switch kind.Type {
		case "feed":
			var l feedLine
			if err := json.Unmarshal(line, &l); err != nil {
				t.Fatalf("line %q: %v", line, err)
			}
			lines = append(lines, l)
		case "summary":
			summary = new(summaryLine)
			if err := json.Unmarshal(line, summary); err != nil {
				t.Fatalf("line %q: %v", line, err)
			}
		default:
			t.Fatalf("line of unknown type %q: %s", kind.Type, line)
		}
	}
	return lines, summary
}

// want fails the test unless the run exited with code and has a summary.
func (o output) want(t testing.TB, code int) {
	t.Helper()
	if o.code != code || o.summary == nil {
		t.Fatalf("exit status %d, summary %v, want %d and one; stderr:\n%s\nfailures:\n%s", o.code, o.summary != nil, code, o.stderr, o.failures())
	}
	seen := make(map[string]bool)
	for _, l := range o.feeds {
		if seen[l.URL] {
			t.Errorf("two lines for %s", l.URL)
		}
		seen[l.URL] = true
	}
	s := o.summary
	if sum := s.OK + s.NotModified + s.Unchanged + s.Failed + s.Cancelled; len(o.feeds) != s.Feeds || sum != s.Feeds {
		t.Errorf("%d lines, summary says %d feeds and counts %d", len(o.feeds), s.Feeds, sum)
	}
}

func (o output) failures() string {
	var b strings.Builder
	for _, l := range o.feeds {
		if !l.Class.OK() {
			b.WriteString(string(l.Class) + " " + l.URL + " " + l.Detail + "\n")
		}
	}
	return b.String()
}

// classes counts the lines of each class.
func (o output) classes() map[feeds.Class]int {
	n := make(map[feeds.Class]int)
	for _, l := range o.feeds {
		n[l.Class]++
	}
	return n
}

// opened opens a store to look at it. It is checked and closed when the test
// ends.
func opened(t testing.TB, path string) store.DB {
	t.Helper()
	db, err := (&app{db: path}).openStore(t.Context(), store.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Check(context.Background()); err != nil {
			t.Errorf("check %s: %v", path, err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// contents returns every item of a store in a canonical form, sorted: all but
// the times of arrival.
func contents(t testing.TB, path string) []string {
	t.Helper()
	var lines []string
	for it, err := range opened(t, path).Items(t.Context(), store.ItemQuery{}) {
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%s %06d %x %x %+v", it.FeedURL, it.Seq, it.Key, it.Hash, textOf(export.NewLine(&it))))
	}
	slices.Sort(lines)
	return lines
}

// feedStates is contents for what a store knows of its feeds, but for all that
// says when: a feed that was asked twice has another class the second time.
func feedStates(t testing.TB, path string) []string {
	t.Helper()
	var lines []string
	for f, err := range opened(t, path).Feeds(t.Context(), store.FeedQuery{}) {
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("feed %s %q %s %d fails, %+v, %d items", f.URL, f.Title, f.Link, f.Fails, f.Validators, f.Items))
	}
	slices.Sort(lines)
	return lines
}

// textOf is what an item says, without what the store knows of it.
func textOf(l export.Line) export.Line {
	l.FirstSeen, l.Edits, l.Seq, l.ID = time.Time{}, 0, 0, 0
	return l
}

// until waits for something that happens elsewhere, at most a limit.
func until(limit time.Duration, what func() bool) bool {
	deadline := time.Now().Add(limit)
	for !what() {
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(2 * time.Millisecond) // there is no event to wait for: the process is not ours
	}
	return true
}

// firstDifference shows where two lists part.
func firstDifference(got, want []string) string {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			return fmt.Sprintf("missing %q", want[i])
		case i >= len(want):
			return fmt.Sprintf("too many %q", got[i])
		case got[i] != want[i]:
			return fmt.Sprintf("got  %q\nwant %q", got[i], want[i])
		}
	}
	return "no difference"
}
