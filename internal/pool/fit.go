package pool

import (
	"cmp"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
)

// What processes need, in file descriptors. A coordinator has a store and a
// few files open, and for a moment the other ends of a new worker's pipes; for
// each worker it keeps three pipes and a handle of the process. A worker has
// its pipes and what the runtime needs, and for each request under way up to
// three sockets (two addresses tried at once, a name lookup) and four that wait
// to be used again.
const (
	coordinatorFiles = 40
	filesPerWorker   = 4
	workerFiles      = 12
	filesPerFetch    = 7
)

// What processes need, in bytes.
const (
	coordinatorMemory = 64 << 20
	leastMemory       = 80 << 20  // of which a worker can read a feed of usual size
	usualMemory       = 512 << 20 // that a worker keeps to by itself
)

// A room is what the system gives this process and those that it starts; a
// zero field means that there is no limit, or that it is not known.
type room struct {
	files  uint64 // file descriptors of one process
	memory int64  // bytes, of all together
}

// fit reduces what was asked for to what there is room for, and says so.
func (o *Options) fit(r room) {
	workers := o.Workers
	fetches := cmp.Or(o.Refresh.Fetches, feeds.DefaultFetches)
	if r.files > 0 {
		perWorker := filesPerWorker
		if o.Mode == ipc.ModeShm {
			perWorker++ // the socket through which memory comes
		}
		workers = min(workers, shares(int64(r.files), coordinatorFiles, int64(perWorker)))
		fetches = min(fetches, shares(int64(r.files), workerFiles, filesPerFetch))
	}
	if r.memory > 0 {
		workers = min(workers, shares(r.memory, coordinatorMemory, leastMemory))
		hard := max(r.memory-coordinatorMemory, leastMemory) / int64(workers)
		if o.MemLimit == 0 && hard < usualMemory {
			o.MemLimit = hard / 10 * 6
		}
	}
	if o.MemLimit > 0 && o.RecycleAt > 0 {
		o.RecycleAt = min(o.RecycleAt, o.MemLimit)
	}
	if workers < o.Workers || fetches < cmp.Or(o.Refresh.Fetches, feeds.DefaultFetches) {
		o.Logger.Warn("not enough room for all that was asked for",
			"workers", workers, "asked", o.Workers, "requests", fetches, "files", r.files, "memory", r.memory)
	}
	o.Workers, o.Refresh.Fetches = workers, fetches
}

// shares returns how many shares there are in what is left of total, at least
// one: with less, it is better to try than to give up.
func shares(total, reserved, share int64) int {
	return int(max((total-reserved)/share, 1))
}
