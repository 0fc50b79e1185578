package feeds

import (
	"context"
	"sync"
	"time"
)

// Run does jobs as they come until jobs is closed, and calls emit once for
// each, from one goroutine at a time; emit may block, and with it the fetch
// whose result it takes. It reads ahead, so that jobs of a busy host do not
// keep others waiting, and has at most Options.Fetches under way.
//
// When ctx is done, nothing new begins. What is under way may go on for
// Options.DrainGrace; everything else, also what still comes before jobs is
// closed, ends as cancelled. Run returns when jobs is closed, every job is
// emitted and its goroutines are gone.
func (r *Refresher) Run(ctx context.Context, jobs <-chan Job, emit func(Result)) {
	work, kill := context.WithCancelCause(context.WithoutCancel(ctx))
	defer kill(nil)
	l := newLane(r, emit)
	l.spawn = func() { l.slots.Go(func() { l.slot(ctx, work) }) }
	r.gate.attach(l)
	defer r.gate.detach(l)

	drained := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(drained)
		l.drain(kill)
	})
	for job := range jobs {
		l.add(ctx, job)
	}
	l.close()
	l.slots.Wait()
	if !stop() {
		<-drained
	}
	l.endGrace()
}

// A lane is the work of one Run: jobs in queues by domain, and a slot for each
// fetch that may be under way. A slot is a goroutine that does one job after
// the other and takes its next job itself, so no goroutine in between handles
// what it finds.
type lane struct {
	r     *Refresher
	emit  func(Result)
	spawn func() // starts a slot
	slots sync.WaitGroup

	emitting sync.Mutex // held while emit is called

	mu      sync.Mutex
	some    sync.Cond // there is something for a slot to take, or nothing ever again
	space   sync.Cond // a job may be added
	queues  map[string]*queue
	ready   fifo[*queue] // queues whose next job may be able to begin
	dropped fifo[*task]  // cancelled before they began
	queued  int          // in queues
	started int          // slots
	idle    int          // slots that wait
	closed  bool         // no job will be added
	stopped bool         // nothing begins any more
	grace   *time.Timer
}

// A queue holds the jobs of one domain that have not begun.
type queue struct {
	domain string
	tasks  fifo[*task]
	ready  bool        // in lane.ready
	later  *time.Timer // makes it ready after the host's delay
}

// A task is one job of a lane. Its fields are guarded by lane.mu until a slot
// has taken it.
type task struct {
	lane    *lane
	job     Job
	place   place
	queued  bool
	refusal *Failure // why it ends without a request
	stop    context.CancelCauseFunc
}

func newLane(r *Refresher, emit func(Result)) *lane {
	l := &lane{r: r, emit: emit, queues: make(map[string]*queue)}
	l.some.L, l.space.L = &l.mu, &l.mu
	return l
}

// add takes a job in, once there is room or ctx, the run's, is done.
func (l *lane) add(ctx context.Context, job Job) {
	host := asciiHost(splitURL(job.URL).hostname())
	t := &task{lane: l, job: job, place: place{domain: domainOf(host), host: host}, queued: true}
	l.mu.Lock()
	for l.queued >= l.r.limits.ahead && !l.stopped {
		l.space.Wait()
	}
	if l.stopped || ctx.Err() != nil {
		l.mu.Unlock()
		l.answer(t, Result{ID: job.ID, Class: Cancelled})
		return
	}
	defer l.mu.Unlock()
	l.r.register(job.ID, t)
	q := l.queues[t.place.domain]
	if q == nil {
		q = &queue{domain: t.place.domain}
		l.queues[q.domain] = q
		q.tasks.push(t)
		l.makeReady(q)
	} else {
		q.tasks.push(t)
	}
	l.count(+1)
}

// count changes the number of queued jobs. The caller holds l.mu.
func (l *lane) count(n int) {
	l.queued += n
	l.r.queued.Add(int64(n))
	if n < 0 {
		l.space.Signal()
	}
}

// makeReady lets a slot try a queue, a new one if those that wait have enough
// to try. The caller holds l.mu.
func (l *lane) makeReady(q *queue) {
	if q.ready {
		return
	}
	q.ready = true
	l.ready.push(q)
	if l.ready.len() > l.idle && l.started < l.r.limits.fetches && !l.stopped {
		l.started++
		l.spawn()
		return
	}
	l.some.Signal()
}

// wake is told that a turn of a domain became free.
func (l *lane) wake(domain string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if q := l.queues[domain]; q != nil {
		l.makeReady(q)
	}
}

// close says that no job will be added.
func (l *lane) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.some.Broadcast()
}

// slot does one job after the other until there will be none. ctx is the
// run's, work that of what is under way.
func (l *lane) slot(ctx, work context.Context) {
	for {
		t, jctx := l.take(ctx, work)
		if t == nil {
			return
		}
		if t.refusal != nil {
			l.answer(t, failed(Result{ID: t.job.ID}, t.refusal))
			continue
		}
		l.r.underWay.Add(1)
		res := l.r.refresh(jctx, t.stop, &t.job, t.place, true)
		l.answer(t, res)
		l.r.underWay.Add(-1)
		t.stop(nil)
	}
}

// take waits for a job that may begin and returns it with its context, or nil
// when there will be none. With a refusal it ends without a request, else it
// has a turn of its domain.
func (l *lane) take(ctx, work context.Context) (*task, context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if t, ok := l.dropped.pop(); ok {
			return t, nil
		}
		if l.stopped || ctx.Err() != nil || l.closed && l.queued == 0 {
			l.some.Broadcast()
			return nil, nil
		}
		if t := l.try(); t != nil {
			if t.refusal != nil {
				return t, nil
			}
			var jctx context.Context
			jctx, t.stop = context.WithCancelCause(work)
			return t, jctx
		}
		l.idle++
		l.some.Wait()
		l.idle--
	}
}

// try returns the first job that may begin, or nil. The caller holds l.mu.
func (l *lane) try() *task {
	for {
		q, ok := l.ready.pop()
		if !ok {
			return nil
		}
		q.ready = false
		t, ok := q.tasks.peek()
		if !ok {
			continue
		}
		v := l.r.gate.try(t.place)
		if !v.granted && v.refusal == nil {
			if v.wait > 0 {
				l.after(q, v.wait)
			}
			continue // else the turn's holder wakes the queue
		}
		q.tasks.pop()
		t.queued, t.refusal = false, v.refusal
		l.count(-1)
		if q.tasks.len() == 0 {
			delete(l.queues, q.domain)
		} else if v.refusal != nil || l.r.limits.perHost > 1 {
			l.makeReady(q)
		}
		return t
	}
}

// after makes a queue ready later. The caller holds l.mu.
func (l *lane) after(q *queue, wait time.Duration) {
	if q.later != nil {
		q.later.Stop()
	}
	q.later = time.AfterFunc(wait, func() { l.wake(q.domain) })
}

// answer emits a task's result.
func (l *lane) answer(t *task, res Result) {
	l.r.forget(t.job.ID, t)
	l.emitting.Lock()
	defer l.emitting.Unlock()
	l.emit(res)
}

// cancel ends the task, for Refresher.Cancel.
func (t *task) cancel() {
	l, why := t.lane, &Failure{Class: Cancelled, Detail: "cancelled on its own"}
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.stop != nil {
		t.stop(why)
		return
	}
	q := l.queues[t.place.domain]
	if !t.queued || q == nil || !q.tasks.remove(t) {
		return
	}
	if q.tasks.len() == 0 {
		delete(l.queues, q.domain)
	}
	t.queued, t.refusal = false, why
	l.count(-1)
	l.dropped.push(t)
	l.some.Signal()
}

// drain ends the lane early: it emits what is queued as cancelled and has kill
// end what is still under way after the grace.
func (l *lane) drain(kill context.CancelCauseFunc) {
	l.mu.Lock()
	l.stopped = true
	l.grace = time.AfterFunc(l.r.limits.grace, func() {
		kill(&Failure{Class: Cancelled, Detail: "the run ended first"})
	})
	var left []*task
	for _, q := range l.queues {
		for t, ok := q.tasks.pop(); ok; t, ok = q.tasks.pop() {
			left = append(left, t)
		}
		if q.later != nil {
			q.later.Stop()
		}
	}
	l.count(-len(left))
	for t, ok := l.dropped.pop(); ok; t, ok = l.dropped.pop() {
		left = append(left, t)
	}
	clear(l.queues)
	l.some.Broadcast()
	l.space.Broadcast()
	l.mu.Unlock()
	for _, t := range left {
		l.answer(t, Result{ID: t.job.ID, Class: Cancelled})
	}
}

// endGrace stops the grace's timer, if there is one.
func (l *lane) endGrace() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.grace != nil {
		l.grace.Stop()
	}
}
