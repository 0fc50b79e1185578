package pool

import (
	"errors"
	"slices"
	"time"
)

// search looks for batches that were offered long ago. Those that are not in the
// queue somebody has taken who says nothing, and those that are there while a
// worker may take them and has nothing to do are as good as lost too. All are
// offered again.
func (d *dealer) search(now time.Time) {
	if d.run.out.busy() {
		return // claims wait behind the results that a slow store holds up
	}
	d.mu.Lock()
	old := func(b *batch) bool { return b.claimed == nil && now.Sub(b.since) >= d.after }
	var missing []int64
	for n, b := range d.offered {
		if old(b) {
			missing = append(missing, n)
		}
	}
	if len(missing) == 0 {
		d.mu.Unlock()
		return
	}
	there := d.queue.Withdraw()
	ignored := slices.ContainsFunc(d.run.slots, (*slot).ignoresQueue)
	missing = slices.DeleteFunc(missing, func(n int64) bool { return !ignored && slices.Contains(there, n) })
	for _, b := range d.offered {
		if b.claimed == nil {
			d.again(b)
		}
	}
	if len(missing) > 0 {
		d.missing++
	}
	enough := d.missing >= maxMissing
	d.mu.Unlock()
	if len(missing) > 0 {
		d.run.pool.o.Logger.Warn("batches are lost in the queue and offered again", "batches", len(missing))
	}
	if enough {
		d.distrust(errors.New("batches are lost in it"))
	}
}

// distrust gives up the queue: from now on jobs go in person to the slots that
// they were meant for.
func (d *dealer) distrust(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.trusted.Swap(false) {
		return
	}
	d.run.pool.o.Logger.Warn("the job queue is given up: each worker gets its jobs in person", "err", err)
	for _, b := range d.offered {
		d.waiting = append(d.waiting, b)
	}
	for _, b := range d.waiting {
		d.handOver(b, d.run.slots[b.lane], false)
	}
	d.waiting = nil
	d.wakeSlots()
}
