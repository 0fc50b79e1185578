package sqlite

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// asNobody reports whether permissions bind the test that calls it. They do not
// bind root: there the test is run once more, as nobody, and is what that was.
func asNobody(t *testing.T) (bound bool) {
	t.Helper()
	if os.Getuid() != 0 {
		return true
	}
	if tmp, err := os.Stat(os.TempDir()); err != nil || tmp.Mode().Perm()&0o003 != 0o003 {
		t.Skipf("needs a folder for temporary files that everybody may use, as /tmp is: %s, %v", os.TempDir(), err)
	}
	// Nobody may not enter the folder of the test binary, by its own name.
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Dir = "/"
	const nobody = 65534
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
	return false
}
