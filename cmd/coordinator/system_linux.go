package main

import (
	"os"
	"strconv"

	sys "golang.org/x/sys/unix"
)

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
