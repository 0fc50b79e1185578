package pool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"feedmill/internal/crash"
	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
)

// A dealer offers the jobs of a run to whichever worker is free, where the
// carrier has a queue for that. What next hands out for a slot is put together
// to batches and into the queue. A worker that takes one claims it, and does not
// begin before it is granted; with that the jobs are its slot's, for good, and
// whatever happens to the process is the slot's business, as in other modes.
//
// A domain is with one slot at a time: with the first batch that has jobs of it
// it goes to the slot that is granted the batch, and all later jobs of it go
// there in person. So the queue decides who gets a domain, and then its
// connections, its manners and its delays stay in one place.
//
// What is in the queue when a process dies may be in its hands, or unread. So
// all that is not granted is given another number and offered again, and who
// claims an old number is turned away. No job is lost between a worker's taking
// and its claim, and none is with two.
//
// A queue that workers share is as good as the worst of them. When batches
// are lost again and again, or the queue has an end, there is no dealing any
// more: each slot gets its jobs in person.
type dealer struct {
	run   *run
	queue ipc.JobQueue
	ahead int           // batches in the queue at most
	after time.Duration // how long a batch may be in the queue before it is looked for

	stop  context.CancelFunc
	done  sync.WaitGroup
	workC chan struct{} // holds a value when there may be something to offer

	lanes   atomic.Int64 // slots for which next may have more
	batches atomic.Int64 // made and not granted
	trusted atomic.Bool  // workers may take from the queue
	frees   atomic.Int64 // slots with a process that has nothing to do, or soon will be there

	mu       sync.Mutex        // guards the fields below; a slot's may be taken while it is held
	numbers  int64             // batches offered so far
	missing  int               // how often batches were lost
	waiting  []*batch          // to be offered
	offered  map[int64]*batch  // in the queue, or with a worker that was not granted them
	assigned map[string]*owner // domains
}

// An owner has all jobs of a domain: a batch, or later a slot.
type owner struct {
	batch *batch
	slot  *slot
}

// A batch is jobs that are offered together.
type batch struct {
	number  int64 // since it was offered last
	lane    int   // the slot for which next handed them out
	jobs    []feeds.Job
	size    int        // about what jobs take in a message, in bytes
	owners  []*owner   // of the domains of jobs
	later   []laterJob // of the same domains, that came when it was made
	since   time.Time  // when it was offered
	claimed *process   // that says to have it
}

// A laterJob goes in person to whom its batch goes.
type laterJob struct {
	lane int
	job  feeds.Job
}

const (
	// batchSize bounds what jobs take together when they are offered, in bytes.
	batchSize = ipc.MaxOffer * 3 / 4
	// maxMissing is how often batches may be lost before the queue is given up.
	maxMissing = 3
)

// newDealer returns the dealer of a run, or nil where there is no queue.
func newDealer(r *run) *dealer {
	q, ok := r.carrier.(ipc.JobQueue)
	if !ok {
		return nil
	}
	n := r.pool.o.Workers
	d := &dealer{
		run: r, queue: q, ahead: n + 1, after: r.pool.o.HangAfter,
		workC: make(chan struct{}, 1), offered: make(map[int64]*batch), assigned: make(map[string]*owner),
	}
	d.lanes.Store(int64(n))
	d.trusted.Store(true)
	ctx, stop := context.WithCancel(context.Background())
	d.stop = stop
	d.done.Go(func() { d.deal(ctx) })
	return d
}

// close ends the dealing. Nobody gets anything from the queue any more.
func (d *dealer) close() {
	if d != nil {
		d.stop()
		d.done.Wait()
	}
}

// more reports whether a slot may still get jobs that it does not have yet.
func (d *dealer) more() bool { return d.lanes.Load() > 0 || d.batches.Load() > 0 } // in this order

// dry takes note that next has no more for one of the slots.
func (d *dealer) dry() {
	if d.lanes.Add(-1) == 0 {
		d.wakeSlots()
	}
}

func (d *dealer) wakeSlots() {
	for _, s := range d.run.slots {
		wake(s.workC)
	}
}

// add takes over jobs that next handed out for a slot.
func (d *dealer) add(lane int, jobs []feeds.Job) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.wakeSlots()
	defer wake(d.workC)
	var open *batch
	for i := range jobs {
		j := &jobs[i]
		if j.ID == 0 {
			return fmt.Errorf("hand out job %d: id is zero or in use", j.ID)
		}
		domain := feeds.Domain(j.URL)
		o := d.assigned[domain]
		if o == nil {
			o = new(owner)
			if domain != "" { // who has no host meets nobody there
				d.assigned[domain] = o
			}
		}
		size := jobSize(j)
		fits := open != nil && len(open.jobs) < d.run.pool.o.Batch && open.size+size <= batchSize
		switch {
		case o.slot == nil && o.batch == nil && (!d.trusted.Load() || size > batchSize):
			o.slot = d.run.slots[lane]
			fallthrough
		case o.slot != nil:
			if err := o.slot.adopt(lane, false, *j); err != nil {
				return err
			}
			continue
		case o.batch != nil && (o.batch != open || !fits):
			o.batch.later = append(o.batch.later, laterJob{lane, *j})
			continue
		case o.batch == nil && !fits:
			open = &batch{lane: lane}
			d.waiting = append(d.waiting, open)
			d.batches.Add(1)
		}
		if o.batch == nil {
			o.batch = open
			open.owners = append(open.owners, o)
		}
		open.jobs = append(open.jobs, *j)
		open.size += size
	}
	return nil
}

// jobSize returns about what a job takes in a message, and not less, in bytes.
func jobSize(j *feeds.Job) int {
	const known, rest = 28, 64
	return rest + len(j.URL) + len(j.Validators.ETag) + len(j.Validators.LastModified) + len(j.Spans) + known*len(j.Known)
}

// deal puts batches into the queue until ctx is done.
func (d *dealer) deal(ctx context.Context) {
	look := time.NewTicker(max(d.after/2, time.Millisecond))
	defer look.Stop()
	for ctx.Err() == nil {
		if b := d.take(); b != nil {
			d.offer(ctx, b)
			continue
		}
		select {
		case <-d.workC:
		case now := <-look.C:
			d.search(now)
		case <-ctx.Done():
		}
	}
}

// An offer is what is put into the queue: a batch's jobs under a number.
type offer struct {
	*batch
	message ipc.Batch
}

// take returns what is to be offered next, or nil while there are enough in
// the queue.
func (d *dealer) take() *offer {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.waiting) == 0 || len(d.offered) >= d.ahead {
		return nil
	}
	b := d.waiting[0]
	d.waiting = slices.Delete(d.waiting, 0, 1)
	d.numbers++
	b.number, b.since, b.claimed = d.numbers, time.Now(), nil
	d.offered[b.number] = b
	return &offer{b, ipc.Batch{Number: b.number, Jobs: b.jobs}}
}

// offer puts a batch into the queue.
func (d *dealer) offer(ctx context.Context, o *offer) {
	crash.At("coordinator: before offer batch")
	n, err := d.queue.Offer(ctx, &o.message)
	crash.At("coordinator: after offer batch")
	d.run.pool.bill(int64(n), 0, 0)
	d.run.pool.moved()
	switch {
	case err == nil || ctx.Err() != nil:
	case errors.Is(err, ipc.ErrMessageTooLarge):
		d.mu.Lock()
		if d.offered[o.message.Number] == o.batch {
			d.handOver(o.batch, d.run.slots[o.lane], false)
		}
		d.mu.Unlock()
		d.wakeSlots()
	default:
		d.distrust(err)
	}
}

// handOver makes a slot the owner of a batch. With sent, its process has the
// jobs already. The caller holds d.mu.
func (d *dealer) handOver(b *batch, s *slot, sent bool) {
	delete(d.offered, b.number)
	for _, o := range b.owners {
		o.batch, o.slot = nil, s
	}
	// An error is a job that is there twice, which the plan of a round rules
	// out: then the first one counts.
	err := s.adopt(b.lane, sent, b.jobs...)
	for _, l := range b.later {
		err = errors.Join(err, s.adopt(l.lane, false, l.job))
	}
	if err != nil {
		d.run.pool.o.Logger.Error("deal jobs", "err", err)
	}
	d.batches.Add(-1)
}

// free takes note whether a slot has a process that has nothing to do.
func (d *dealer) free(s *slot, is bool) {
	switch was := s.free.Swap(is); {
	case is && !was:
		d.frees.Add(1)
	case was && !is:
		if d.frees.Add(-1) < d.batches.Load() {
			d.wakeSlots()
		}
	}
}

// invite reports whether a slot without a process is to start one: there are
// more batches than there are processes with nothing to do. The slot then counts
// as one of those.
func (d *dealer) invite(s *slot) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.free(s, false)
	if !d.trusted.Load() || d.batches.Load() <= d.frees.Load() {
		return false
	}
	d.free(s, true)
	return true
}

// claim takes note that a process says to have a batch.
func (d *dealer) claim(number int64, w *process) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if b := d.offered[number]; b != nil && b.claimed == nil {
		b.claimed = w
	}
}

// grant gives a slot, whose process has claimed it, a batch, and reports
// whether it was still to be had.
func (d *dealer) grant(number int64, w *process, s *slot) bool {
	d.mu.Lock()
	b := d.offered[number]
	granted := b != nil && b.claimed == w
	if granted {
		d.handOver(b, s, true)
		d.free(s, false)
	}
	d.mu.Unlock()
	if granted {
		wake(d.workC)
		if !d.more() {
			d.wakeSlots()
		}
	}
	return granted
}

// release offers a batch again that a process has claimed and does not get.
func (d *dealer) release(number int64, w *process) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if b := d.offered[number]; b != nil && b.claimed == w {
		d.again(b)
	}
}

// again puts a batch that was offered in front of those that wait. The caller
// holds d.mu.
func (d *dealer) again(b *batch) {
	delete(d.offered, b.number)
	d.waiting = slices.Insert(d.waiting, 0, b)
	wake(d.workC)
}

// gone takes note that a slot's process has ended, and offers again whatever it may have had in its hands when it ended:
// all that is neither granted nor claimed by another one.
func (d *dealer) gone(s *slot, w *process) {
	d.free(s, false)
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.offered) == 0 {
		return
	}
	d.queue.Withdraw()
	for _, b := range d.offered {
		if b.claimed == nil || b.claimed == w {
			d.again(b)
		}
	}
}

// rest returns the jobs that no slot was given. The dealing is over by then.
func (d *dealer) rest() (ids []int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, b := range d.offered {
		d.waiting = append(d.waiting, b)
	}
	clear(d.offered)
	for _, b := range d.waiting {
		for _, j := range b.jobs {
			ids = append(ids, j.ID)
		}
		for _, l := range b.later {
			ids = append(ids, l.job.ID)
		}
	}
	d.waiting = nil
	slices.Sort(ids)
	return ids
}

// String says what is where, for the report of a stall.
func (d *dealer) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return fmt.Sprintf("queue: %d batches wait, %d are in it or not granted; in use: %t", len(d.waiting), len(d.offered), d.trusted.Load())
}
