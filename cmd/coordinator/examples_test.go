package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"feedmill/internal/origin"
	"feedmill/internal/pgtest"
)

// TestEveryExampleWorks runs each example of the help texts, and each command
// of the README's sessions, as it stands: but with a loopback origin in the
// place of example.org and a free port in that of 8080.
func TestEveryExampleWorks(t *testing.T) {
	if raceEnabled {
		t.Skip("a hundred commands, one after the other, show the race detector nothing")
	}
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no sh to run the examples with")
	}
	t.Parallel()
	s := serve(t, origin.Options{Feeds: 4, Hosts: 1, Items: 3})
	house := furnished(t, s)
	var examples []string
	eachOf((&app{}).rootCommand(), func(c *cobra.Command) {
		for line := range strings.Lines(c.Example) {
			examples = append(examples, strings.TrimSpace(line))
		}
	})
	if len(examples) < 15 {
		t.Fatalf("%d examples found, want one for nearly every command", len(examples))
	}
	for _, example := range append(examples, sessions(t, "../../README.md")...) {
		t.Run(example, func(t *testing.T) {
			t.Parallel()
			runExample(t, s, house, example)
		})
	}
}

// sessions returns what is typed in the sessions of a document: the lines that
// begin with "$ coordinator".
func sessions(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var typed []string
	for line := range strings.Lines(string(text)) {
		if cmd, ok := strings.CutPrefix(strings.TrimSpace(line), "$ "); ok && strings.HasPrefix(cmd, "coordinator ") {
			typed = append(typed, cmd)
		}
	}
	if len(typed) == 0 {
		t.Errorf("%s has no session", path)
	}
	return typed
}

// exampleCommand is a line of shell in a folder with what examples name.
func exampleCommand(dir, line string) *exec.Cmd {
	c := exec.Command("sh", "-c", line)
	c.Dir, c.Env = dir, append(os.Environ(), "PATH="+programs+":"+os.Getenv("PATH"), "XDG_DATA_HOME="+dir)
	return c
}

// furnished returns a folder that has what examples name, the usual store among it.
func furnished(t *testing.T, s *site) string {
	t.Helper()
	dir := t.TempDir()
	feed := exampleFeed(s)
	for name, text := range map[string]string{
		"feeds.txt":          feed + "\n",
		"subscriptions.opml": `<opml version="2.0"><body><outline xmlUrl="` + feed + `"/></body></opml>`,
		"feeds/one.rss":      "<rss version='2.0'><channel><title>One</title></channel></rss>",
	} {
		path := filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(path), 0o755)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, db := range []string{"", " --db feeds.db"} {
		if out, err := exampleCommand(dir, "coordinator feeds import feeds.txt"+db).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	return dir
}

// exampleFeed is the feed of all examples.
func exampleFeed(s *site) string { return "http://" + s.Addr() + "/feed/0.rss" }

// runExample runs one line in a copy of a folder that has what examples name.
func runExample(t *testing.T, s *site, house, example string) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(house)); err != nil {
		t.Fatal(err)
	}
	run := func(line string) *exec.Cmd { return exampleCommand(dir, line) }
	server := "postgres:///feedmill"
	if strings.Contains(example, server) {
		server = "'" + pgtest.Shared(t).CreateDB(t) + "'"
		if !strings.HasSuffix(example, "postgres:///feedmill") { // it is read
			if out, err := run("coordinator feeds import feeds.txt --db " + server).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
	}
	line := strings.NewReplacer(
		"postgres:///feedmill", server,
		"https://example.org/feed.xml", exampleFeed(s),
		"127.0.0.1:8080", "127.0.0.1:0",
		"coordinator refresh", "coordinator refresh --allow-net 127.0.0.0/8",
		"coordinator verify", "coordinator verify --allow-net 127.0.0.0/8",
	).Replace(example)
	switch {
	case strings.HasPrefix(line, "coordinator bench --"):
		line += " --dry-run" // the experiment takes a minute at least
	case strings.HasPrefix(line, "coordinator bench"):
		copyRuns(t, dir)
	}
	if strings.HasPrefix(line, "coordinator origin") {
		serveExample(t, run("exec "+line))
		return
	}
	if out, err := run(line).CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", line, err, out)
	}
}

// copyRuns puts runs of the benchmark where examples have them.
func copyRuns(t *testing.T, dir string) {
	text, err := os.ReadFile("../../docs/bench/run.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bench/run.json", "bench/saved-before.json", "old/run.json", "new/run.json"} {
		path := filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(path), 0o755)
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// serveExample runs an example that serves until it is interrupted.
func serveExample(t *testing.T, c *exec.Cmd) {
	t.Helper()
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "serving http://") {
		t.Errorf("it says %q, %v, want that it is serving", line, err)
	}
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Error(err)
	}
	io.Copy(io.Discard, stdout)
	if err := c.Wait(); err != nil {
		t.Errorf("interrupted, it ended with %v, want exit status 0", err)
	}
}
