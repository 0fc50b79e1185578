package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"feedmill/internal/pgtest"
)

// programs is the folder with the real coordinator and worker, which every
// test here that needs a process runs.
var programs string

// envPrograms names that folder to a test that runs in a network of its own.
const envPrograms = "FEEDMILL_TEST_PROGRAMS"

func TestMain(m *testing.M) {
	os.Exit(testMain(m))
}

// parts are what this test binary can be as another process: the variable that
// says so, and its main, which is given the variable's value.
var parts = make(map[string]func(value string) int)

func testMain(m *testing.M) int {
	for variable, play := range parts {
		if value := os.Getenv(variable); value != "" {
			return play(value)
		}
	}
	if programs = os.Getenv(envPrograms); programs != "" {
		defer pgtest.Stop()
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "feedmill-programs-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := buildPrograms(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	programs = dir
	roots := filepath.Join(dir, "authorities.pem")
	if err := os.WriteFile(roots, nil, 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	os.Setenv("SSL_CERT_FILE", roots)
	defer pgtest.Stop()
	return m.Run()
}

// buildPrograms builds both programs into dir, as make build does. Go's test
// cache knows what this package imports but not what a child process reads,
// so the sources of the worker are opened here, which the cache does see.
func buildPrograms(dir string) error {
	for _, pattern := range []string{"../worker/*.go", "../../internal/worker/*.go", "../../internal/sandbox/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			return err
		}
		for _, f := range files {
			if _, err := os.ReadFile(f); err != nil {
				return err
			}
		}
	}
	args := []string{"build", "-o", dir + string(os.PathSeparator)}
	if raceEnabled {
		args = append(args, "-race")
	}
	build := exec.Command("go", append(args, ".", "../worker")...)
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the programs: %w\n%s", err, out)
	}
	return nil
}

// TestScript runs the sessions in testdata/script: what a user types and
// sees, against the real programs and a real origin.
func TestScript(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		Setup:               scriptSetup,
		Cmds:                scriptCommands(),
		Condition:           scriptCondition,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

func scriptSetup(e *testscript.Env) error {
	e.Setenv("PATH", programs+string(os.PathListSeparator)+e.Getenv("PATH"))
	e.Setenv("HOME", e.WorkDir)
	e.Setenv("XDG_DATA_HOME", filepath.Join(e.WorkDir, "data"))
	return nil
}

func scriptCondition(cond string) (bool, error) {
	if cond == "manyhosts" { // all of 127.0.0.0/8 answers
		return runtime.GOOS == "linux", nil
	}
	return false, fmt.Errorf("unknown condition %q", cond)
}
