package sandbox

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/sys/unix"
)

// machines are kernels that lack something, by the system calls that they do
// not have. Those of gVisor and of Raspberry Pi OS are without Landlock.
var machines = map[string][]string{
	"no landlock": {"landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"},
	"no seccomp":  {"seccomp"},
}

// become makes the process one of machines.
func become(machine string) error {
	policy := seccomp.Policy{
		DefaultAction: seccomp.ActionAllow,
		Syscalls: []seccomp.SyscallGroup{
			{Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS), Names: machines[machine]},
		},
	}
	program, err := policy.Assemble()
	if err != nil {
		return err
	}
	return loadFilter(program)
}

// init registers what a child does on a machine that lacks something.
func init() {
	children["lacking"] = func() {
		mode, err := ParseMode(os.Getenv("CHILD_MODE"))
		say("mode", err)
		say("machine", become(os.Getenv("CHILD_MACHINE")))
		say("probe", Probe())
		l, err := Apply(Policy{Mode: mode})
		say("level", l)
		say("error", err)
		if e, ok := errors.AsType[*unavailableError](err); ok {
			for _, m := range e.Missing {
				say("lacks "+string(m.Part), m.Reason)
			}
		}
		say("read", code(readFile("/etc/passwd")))
		say("write", code(os.WriteFile(scratch(), nil, 0o600)))
		os.Remove(scratch())
	}
}

// lacking runs the child as machine and fails the test unless that worked.
func lacking(t *testing.T, machine string, mode Mode) report {
	t.Helper()
	if !Probe().Seccomp || Probe().Landlock == 0 {
		t.Skipf("needs a kernel that has both parts to take one away, there is: %v", Probe())
	}
	r := runChild(t, "lacking", "CHILD_MACHINE="+machine, "CHILD_MODE="+mode.String()).finished(t)
	if got := r.said["machine"]; got != "ok" {
		t.Fatalf("becoming a machine with %s: %s", machine, got)
	}
	return r
}

// TestRequireRefusesWhenAPartIsMissing: with the part's name, and before
// anything is given up.
func TestRequireRefusesWhenAPartIsMissing(t *testing.T) {
	for machine := range machines {
		t.Run(machine, func(t *testing.T) {
			r := lacking(t, machine, Require)
			part := strings.TrimPrefix(machine, "no ")
			if got, want := r.said["error"], "sandbox not available: "+part+" (function not implemented)"; got != want {
				t.Errorf("error: got %q, want %q", got, want)
			}
			if got, want := r.said["lacks "+part], "function not implemented"; got != want {
				t.Errorf("the error's reason for %s: got %q, want %q", part, got, want)
			}
			for _, what := range []string{"read", "write"} {
				if got := r.said[what]; got != "allowed" {
					t.Errorf("%s after the refusal: got %s, want it untouched", what, got)
				}
			}
		})
	}
}

// TestRequireHoldsWhereAllIsThere: the mode is no refusal in itself.
func TestRequireHoldsWhereAllIsThere(t *testing.T) {
	if here := Probe(); len(here.Missing) > 0 {
		t.Skipf("needs a kernel that has every part, there is: %v", here)
	}
	r := runChild(t, "lacking", "CHILD_MACHINE=none", "CHILD_MODE=require")
	if got := r.said["error"]; got != "ok" || r.said["read"] == "allowed" {
		t.Errorf("got error %q and reading %s, want no error and reading refused", got, r.said["read"])
	}
}

// TestBestEffortKeepsWhatIsLeft: one missing part takes no other with it, and
// the level names it.
func TestBestEffortKeepsWhatIsLeft(t *testing.T) {
	for machine, want := range map[string]struct{ held, read, write string }{
		"no landlock": {held: "seccomp", read: "allowed", write: "EPERM"},
		"no seccomp":  {held: fmt.Sprintf("landlock:%d", Probe().Landlock), read: "EACCES", write: "EACCES"},
	} {
		t.Run(machine, func(t *testing.T) {
			r := lacking(t, machine, BestEffort)
			level := r.said["level"]
			held, lacks, _ := strings.Cut(level, " (")
			if got := r.said["error"]; got != "ok" || !strings.Contains(held, want.held) ||
				!strings.Contains(lacks, machine+": function not implemented") {
				t.Errorf("got level %q and error %s, want %s and %s", level, got, want.held, machine)
			}
			if r.said["probe"] != level {
				t.Errorf("probe said %q, and what came was %q", r.said["probe"], level)
			}
			if r.said["read"] != want.read || r.said["write"] != want.write {
				t.Errorf("read %s, write %s; want %s, %s", r.said["read"], r.said["write"], want.read, want.write)
			}
		})
	}
}

// TestProbeRestrictsNothing: it runs in the coordinator.
func TestProbeRestrictsNothing(t *testing.T) {
	l := Probe()
	if err := readFile(os.Args[0]); err != nil {
		t.Errorf("after Probe, which said %v, reading: %v", l, err)
	}
	if err := os.WriteFile(t.TempDir()+"/file", nil, 0o600); err != nil {
		t.Errorf("after Probe, which said %v, writing: %v", l, err)
	}
	if err := fork(); err != nil {
		t.Errorf("after Probe, which said %v, making a process: %v", l, err)
	}
}
