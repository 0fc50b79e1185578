package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"feedmill/internal/feeds"
)

// profiles is the variable that names the folder for TestProfiles.
const profiles = "FEEDMILL_PROFILE"

// TestProfiles writes profiles of coordinator and workers in three kinds of
// round (all new, nothing new, one new item in each feed) into the folder that
// FEEDMILL_PROFILE names; make profile runs it. docs/performance.md says how
// to read them.
func TestProfiles(t *testing.T) {
	dir := os.Getenv(profiles)
	if dir == "" {
		t.Skipf("%s is not set: it names the folder for profiles", profiles)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	l := startLoad(t, append([]string{"--feeds", "500"}, bodies...)...)
	buildProfiled(t, dir)
	db := l.filled(t)
	for _, round := range []struct {
		name   string
		times  int
		args   []string
		db     string // empty: a new one each time
		want   feeds.Class
		before func()
	}{
		{"cold", 5, []string{"--list", l.list}, "", feeds.OK, func() {}},
		{"steady", 20, []string{"--force"}, db, feeds.NotModified, func() {}},
		{"news", 5, []string{"--force"}, db, feeds.OK, func() { l.moveOn(t) }},
	} {
		p := &program{mode: "pipe", args: round.args, db: round.db, want: round.want}
		for range round.times {
			round.before()
			p.round(t)
		}
		collect(t, dir, round.name)
	}
}

// buildProfiled replaces the programs by ones that write profiles into dir,
// until the end of the test.
func buildProfiled(t *testing.T, dir string) {
	t.Helper()
	build := exec.Command("go", "build", "-tags", "profile",
		"-ldflags", "-X feedmill/internal/profile.dir="+dir, "-o", dir+string(os.PathSeparator), ".", "../worker")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the programs: %v\n%s", err, out)
	}
	plain := programs
	programs = dir
	t.Cleanup(func() { programs = plain })
}

// collect moves the profiles of a kind of round into a folder of their own.
func collect(t *testing.T, dir, round string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, round), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"*.cpu", "*.allocs"} {
		files, err := filepath.Glob(filepath.Join(dir, kind))
		if err != nil || len(files) == 0 {
			t.Fatalf("no profiles in %s: %v", dir, err)
		}
		for _, f := range files {
			if err := os.Rename(f, filepath.Join(dir, round, filepath.Base(f))); err != nil {
				t.Fatal(err)
			}
		}
	}
}
