package sandbox

import (
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// init registers what a child finds of its limits.
func init() {
	children["limits"] = func() {
		opened := -1
		for range 1100 { // more than the policy's 1024
			f, err := os.Open(os.DevNull)
			if err != nil {
				say("open", err)
				return
			}
			opened = int(f.Fd())
			defer f.Close()
		}
		l := apply(Policy{})
		say("opened", opened)
		say("level data", l.DataLimit)
		for name, resource := range map[string]int{
			"data": unix.RLIMIT_DATA, "files": unix.RLIMIT_NOFILE, "core": unix.RLIMIT_CORE,
		} {
			var r unix.Rlimit
			if err := unix.Getrlimit(resource, &r); err != nil {
				say(name, err)
				continue
			}
			say(name, fmt.Sprint(r.Cur, " ", r.Max))
		}
		f, err := os.Open("/etc/hosts")
		say("one more", absent(err))
		f.Close()
	}
	children["recurses by default"] = func() {
		apply(Policy{DataLimit: 4 << 30}) // out of the stack's way
		say("depth", deeper(1))
	}
	children["crashes"] = func() {
		var r unix.Rlimit
		say("get", unix.Getrlimit(unix.RLIMIT_CORE, &r))
		say("raise", unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: r.Max, Max: r.Max}))
		if os.Getenv("CHILD_APPLIES") != "" {
			apply(Policy{})
		}
		panic("on purpose")
	}
	children["system certificates"] = func() {
		apply(Policy{})
		resp, err := http.Get(os.Getenv("CHILD_URL"))
		if err == nil {
			err = resp.Body.Close()
		}
		say("https", err)
	}
	children["times itself"] = func() {
		start := time.Now()
		_, err := Apply(Policy{})
		took := time.Since(start)
		say("apply", err)
		say("ns", took.Nanoseconds())
	}
}

// TestLimitsAreWhatTheLevelSays: hard ones, with room for a process that has
// more files open than its policy allows.
func TestLimitsAreWhatTheLevelSays(t *testing.T) {
	r := runChild(t, "limits").finished(t)
	opened, err1 := strconv.Atoi(r.said["opened"])
	soft, _, _ := strings.Cut(r.said["files"], " ")
	files, err2 := strconv.Atoi(soft)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatalf("child said %q: %v", r.said, err)
	}
	if least := opened + 1 + spareFiles; files < least {
		t.Errorf("file %d was open and the limit is %d, want at least %d", opened, files, least)
	}
	want := map[string]string{"files": fmt.Sprint(files, " ", files), "core": "0 0", "one more": "ok"}
	data := strconv.Itoa(DefaultDataLimit)
	want["data"], want["level data"] = data+" "+data, data
	for name, limit := range want {
		if got := r.said[name]; got != limit {
			t.Errorf("%s: got %q, want %q", name, got, limit)
		}
	}
}

// TestStacksEndAt32MiB: by default, and with the number in the runtime's words.
func TestStacksEndAt32MiB(t *testing.T) {
	r := runChild(t, "recurses by default")
	if want := "goroutine stack exceeds 33554432-byte limit"; r.state.ExitCode() != 2 || !strings.Contains(r.stderr, want) {
		t.Errorf("ended with %v, want status 2 and %q; stderr begins %.300q", r.state, want, r.stderr)
	}
}

// TestACrashLeavesNoCore: not even when a person asked the Go runtime for one.
func TestACrashLeavesNoCore(t *testing.T) {
	if raceDetector {
		t.Skip("a core file with the race detector's memory has hundreds of MiB")
	}
	dumped := func(env string) bool {
		r := runChild(t, "crashes", "GOTRACEBACK=crash", env)
		status, ok := r.state.Sys().(syscall.WaitStatus)
		if !ok || !status.Signaled() {
			t.Fatalf("child ended with %v, want a signal; stderr begins %.300q", r.state, r.stderr)
		}
		return status.CoreDump()
	}
	if !dumped("CHILD_APPLIES=") {
		t.Skip("this system makes no core files in any case")
	}
	if dumped("CHILD_APPLIES=yes") {
		t.Error("a core file was made, want none")
	}
}

// TestSystemCertificatesAreReadWhenTheyAreNeeded: the first TLS connection
// reads them, and that is after the process is restricted.
func TestSystemCertificatesAreReadWhenTheyAreNeeded(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	dir := t.TempDir()
	bundle := filepath.Join(dir, "bundle.pem")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	// Another user must be able to reach it.
	if err := errors.Join(os.WriteFile(bundle, cert, 0o644), os.Chmod(dir, 0o755), os.Chmod(filepath.Dir(dir), 0o755)); err != nil {
		t.Fatal(err)
	}
	asEach(t, func(t *testing.T, as string) {
		r := runChild(t, "system certificates", as, "SSL_CERT_FILE="+bundle, "SSL_CERT_DIR=", "CHILD_URL="+server.URL).finished(t)
		if got := r.said["https"]; got != "ok" {
			t.Errorf("TLS at level %s: %s", r.said["level"], got)
		}
	})
}

// BenchmarkApplyInAFreshProcess reports what Apply itself takes, in a process
// that has just begun; the time of an operation is that of the whole process.
func BenchmarkApplyInAFreshProcess(b *testing.B) {
	var total, runs float64
	for b.Loop() {
		r := runChild(b, "times itself", "GOMAXPROCS=1").finished(b)
		ns, err := strconv.ParseFloat(r.said["ns"], 64)
		if err != nil {
			b.Fatalf("child said %q", r.said)
		}
		total, runs = total+ns, runs+1
	}
	b.ReportMetric(total/runs/1e3, "apply-µs/op")
}
