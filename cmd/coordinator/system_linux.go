package main

import (
	"bytes"
	"os"
	"strconv"

	sys "golang.org/x/sys/unix"
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

// workInBatch tells the system that this process and the workers that it will
// start do not mind a few milliseconds: none of their threads then interrupts
// another one just because something has come for it. Processes that hand each
// other work on fewer cores than they are spend a tenth of their time on that.
// They get as much of the machine as they did. Whoever chose another policy for
// this process keeps it, and where it cannot be set nothing is lost.
func workInBatch() {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return
	}
	for _, t := range threads { // those that come later inherit it
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			continue
		}
		attr, err := sys.SchedGetAttr(id, 0)
		if err != nil || attr.Policy != sys.SCHED_NORMAL {
			continue
		}
		attr.Policy = sys.SCHED_BATCH
		sys.SchedSetAttr(id, attr, 0)
	}
}
