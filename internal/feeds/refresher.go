package feeds

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"
)

// A Refresher refreshes feeds. It keeps its connections, and what it learned
// about hosts to leave alone, for its own life only: one Refresher serves one
// round. Its methods may be called by several goroutines.
type Refresher struct {
	limits    *limits
	ship      Ship
	guard     *addressGuard
	gate      *gate
	bodies    *bodyReader
	transport *http.Transport

	// Header values that every request shares; nobody writes to them.
	accept, encodings, agent, deltas []string

	reader   Parser        // who reads documents
	parser   chan struct{} // holds one token while a document is parsed
	observer Observer      // told of that document; nil for nobody

	mu   sync.Mutex
	jobs map[int64]canceller // jobs that are queued or under way

	parsing  atomic.Int64
	underWay atomic.Int64
	queued   atomic.Int64
	overdue  atomic.Int64
}

// A canceller ends one job.
type canceller interface{ cancel() }

// Status is what a Refresher does at one moment.
type Status struct {
	Parsing  int64 // the job whose document is being parsed; 0 when none is
	UnderWay int   // jobs begun and not answered
	Queued   int   // jobs received by Run and not begun
	// Overdue is a job whose exchange was ended by a limit ten seconds ago and
	// goes on all the same; 0 when there is none. Nothing ends it any more but
	// the end of the process.
	Overdue int64
}

// NewRefresher returns a Refresher. The caller closes it. The error says what
// is wrong with o.Proxy.
func NewRefresher(o Options) (*Refresher, error) {
	return newRefresher(o, newLimits(o))
}

func newRefresher(o Options, l *limits) (*Refresher, error) {
	g := newAddressGuard(o.AllowNet, o.Ports)
	transport, err := newTransport(o, l, g)
	if err != nil {
		return nil, err
	}
	agent := o.UserAgent
	if agent == "" {
		agent = "feedmill"
	}
	return &Refresher{
		limits:    l,
		ship:      o.Ship,
		guard:     g,
		gate:      newGate(l.perHost, l.hostDelay),
		bodies:    newBodyReader(l),
		transport: transport,
		accept:    []string{accept},
		encodings: []string{acceptEncoding},
		agent:     []string{agent},
		deltas:    []string{"feed"},
		reader:    o.Parser,
		parser:    make(chan struct{}, 1),
		jobs:      make(map[int64]canceller),
	}, nil
}

// Close drops idle connections. It is called after the last Refresh or Run
// returned.
func (r *Refresher) Close() { r.transport.CloseIdleConnections() }

// Status returns what r does now. It takes no lock.
func (r *Refresher) Status() Status {
	return Status{
		Parsing:  r.parsing.Load(),
		UnderWay: int(r.underWay.Load()),
		Queued:   int(r.queued.Load()),
		Overdue:  r.overdue.Load(),
	}
}

// Cancel ends one job, whose result then has class cancelled unless it was
// ready already. A job that is unknown or answered is left as it is.
func (r *Refresher) Cancel(id int64) {
	r.mu.Lock()
	c := r.jobs[id]
	r.mu.Unlock()
	if c != nil {
		c.cancel()
	}
}

// register makes a job known to Cancel until forget.
func (r *Refresher) register(id int64, c canceller) {
	r.mu.Lock()
	r.jobs[id] = c
	r.mu.Unlock()
}

func (r *Refresher) forget(id int64, c canceller) {
	r.mu.Lock()
	if r.jobs[id] == c {
		delete(r.jobs, id)
	}
	r.mu.Unlock()
}

// A stopper is the canceller of a job that is under way.
type stopper struct{ stop context.CancelCauseFunc }

func (s *stopper) cancel() { s.stop(&Failure{Class: Cancelled, Detail: "cancelled on its own"}) }

// Refresh does one job and returns what became of it; whatever goes wrong is
// in the Result. It waits while the job's host has as many requests under way
// as Options allow, and while another document is parsed. It ends as cancelled
// when ctx does.
func (r *Refresher) Refresh(ctx context.Context, job Job) Result {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	s := &stopper{stop}
	r.register(job.ID, s)
	defer r.forget(job.ID, s)
	r.underWay.Add(1)
	defer r.underWay.Add(-1)
	return r.refresh(ctx, stop, &job, place{}, false)
}

// refresh does one job. stop ends ctx. With holds, it has a turn at place p
// and gives it back.
func (r *Refresher) refresh(ctx context.Context, stop context.CancelCauseFunc, job *Job, p place, holds bool) Result {
	res := Result{ID: job.ID}
	url, err := NormalizeURL(job.URL)
	if err != nil {
		if holds {
			r.gate.leave(p.domain)
		}
		return failed(res, err.(*Failure))
	}
	f := &fetch{r: r, job: job, sent: usable(job.Validators), clock: newClock(r.limits, stop), trail: newTrail(url), place: p, holds: holds}
	f.clock.late = func() { r.overdue.CompareAndSwap(0, job.ID) }
	resp, fail := f.run(ctx)
	r.overdue.CompareAndSwap(job.ID, 0)
	res.Attempts, res.Cost.Fetch = f.attempts, f.spent
	if resp != nil {
		res.Status = resp.StatusCode
	}
	if f.body != nil {
		defer f.body.free()
		res.Cost.Wire, res.Cost.Decoded = f.body.wire, int64(len(f.body.bytes))
	}
	if fail != nil {
		res.Refused = refused(fail)
		return failed(res, fail)
	}
	switch {
	case hasDocument(res.Status):
		res = r.document(ctx, f, resp, res)
	case res.Status == http.StatusNotModified:
		res = f.notModified(resp, res)
	default:
		res = otherwise(resp, res)
	}
	if res.Class.OK() {
		res.MovedTo = f.trail.movedTo()
	}
	return res
}

// failed returns res with a failure and without what only success may have:
// of what the server asks, only to be left alone counts then.
func failed(res Result, f *Failure) Result {
	res.Class, res.Detail, res.Hint, res.Links = f.Class, f.Detail, f.Hint, f.links
	res.Validators, res.BodyHash, res.Spans = Validators{}, 0, ""
	res.Pacing = Pacing{RetryAfter: res.Pacing.RetryAfter}
	return res
}

// usable returns those of v that may be sent.
func usable(v Validators) Validators {
	if !usableValidator(v.ETag) {
		v.ETag = ""
	}
	if !usableValidator(v.LastModified) {
		v.LastModified = ""
	}
	return v
}

// notModified is the result of a 304.
func (f *fetch) notModified(resp *http.Response, res Result) Result {
	if f.sent == (Validators{}) {
		return failed(res, &Failure{Class: HTTPError, Detail: "304 Not Modified to an unconditional request"})
	}
	res.Class = NotModified
	res.Validators = confirm(f.sent, resp.Header)
	res.BodyHash = f.job.BodyHash
	res.Pacing.MaxAge = maxAge(resp.Header, time.Now())
	return res
}

// otherwise is the result of any answer without a document.
func otherwise(resp *http.Response, res Result) Result {
	if limited, after, why := rateLimit(resp, time.Now()); limited {
		res.Pacing.RetryAfter = after
		return failed(res, &Failure{Class: RateLimited, Detail: why})
	}
	fail := &Failure{Class: HTTPError, Detail: statusText(resp.StatusCode)}
	if resp.StatusCode == http.StatusGone {
		fail.Class = Gone
	}
	return failed(res, fail)
}

// document is the result of a body.
func (r *Refresher) document(ctx context.Context, f *fetch, resp *http.Response, res Result) Result {
	b, partial := f.body, resp.StatusCode == http.StatusIMUsed
	res.Validators = renew(resp.Header)
	res.BodyHash = f.job.BodyHash
	res.Pacing.MaxAge = maxAge(resp.Header, time.Now())
	if b.fault == nil && !partial {
		res.BodyHash = bodyHash(b.bytes)
		if res.BodyHash == f.job.BodyHash {
			res.Class = Unchanged
			return res
		}
	}
	if b.fault != nil && len(b.bytes) == 0 {
		return failed(res, b.fault)
	}
	notes, fail := r.parse(ctx, f, resp, &res)
	if b.fault != nil && (fail == nil || fail.Class != Cancelled) {
		// That the body was cut is the cause, whatever reading made of it.
		fail = b.fault
	}
	if fail != nil {
		return failed(res, fail)
	}
	res.Class, res.Detail = OK, strings.Join(notes, "; ")
	return res
}

// parse reads the document while no other one is read, and puts what it holds
// into res. It returns the document's notes; with a failure, res has what
// could be salvaged.
func (r *Refresher) parse(ctx context.Context, f *fetch, resp *http.Response, res *Result) ([]string, *Failure) {
	select {
	case r.parser <- struct{}{}:
	case <-ctx.Done():
		return nil, interrupted(ctx)
	}
	defer func() { <-r.parser }()
	if ctx.Err() != nil {
		return nil, interrupted(ctx)
	}
	r.parsing.Store(f.job.ID)
	defer r.parsing.Store(0)
	w := watch{r.observer, f.job.ID}
	w.guarding(f.body.bytes)
	defer w.read()
	runtime.LockOSThread() // its clock is the parser's
	defer runtime.UnlockOSThread()
	start := time.Now()
	cpu := threadCPU() // within the time of start, for two clocks to be compared
	doc, err := r.reader.readDocument(f.body.bytes, resp.Header.Get("Content-Type"), f.trail.at, &recall{f.job.Spans, f.job.Known, r.ship == ShipNew}, w)
	var notes []string
	if doc != nil {
		notes = doc.Notes
		res.Title, res.Link, res.Seen = doc.Title, doc.Link, len(doc.Items)+doc.left
		res.Reader, res.Declined, res.Spans = doc.Reader, doc.Declined, doc.spans
		res.Items, res.New, res.Updated = Diff(doc.Items, f.job.Known)
		if r.ship == ShipAll {
			res.Items = doc.Items
		}
		res.Pacing.TTL, res.Pacing.SkipHours, res.Pacing.SkipDays = doc.Pacing.TTL, doc.Pacing.SkipHours, doc.Pacing.SkipDays
	}
	res.Cost.ParseCPU = threadCPU() - cpu
	res.Cost.Parse = time.Since(start)
	if err == nil {
		return notes, nil
	}
	fail, ok := errors.AsType[*Failure](err)
	if !ok {
		fail = &Failure{Class: Parse, Detail: err.Error(), Err: err}
	}
	return notes, fail
}

// bodyHash returns the hash of a decoded body, which is never 0.
func bodyHash(b []byte) uint64 {
	return max(xxhash.Sum64(b), 1)
}
