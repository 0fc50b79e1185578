package sandbox

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// nobody is the user that unprivileged children become.
const nobody = 65534

// A report is what a child said and how it ended.
type report struct {
	said   map[string]string
	stderr string
	state  *os.ProcessState
}

// runChild runs the named child with env added to the environment.
func runChild(t testing.TB, name string, env ...string) report {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	// A child with the race detector would wait a second before it ends.
	cmd.Env = append(os.Environ(), append(env, childVar+"="+name, "GORACE=atexit_sleep_ms=0")...)
	cmd.Dir = t.TempDir()
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatalf("start child %s: %v", name, err)
	}
	cmd.Wait() // its state says how it ended
	r := report{said: map[string]string{}, stderr: stderr.String(), state: cmd.ProcessState}
	for line := range strings.Lines(stdout.String()) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		r.said[key] = value
	}
	return r
}

// finished fails the test unless the child ended well.
func (r report) finished(t testing.TB) report {
	t.Helper()
	if !r.state.Success() {
		t.Fatalf("child ended with %v, it said %q and on stderr\n%s", r.state, r.said, r.stderr)
	}
	return r
}

// apply is how children apply p: as nobody when the test asks for it, with the
// ports that it gives.
func apply(p Policy) Level {
	if os.Getenv("CHILD_AS") == "nobody" {
		for _, err := range []error{syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody)} {
			if err != nil {
				say("setuid", err)
				os.Exit(1)
			}
		}
	}
	for text := range strings.FieldsSeq(os.Getenv("CHILD_PORTS")) {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			say("ports", err)
			os.Exit(1)
		}
		p.ConnectPorts = append(p.ConnectPorts, uint16(port))
	}
	l, err := Apply(p)
	say("apply", err)
	say("level", l)
	return l
}

// asEach runs a test as the user who runs it and, when that is root, as nobody.
func asEach(t *testing.T, test func(t *testing.T, env string)) {
	t.Run("as caller", func(t *testing.T) { test(t, "CHILD_AS=") })
	t.Run("as nobody", func(t *testing.T) {
		if os.Getuid() != 0 {
			t.Skip("needs root to become another user; the test above ran without privileges already")
		}
		test(t, "CHILD_AS=nobody")
	})
}
