//go:build unix

package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
)

// BenchmarkHello measures the time from the start of a worker to its Hello,
// and the private memory that it has then. The worker is the test binary,
// which holds little more than the real one.
func BenchmarkHello(b *testing.B) {
	for _, mode := range []string{"best-effort", "off"} {
		b.Run("sandbox="+mode, func(b *testing.B) {
			self, err := os.Executable()
			if err != nil {
				b.Fatal(err)
			}
			var private int
			for b.Loop() {
				cmd := exec.Command(self, "--sandbox", mode)
				cmd.Env = []string{envRefresher + "=real", "GOMAXPROCS=1"}
				stdin, _ := cmd.StdinPipe()
				stdout, _ := cmd.StdoutPipe()
				if err := cmd.Start(); err != nil {
					b.Fatal(err)
				}
				conn := ipc.NewConn(stdout, stdin, ipc.Options{})
				if m, err := conn.Recv(); err != nil || ipc.Name(m) != "Hello" {
					b.Fatalf("got %v, %v, want Hello", m, err)
				}
				b.StopTimer()
				if err := conn.Send(&ipc.Hello{Version: ipc.Version, Options: ipc.EncodeOptions(feeds.Options{})}); err != nil {
					b.Fatal(err)
				}
				private = max(private, privateMemory(b, cmd.Process.Pid))
				stdin.Close()
				io.Copy(io.Discard, stdout)
				cmd.Wait()
				b.StartTimer()
			}
			b.ReportMetric(float64(private), "private-B")
		})
	}
}

// privateMemory returns the memory that process pid shares with no other one,
// in bytes; 0 where that is not known.
func privateMemory(b *testing.B, pid int) int {
	b.Helper()
	if runtime.GOOS != "linux" {
		return 0
	}
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
	if err != nil {
		return 0
	}
	sum := 0
	for line := range bytes.Lines(text) {
		f := bytes.Fields(line)
		if len(f) == 3 && bytes.HasPrefix(f[0], []byte("Private_")) {
			kb, err := strconv.Atoi(string(f[1]))
			if err != nil {
				b.Fatal(err)
			}
			sum += kb << 10
		}
	}
	return sum
}
