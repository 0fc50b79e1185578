package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestHelpFitsATerminal of 80 columns, every command's.
func TestHelpFitsATerminal(t *testing.T) {
	root := (&app{stdout: io.Discard, stderr: io.Discard}).rootCommand()
	eachOf(root, func(c *cobra.Command) {
		var help strings.Builder
		c.SetOut(&help)
		c.InitDefaultHelpFlag()
		if err := c.Help(); err != nil {
			t.Error(err)
		}
		for line := range strings.Lines(help.String()) {
			if line = strings.TrimRight(line, "\n"); utf8.RuneCountInString(line) > 80 {
				t.Errorf("%s --help: %d columns: %s", c.CommandPath(), utf8.RuneCountInString(line), line)
			}
		}
	})
}

// TestNoFlagSpeaksGo: whatever is given to any flag of any command, what is wrong
// with it is said in words, with the flag's name, and not in those of Go.
func TestNoFlagSpeaksGo(t *testing.T) {
	gosWords := regexp.MustCompile(`strconv|parsing|syntax|unit|EOF|%!|nil|time:|invalid|argument`)
	refused := 0
	eachOf((&app{stdout: io.Discard, stderr: io.Discard}).rootCommand(), func(c *cobra.Command) {
		c.InitDefaultHelpFlag()
		c.Flags().VisitAll(func(f *pflag.Flag) {
			given := []string{"--" + f.Name}
			for _, value := range []string{"", "x", "-1", "1.5", "99999999999999999999", "7 days", "1h30", "0x", "\x1b[2J", "é\xff"} {
				given = append(given, "--"+f.Name+"="+value)
			}
			for _, arg := range given {
				err := c.ParseFlags([]string{arg})
				if err == nil {
					continue
				}
				refused++
				if text := flagError(err).Error(); gosWords.MatchString(text) || !strings.HasPrefix(text, "--"+f.Name) {
					t.Errorf("%s %q: %s", c.CommandPath(), arg, text)
				}
			}
		})
	})
	if refused < 500 {
		t.Errorf("%d values were refused, want hundreds", refused)
	}
}

// TestWhatIsWrongNamesItsFlag, where only the command can tell.
func TestWhatIsWrongNamesItsFlag(t *testing.T) {
	for _, args := range []string{
		"refresh --fetches -1", "refresh --per-host 0", "refresh --host-delay -1s", "refresh --tell-after 0", "refresh --deadline -3s",
		"refresh --wait -1s", "refresh --timeout 0s", "refresh --workers -1", "refresh --contact me",
		"items --limit -1", "items --unseen-days -1", "page --out site --limit -1", "demo --feeds 0", "demo --hosts 0", "demo --items 0",
	} {
		var out, errs strings.Builder
		words := strings.Fields(args)
		flag := strings.Join(words[len(words)-2:], " ")
		status := run(t.Context(), append(words, "--db", filepath.Join(t.TempDir(), "none.db")), strings.NewReader(""), &out, &errs)
		if text := strings.ReplaceAll(errs.String(), `"`, ""); status != exitUsage || !strings.HasPrefix(text, "coordinator: error: "+flag+": want ") {
			t.Errorf("%s: status %d, %s", args, status, text)
		}
	}
}

// inAnImage is a part of the next test, where there are other roots.
var inAnImage func(t *testing.T, root string)

// TestMakeInstallsWhatWorks: the coordinator finds its worker where make install
// puts it, and each page and completion is there; make clean touches no store.
func TestMakeInstallsWhatWorks(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil || raceEnabled {
		t.Skip("no make here, or programs with the race detector")
	}
	t.Parallel()
	dir := t.TempDir()
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH"), "XDG_DATA_HOME="+dir)
		cmd.Dir = filepath.Join("..", "..")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %q: %v\n%s", name, args, err, out)
		}
		return string(out)
	}
	run("make", "install", "DESTDIR="+dir, "PREFIX=/usr")
	for _, name := range []string{
		"bin/coordinator", "bin/feedmill", "libexec/feedmill/worker", "share/man/man1/coordinator-feeds-set.1",
		"share/bash-completion/completions/feedmill", "share/zsh/site-functions/_coordinator",
		"share/fish/vendor_completions.d/coordinator.fish", "lib/systemd/user/feedmill.timer",
	} {
		if info, err := os.Stat(filepath.Join(dir, "usr", name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v, want it, and something in it", name, err)
		}
	}
	unit, err := os.ReadFile(filepath.Join(dir, "usr/lib/systemd/user/feedmill.service"))
	if err != nil || !strings.Contains(string(unit), "ExecStart=/usr/bin/coordinator refresh --quiet") {
		t.Errorf("the service is %q, %v", unit, err)
	}
	if out := run(filepath.Join(dir, "usr/bin/feedmill"), "doctor"); !strings.Contains(out, "/libexec/feedmill/worker") {
		t.Errorf("doctor found another worker, or none:\n%s", out)
	}
	if inAnImage != nil {
		inAnImage(t, dir)
		os.Remove(filepath.Join(dir, "dev"))
		os.Remove(filepath.Join(dir, "proc"))
		for _, name := range []string{"data", "etc", "tmp"} {
			os.RemoveAll(filepath.Join(dir, name))
		}
	}
	run("make", "uninstall", "DESTDIR="+dir, "PREFIX=/usr")
	filepath.WalkDir(filepath.Join(dir, "usr"), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			t.Errorf("uninstall left %s", path)
		}
		return nil
	})
	if out := run("make", "-n", "clean", "DB=feedmill.db"); strings.Contains(out, "feedmill.db") {
		t.Errorf("make clean removes a store:\n%s", out)
	}
}
