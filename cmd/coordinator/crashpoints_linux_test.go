package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"feedmill/internal/crash"
	"feedmill/internal/origin"
)

// crashPoints are all points at which a process can be told to die, in the
// order in which a round reaches them, each with the visits that are the last
// of a try. Where some of the round is stored already the second one counts.
var crashPoints = []struct {
	name   string
	visits []int64
}{
	{"coordinator: before open", []int64{1}},
	{"coordinator: after open", []int64{1}},
	{"coordinator: after subscribe", []int64{1}},
	{"coordinator: after begin run", []int64{1}},
	{"coordinator: before next", []int64{1, 3}},
	{"coordinator: after jobs loaded", []int64{1}},
	{"coordinator: before send shard", []int64{1, 2}},
	{"coordinator: after send shard", []int64{1, 2}},
	{"coordinator: on result", []int64{1, 7, 18}},
	{"coordinator: before save", []int64{1, 2}},
	{"coordinator: between items and validators", []int64{1, 8}},
	{"coordinator: before commit", []int64{1, 2}},
	{"coordinator: after save", []int64{1, 2}},
	{"coordinator: after report", []int64{1, 7, 18}},
	{"coordinator: before drain", []int64{1, 2}},
	{"coordinator: before end run", []int64{1}},
	{"coordinator: after end run", []int64{1}},
	{"coordinator: before close", []int64{1}},
	{"coordinator: after close", []int64{1}},

	{"worker: before hello", []int64{1, 2}},
	{"worker: after hello", []int64{1}},
	{"worker: after shard read", []int64{1, 2}},
	{"worker: before fetch", []int64{1, 7}},
	{"worker: after fetch", []int64{1, 18}},
	{beforeParse, []int64{1}},
	{"worker: in parse", []int64{1}},
	{"worker: after parse", []int64{1, 18}},
	{"worker: before encode", []int64{1, 7}},
	{"worker: between pieces", []int64{1}},
	{"worker: before write", []int64{1, 18}},
	{"worker: after write", []int64{1, 7, 18}},
	{"worker: before bye", []int64{1, 2}},
	{"worker: after bye", []int64{1}},
}

// beforeParse is where only gofeed's reading comes by.
const beforeParse = "worker: before parse"

// crashRound is the round that is interrupted: the pauses between the requests
// to a host spread it over several commits.
var crashRound = []string{"-n", "2", "--host-delay", "60ms"}

// crashSite has a feed whose list goes in pieces on each host.
func crashSite(t *testing.T) *site {
	s := serve(t, origin.Options{Feeds: 18, Hosts: 6, Items: 4, Bytes: 300})
	long := serve(t, origin.Options{Feeds: 2, Hosts: 2, Items: 12, Bytes: 30_000})
	both := append(readFile(t, s.list), readFile(t, long.list)...)
	s.list = writeFile(t, "feeds.txt", string(both))
	return s
}

// TestDeathAtEveryPointIsAsIfNothingHappened kills the coordinator, or a
// worker, at each of the named points. When the coordinator dies so do its
// workers, and the next run makes the store that an uninterrupted run makes;
// when a worker dies the round itself does.
func TestDeathAtEveryPointIsAsIfNothingHappened(t *testing.T) {
	t.Parallel()
	s := crashSite(t)
	whole := filepath.Join(t.TempDir(), "whole.db")
	refreshed(t, whole, append(crashRound, "--list", s.list)...).want(t, exitOK)
	want := append(contents(t, whole), feedStates(t, whole)...)
	whole = filepath.Join(t.TempDir(), "gofeed.db")
	refreshed(t, whole, append(crashRound, "--list", s.list, "--parser", "gofeed")...).want(t, exitOK)
	wantGofeed := append(contents(t, whole), feedStates(t, whole)...)
	mortal := buildMortal(t)
	for _, p := range crashPoints {
		visits := p.visits
		if raceEnabled {
			visits = visits[:1] // these programs are slow, and the others try them all
		}
		for _, visit := range visits {
			t.Run(fmt.Sprintf("%s %d", p.name, visit), func(t *testing.T) {
				t.Parallel()
				m := newMortal(t, mortal, p.name, visit)
				db := filepath.Join(t.TempDir(), "feeds.db")
				m.run(t, db, s.list)
				args, want := []string{"--list", s.list, "-n", "1"}, want
				if p.name == beforeParse {
					args, want = append(args, "--parser", "gofeed"), wantGofeed
				}
				refreshed(t, db, args...).want(t, exitOK)
				got := append(contents(t, db), feedStates(t, db)...)
				if !slices.Equal(got, want) {
					t.Errorf("%d lines after the next run, want %d\n%s", len(got), len(want), firstDifference(got, want))
				}
			})
		}
	}
}

// A mortal is a coordinator with workers of which one is to die.
type mortal struct {
	dir   string // its own, so that its processes are known by their file
	point string
	visit int64
}

// buildMortal builds programs that can be told where to die and returns their
// folder.
func buildMortal(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	args := []string{"build", "-tags", "crashpoints", "-o", dir + "/"}
	if raceEnabled {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, ".", "../worker")...).CombinedOutput(); err != nil {
		t.Fatalf("build the programs: %v\n%s", err, out)
	}
	return dir
}

func newMortal(t *testing.T, programs, point string, visit int64) *mortal {
	m := &mortal{dir: t.TempDir(), point: point, visit: visit}
	for _, name := range []string{"coordinator", "worker"} {
		if err := os.Link(filepath.Join(programs, name), filepath.Join(m.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// run does a round in which the death comes, and checks that it did.
func (m *mortal) run(t *testing.T, db, list string) {
	t.Helper()
	count := filepath.Join(m.dir, "count")
	if err := os.WriteFile(count, make([]byte, crash.CountSize), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append(crashRound[:len(crashRound):len(crashRound)], "--list", list)
	if m.point == beforeParse {
		args = append(args, "--parser", "gofeed")
	}
	cmd := command(t, db, args...)
	cmd.Path = filepath.Join(m.dir, "coordinator")
	cmd.Args[0] = cmd.Path
	cmd.Env = append(os.Environ(),
		crash.Variable+"="+m.point+":"+strconv.FormatInt(m.visit, 10), crash.CountVariable+"="+count)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	if n := int64(binary.NativeEndian.Uint64(readFile(t, count))); n < m.visit {
		t.Fatalf("the point was reached %d times, want %d; stderr:\n%s", n, m.visit, stderr.String())
	}
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if strings.HasPrefix(m.point, "coordinator:") {
		if status.Signal() != syscall.SIGKILL {
			t.Fatalf("the coordinator ended with %v, want SIGKILL; stderr:\n%s", cmd.ProcessState, stderr.String())
		}
	} else {
		out := output{code: status.ExitStatus(), stderr: stderr.String()}
		out.feeds, out.summary = parseLines(t, stdout.Bytes())
		out.want(t, exitOK)
	}
	worker := filepath.Join(m.dir, "worker")
	if !until(time.Second, func() bool { return len(running(worker)) == 0 }) {
		t.Errorf("workers %v live a second longer than their coordinator", running(worker))
	}
}

// ownWorker returns a worker program that no other test runs, so that its
// processes are known by their file.
func ownWorker(t *testing.T) string {
	t.Helper()
	worker := filepath.Join(t.TempDir(), "worker")
	if err := os.Link(filepath.Join(programs, "worker"), worker); err != nil {
		t.Fatal(err)
	}
	return worker
}

// running returns the processes that run program. A zombie runs nothing.
func running(program string) (pids []int) {
	all, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, path := range all {
		if exe, err := os.Readlink(path); err == nil && exe == program {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// TestEveryCrashPointIsTried compares the table with the source.
func TestEveryCrashPointIsTried(t *testing.T) {
	var inTable []string
	for _, p := range crashPoints {
		inTable = append(inTable, p.name)
	}
	var inSource []string
	for _, pattern := range []string{"*.go", "../worker/*.go", "../../internal/*/*.go", "../../internal/*/*/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if !strings.HasSuffix(name, "_test.go") {
				inSource = append(inSource, pointsIn(t, name)...)
			}
		}
	}
	slices.Sort(inTable)
	slices.Sort(inSource)
	inSource = slices.Compact(inSource) // each engine of a store has its own commit
	if !slices.Equal(inTable, inSource) {
		t.Errorf("the table and the source differ: %s", firstDifference(inTable, inSource))
	}
}

// pointsIn returns the names of the points in a source file.
func pointsIn(t *testing.T, path string) (names []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		f, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || f.Sel.Name != "At" || len(call.Args) != 1 {
			return true
		}
		if pkg, ok := f.X.(*ast.Ident); !ok || pkg.Name != "crash" {
			return true
		}
		lit, ok := call.Args[0].(*ast.BasicLit)
		if !ok {
			t.Errorf("%s: a point without a literal name", path)
			return true
		}
		name, _ := strconv.Unquote(lit.Value) // the parser has checked it
		names = append(names, name)
		return true
	})
	return names
}

// TestProductionHasNoCrashPoints: nothing in the environment can end a program
// that was built without the tag.
func TestProductionHasNoCrashPoints(t *testing.T) {
	for _, name := range []string{"coordinator", "worker"} {
		if bytes.Contains(readFile(t, filepath.Join(programs, name)), []byte(crash.Variable)) {
			t.Errorf("%s, built without tags, knows the variable %s", name, crash.Variable)
		}
	}
}
