package pool

import (
	"bytes"
	"os"
	"strconv"
)

// memoryOf returns the most memory that process pid has had resident, and how
// much of what it has now is its own, in bytes; 0 and 0 when it is gone.
//
// Rejected: ru_maxrss of the reaped child. The kernel counts in it what the
// coordinator had resident when it forked.
func memoryOf(pid int) (peak, own int64) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, 0
	}
	return kilobytes(status, "\nVmHWM:"), kilobytes(status, "\nRssAnon:")
}

// kilobytes returns the number that a line of a status file has, in bytes.
func kilobytes(status []byte, line string) int64 {
	_, after, found := bytes.Cut(status, []byte(line))
	if !found {
		return 0
	}
	value, _, _ := bytes.Cut(after, []byte("\n"))
	kb, err := strconv.ParseInt(string(bytes.TrimSpace(bytes.TrimSuffix(value, []byte("kB")))), 10, 64)
	if err != nil {
		return 0
	}
	return kb << 10
}
