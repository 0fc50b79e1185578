package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/origin"
)

// TestASecondInterruptEndsEverythingAtOnce interrupts a round whose servers
// keep it waiting until it ends. What was stored is sound, and no worker stays.
func TestASecondInterruptEndsEverythingAtOnce(t *testing.T) {
	const latency = 5 * time.Second // for which a first interrupt waits
	s := serve(t, origin.Options{Feeds: 8, Hosts: 8, Latency: latency})
	db := filepath.Join(t.TempDir(), "feeds.db")
	cmd := command(t, db, "--list", s.list, "-n", "2")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if !until(10*time.Second, func() bool { return s.Requests().Requests > 0 }) {
		t.Fatal("the round did not begin")
	}
	workers := children(cmd.Process.Pid, filepath.Join(programs, "worker"))
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	start := time.Now()
	stop := syscall.SIGINT
	if signal.Ignored(stop) { // as in a shell's background, and then by the program too once it has had one
		stop = syscall.SIGTERM
	}
	if !until(latency, func() bool {
		cmd.Process.Signal(stop) // two that come too soon after each other are one
		select {
		case <-ended:
			return true
		case <-time.After(50 * time.Millisecond):
			return false
		}
	}) {
		t.Fatalf("it still runs after %v", time.Since(start))
	}
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != stop {
		t.Errorf("it ended with %v, want %v; stderr:\n%s", cmd.ProcessState, stop, stderr.String())
	}
	if !until(time.Second, func() bool { return !slices.ContainsFunc(workers, alive) }) {
		t.Errorf("workers %v live a second longer than their coordinator", workers)
	}
	if got := contents(t, db); len(got) != 0 {
		t.Errorf("%d items of feeds that were not answered", len(got))
	}
}

// TestRoundGoesOnWhenNobodyReadsItsReport closes the other end of stdout, as
// head does when it has seen enough.
func TestRoundGoesOnWhenNobodyReadsItsReport(t *testing.T) {
	s := serve(t, origin.Options{Feeds: 20, Hosts: 5, Items: 3})
	db := filepath.Join(t.TempDir(), "feeds.db")
	cmd := command(t, db, "--list", s.list, "-n", "2")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	cmd.Stdout = w
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err = cmd.Run()
	w.Close()
	if err != nil {
		t.Errorf("it ended with %v, want 0; stderr:\n%s", err, stderr.String())
	}
	if got := len(contents(t, db)); got != 20*3 {
		t.Errorf("%d items stored, want %d", got, 20*3)
	}
}

// TestUnusableStoreIsSaidBeforeAnyRequest: a run that could not keep what it
// fetches asks nobody, and leaves the file as it is.
func TestUnusableStoreIsSaidBeforeAnyRequest(t *testing.T) {
	s := serve(t, origin.Options{Feeds: 2, Hosts: 2, Items: 30})
	whole := filepath.Join(t.TempDir(), "whole.db")
	refreshed(t, whole, "--list", s.list).want(t, exitOK)
	sound := readFile(t, whole)
	asked := s.Requests().Requests

	// Where SQLite's file header keeps the application's version.
	const userVersion = 60
	newer := bytes.Clone(sound)
	binary.BigEndian.PutUint32(newer[userVersion:], binary.BigEndian.Uint32(newer[userVersion:])+1)
	damaged := bytes.Clone(sound)
	page := int(binary.BigEndian.Uint16(sound[16:])) // its size; the second one is a table's root
	for i := range damaged[page : 2*page] {
		damaged[page+i] ^= 0x5a
	}
	for _, tt := range []struct {
		name    string
		path    string
		content []byte // of the file at path; nil means that there is none
		code    int
		says    string
	}{
		{"newer schema", filepath.Join(t.TempDir(), "feeds.db"), newer, exitUsage, "use the coordinator that wrote it"},
		{"damaged page", filepath.Join(t.TempDir(), "feeds.db"), damaged, exitStore, "put a backup in its place"},
		{"something else", filepath.Join(t.TempDir(), "feeds.db"), []byte(strings.Repeat("no store\n", 1000)), exitStore, "use another file"},
		{"folder cannot be made", "/proc/nobody/feeds.db", nil, exitStore, "/proc/nobody"},
		{"folder cannot be written", "/proc/feeds.db", nil, exitStore, "/proc/feeds.db"},
		{"folder is a file", filepath.Join(s.list, "feeds.db"), nil, exitStore, "not a directory"},
		{"file is a folder", t.TempDir(), nil, exitUsage, "not a regular file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.content != nil {
				if err := os.WriteFile(tt.path, tt.content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			out := refreshed(t, tt.path, "--list", s.list)
			if out.code != tt.code || !strings.Contains(out.stderr, tt.says) {
				t.Errorf("exit status %d, stderr %q, want %d and %q", out.code, out.stderr, tt.code, tt.says)
			}
			if tt.content != nil && !bytes.Equal(readFile(t, tt.path), tt.content) {
				t.Error("the file was changed")
			}
		})
	}
	if n := s.Requests().Requests; n != asked {
		t.Errorf("%d requests were made for what could not be stored", n-asked)
	}
}

// TestAStoreThatMayNotBeUsedHasAHint: the system's refusal is said with what to
// do about it. Root is refused nothing, so it is not provoked here.
func TestAStoreThatMayNotBeUsedHasAHint(t *testing.T) {
	refused := &fs.PathError{Op: "open", Path: "feeds.db", Err: syscall.EACCES}
	if code, hint := status(storeProblem("feeds.db", fmt.Errorf("open store: %w", refused))); code != exitStore || !strings.Contains(hint, "--db") {
		t.Errorf("exit status %d and hint %q, want %d and another store", code, hint, exitStore)
	}
}

// TestFewDescriptorsAreFewerWorkers runs with 64 file descriptors for each
// process, where eight workers were asked for.
func TestFewDescriptorsAreFewerWorkers(t *testing.T) {
	s := serve(t, origin.Options{Feeds: 60, Hosts: 30, Items: 2})
	cmd := command(t, filepath.Join(t.TempDir(), "feeds.db"), "--list", s.list, "-n", "8")
	cmd = exec.Command("sh", append([]string{"-c", `ulimit -n 64 && exec "$0" "$@"`}, cmd.Args...)...)
	out := finished(t, cmd)
	out.want(t, exitOK)
	if out.summary.Workers >= 8 || !strings.Contains(out.stderr, "not enough room") {
		t.Errorf("%d workers of the 8 that were asked for, and stderr says %q", out.summary.Workers, out.stderr)
	}
}

// TestSpellingsOfOneURLAreOneFeed: they are asked once and have one line.
func TestSpellingsOfOneURLAreOneFeed(t *testing.T) {
	s := serve(t, origin.Options{Feeds: 1, Items: 2})
	url := strings.TrimSpace(string(readFile(t, s.list)))
	list := strings.Join([]string{
		url, url, url + "#part", strings.Replace(url, "http:", "HTTP:", 1), "  " + url + "  ",
	}, "\n")
	out := refreshed(t, filepath.Join(t.TempDir(), "feeds.db"), "--list", writeFile(t, "spellings.txt", list), url)
	out.want(t, exitOK)
	if n := s.Requests().Requests; len(out.feeds) != 1 || n != 1 {
		t.Errorf("%d lines and %d requests, want one: %+v", len(out.feeds), n, out.feeds)
	}
}

// TestOddListsAreSaidLineByLine: each line that is no URL fails alone. A file
// without any URL is an error that says none of it: whoever gave it meant another.
func TestOddListsAreSaidLineByLine(t *testing.T) {
	for _, tt := range []struct {
		name, list string
		code       int
		failed     int
		says       string // in stderr or in the first line's detail
	}{
		{"empty", "", exitUsage, 0, "no feed was named"},
		{"comments", "# nothing\n\n   \n", exitUsage, 0, "no feed was named"},
		{"binary", "\x7fELF\x02\x01\x01\x00\n\x00\x00\xff\xfe\n", exitUsage, 0, "no list: none of its lines is a URL"},
		{"secrets", "root:x:0:0\nsecret: 1\n", exitUsage, 0, "no list"},
		{"commands", "http://127.0.0.1:1/\nexec:rm -rf /\nfilter:cat:http://a.example/\n|id\nfile:///etc/passwd\n", exitFeeds, 4, "line 2 of the list"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := refreshed(t, filepath.Join(t.TempDir(), "feeds.db"), "--list", writeFile(t, "list.txt", tt.list))
			if tt.code == exitUsage {
				if out.code != exitUsage || !strings.Contains(out.stderr, tt.says) || strings.Contains(out.stderr, "secret: ") {
					t.Errorf("got status %d and %q, want %d and %q", out.code, out.stderr, exitUsage, tt.says)
				}
				return
			}
			out.want(t, tt.code)
			if out.summary.Failed < tt.failed || out.classes()[feeds.BlockedScheme] != tt.failed {
				t.Errorf("%+v, want %d failures, all blocked_scheme", out.feeds, tt.failed)
			}
			if tt.failed > 0 && !slices.ContainsFunc(out.feeds, func(l feedLine) bool { return strings.Contains(l.Detail, tt.says) }) {
				t.Errorf("%+v, want a line that says %q", out.feeds, tt.says)
			}
		})
	}
}

// TestFullDiskEndsTheRoundAndKeepsWhatWasStored bounds the size of files, which
// to SQLite looks like a disk that is full.
func TestFullDiskEndsTheRoundAndKeepsWhatWasStored(t *testing.T) {
	s := serve(t, origin.Options{Feeds: 20, Hosts: 20, Items: 10, Bytes: 2000, Latency: 5 * time.Millisecond})
	db := filepath.Join(t.TempDir(), "feeds.db")
	whole := filepath.Join(t.TempDir(), "whole.db")
	refreshed(t, whole, "--list", s.list).want(t, exitOK)

	cmd := command(t, db, "--list", s.list, "-n", "2")
	cmd = exec.Command("sh", append([]string{"-c", `ulimit -f 800 && exec "$0" "$@"`}, cmd.Args...)...)
	out := finished(t, cmd)
	out.want(t, exitStore)
	if n := strings.Count(out.stderr, "save outcomes"); n != 1 {
		t.Errorf("stderr says %d times what was tried, want once:\n%s", n, out.stderr)
	}
	stored := 0
	for _, l := range out.feeds {
		stored += l.New
	}
	if got := len(contents(t, db)); got != stored {
		t.Errorf("%d items stored, and %d were reported", got, stored)
	}
	refreshed(t, db, "--list", s.list).want(t, exitOK)
	if got, want := contents(t, db), contents(t, whole); !slices.Equal(got, want) {
		t.Errorf("with room again: %s", firstDifference(got, want))
	}
}
