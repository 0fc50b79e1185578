package fetch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"feedmill/internal/feeds"
)

// A fetch is the exchange with a server, or with several over redirects, that
// one job needs. It holds a turn of a domain at any time from its first
// request to the end of the last body.
type fetch struct {
	r     *Refresher
	job   *feeds.Job
	sent  feeds.Validators // of the job's, those that the last request was made with
	clock *clock
	trail *trail

	place place // whose turn it holds
	holds bool

	conn  *connection // of the request under way; nil when there is none
	uncut func() bool // undoes that the end of the job's context cuts conn

	attempts int
	refused  bool      // a host took the last request, and gave no answer
	asked    time.Time // start of the first request
	spent    time.Duration
	body     *body // of an answer that hasDocument
}

// newFetch begins a job, whose context stop ends. With holds, it has a turn at
// place p and gives it back.
func (r *Refresher) newFetch(stop context.CancelCauseFunc, job *feeds.Job, p place, holds bool) *fetch {
	f := &fetch{r: r, job: job, clock: newClock(r.limits, r.transport.uplink, stop), place: p, holds: holds}
	f.clock.late = func() { r.overdue.CompareAndSwap(0, job.ID) }
	return f
}

// run fetches and returns the last answer, whose body is closed. If the answer
// hasDocument it is in f.body, which the caller must free.
func (f *fetch) run(ctx context.Context) (resp *http.Response, fail *feeds.Failure) {
	defer f.finish()
	if f.trail, fail = newTrail(f.job.URL); fail != nil {
		return nil, fail
	}
	for {
		if resp, fail = f.ask(ctx); fail != nil {
			return nil, f.unhinted(fail)
		}
		f.r.gate.reached(f.place)
		if !isRedirect(resp.StatusCode) {
			return resp, f.take(ctx, resp)
		}
		fail = f.trail.follow(resp, resp.Request.URL)
		f.drain(resp)
		if fail != nil {
			return resp, fail
		}
	}
}

// crowded reports whether the uplink may be to blame for a failure: it was full meanwhile,
// and all that was wrong is that something took too long. Where it is gone, that must be
// heard of soon.
func (f *fetch) crowded(fail *feeds.Failure) bool {
	l := f.r.transport.uplink
	return fail != nil && isLate(fail) && l.fullSince(f.asked) && !l.dead()
}

// unhinted returns fail, without its hint when it is about where a server
// wanted to send us: nobody is to be talked into allowing that. Another port of
// a public address is nobody's secret.
func (f *fetch) unhinted(fail *feeds.Failure) *feeds.Failure {
	if f.trail.hops == 0 || fail.Hint == "" || errors.Is(fail, errBlockedPort) {
		return fail
	}
	plain := *fail
	plain.Hint = ""
	return &plain
}

// finish gives back what the exchange held.
func (f *fetch) finish() {
	f.clock.pause()
	f.letGo(false)
	if f.holds {
		f.r.gate.leave(f.place.domain)
		f.holds = false
	}
	if !f.asked.IsZero() {
		f.spent = time.Since(f.asked)
	}
}

// hasDocument reports whether the body of an answer with that status is the
// feed: 200; 203, which a proxy makes of it when it rewrites the body (RFC 9110,
// section 15.3.4); and 226, a part of it.
func hasDocument(status int) bool {
	return status == http.StatusOK || status == http.StatusNonAuthoritativeInfo || status == http.StatusIMUsed
}

// take reads the body of an answer that has a document, and drops any other.
func (f *fetch) take(ctx context.Context, resp *http.Response) *feeds.Failure {
	if !hasDocument(resp.StatusCode) {
		if limited, _, why := rateLimit(resp, time.Now()); limited {
			// Before the turn is given back: nobody may ask in between.
			f.r.gate.hold(f.place, "asked to be left alone: "+why)
		}
		f.drain(resp)
		return nil
	}
	b, fail := f.r.bodies.read(ctx, resp, f.conn.wire, f.clock)
	f.body = b
	f.letGo(fail == nil && b.fault == nil)
	return fail
}

// letGo gives the connection back. whole says that the answer was read to its
// end.
func (f *fetch) letGo(whole bool) {
	if f.conn == nil {
		return
	}
	whole = f.uncut() && whole
	f.r.transport.release(f.conn, whole)
	f.conn = nil
}

// What is read of a body that nobody wants, so that its connection can be used again,
// is bounded in bytes and in time: the answer is known already.
const (
	maxDrain     = 16 << 10
	maxDrainTime = time.Second
)

// drain drops a body.
func (f *fetch) drain(resp *http.Response) {
	whole := resp.Body == http.NoBody
	if !whole && !resp.Close && resp.ContentLength <= maxDrain {
		late := time.AfterFunc(maxDrainTime, f.conn.cut)
		n, err := io.CopyN(io.Discard, resp.Body, maxDrain+1)
		whole = late.Stop() && err == io.EOF && n <= maxDrain
	}
	resp.Body.Close()
	f.letGo(whole)
}

// ask makes the request that the trail stands at. A connection that broke
// before any answer gets one more try, if it is the job's first, or was one
// that the server may have closed meanwhile.
func (f *fetch) ask(ctx context.Context) (*http.Response, *feeds.Failure) {
	for {
		to := feeds.SplitURL(f.trail.at)
		if fail := f.r.addresses.literal(to.Hostname()); fail != nil {
			return nil, fail
		}
		if fail := f.enter(ctx, to.Hostname()); fail != nil {
			return nil, fail
		}
		req, err := f.request(ctx, to)
		if err != nil {
			return nil, feeds.Failf(feeds.BlockedScheme, "unusable URL: not readable as one")
		}
		if f.attempts == 0 {
			f.attempts, f.asked = 1, time.Now()
		}
		f.clock.start()
		conn, fail := f.r.transport.connect(ctx, req.URL, f.clock)
		if fail != nil {
			if (fail.Class == feeds.Connect || fail.Class == feeds.DNS) && !f.crowded(fail) {
				f.r.gate.failed(f.place, fail)
			}
			return nil, fail
		}
		f.conn, f.uncut = conn, context.AfterFunc(ctx, conn.cut)
		before := conn.begin()
		resp, err := conn.http.RoundTrip(req)
		if err == nil && resp.StatusCode == http.StatusSwitchingProtocols {
			// What comes now is no HTTP, and has no end.
			resp.Body.Close()
			f.letGo(false)
			return nil, feeds.Failf(feeds.HTTPError, "101 Switching Protocols, which nobody asked for")
		}
		if err == nil {
			return resp, nil
		}
		why := conn.silence(ctx, err, conn.wire.read.Load()-before, f.r.limits)
		f.letGo(false)
		if !why.early || f.attempts > 1 {
			f.refused = conn.direct
			return nil, why.Failure
		}
		f.attempts++
		switch {
		case why.only1_1:
			f.r.transport.wantsHTTP1(conn.origin)
		case conn.reused:
		default:
			if fail := f.rest(ctx); fail != nil {
				return nil, fail
			}
		}
	}
}

// rest leaves the server alone for a moment before the second try.
func (f *fetch) rest(ctx context.Context) *feeds.Failure {
	f.clock.pause()
	f.r.gate.leave(f.place.domain)
	f.holds = false
	if sleep(ctx, f.r.limits.retryPause) != nil {
		return interrupted(ctx)
	}
	return nil
}

// enter gets a turn for the next request to host. The first request's turn may
// have come with the job; another request in the same domain keeps the turn and
// waits for its start; another domain needs another turn.
func (f *fetch) enter(ctx context.Context, host string) *feeds.Failure {
	if f.holds && f.attempts == 0 {
		return nil
	}
	f.clock.pause()
	next := place{domain: feeds.HostDomain(host), host: feeds.ASCIIHost(host)}
	if home := feeds.ASCIIHost(f.trail.home.Hostname()); home != next.host {
		next.via = home
	}
	var err error
	if f.holds && f.place.domain == next.domain {
		err = f.r.gate.again(ctx, next.domain)
	} else {
		if f.holds {
			f.r.gate.leave(f.place.domain)
		}
		err = f.r.gate.enter(ctx, next)
		f.holds = err == nil
	}
	f.place = next
	if err == nil {
		return nil
	}
	if fail, ok := errors.AsType[*feeds.Failure](err); ok {
		return fail
	}
	return interrupted(ctx)
}

// elsewhere returns where redirects led; "" for the feed's own URL.
func (f *fetch) elsewhere() string {
	if f.trail.at == f.trail.own {
		return ""
	}
	return f.trail.at
}

// request builds the request that the trail stands at.
func (f *fetch) request(ctx context.Context, to feeds.URLParts) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, escapeTarget(f.trail.at), nil)
	if err != nil {
		return nil, err
	}
	h := req.Header
	h["Accept"], h["Accept-Encoding"], h["User-Agent"] = f.r.accept, f.r.encodings, f.r.agent
	f.sent = feeds.Validators{}
	if from := f.job.Validators.URL; from == f.trail.at || from == f.elsewhere() {
		f.sent = feeds.Validators{ETag: usable(f.job.Validators.ETag), LastModified: usable(f.job.Validators.LastModified)}
	}
	if f.sent.ETag != "" {
		h["If-None-Match"] = []string{f.sent.ETag}
		h["A-IM"] = f.r.deltas
	}
	if f.sent.LastModified != "" {
		h["If-Modified-Since"] = []string{f.sent.LastModified}
	}
	if f.trail.home.HasUser && to.Origin() == f.trail.home.Origin() {
		if u, err := url.Parse("//" + f.trail.home.User + "@h"); err == nil {
			password, _ := u.User.Password()
			req.SetBasicAuth(u.User.Username(), password)
		}
	}
	if c := f.trail.cookieHeader(req.URL); c != "" {
		h["Cookie"] = []string{c}
	}
	if f.job.Headers != "" && to.Origin() == f.trail.home.Origin() {
		for line := range strings.SplitSeq(f.job.Headers, "\n") {
			name, value, _ := strings.Cut(line, ": ")
			h.Set(name, value)
		}
	}
	return req, nil
}
