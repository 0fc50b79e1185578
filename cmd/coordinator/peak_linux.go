package main

import (
	"bytes"
	"os"
	"strconv"
)

// peakRSS returns the largest resident memory of this process so far, in
// bytes. It reads VmHWM: getrusage's ru_maxrss would count what the process
// before exec had, too.
func peakRSS() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmHWM:")); ok {
			kb, err := strconv.ParseInt(string(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte(" kB"))), 10, 64)
			if err == nil {
				return kb << 10
			}
		}
	}
	return 0
}
