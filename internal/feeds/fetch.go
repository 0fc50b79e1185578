package feeds

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// accept names feed types first; the last one is for servers that know none.
const accept = "application/atom+xml, application/rss+xml, application/feed+json, " +
	"application/rdf+xml;q=0.9, application/xml;q=0.8, text/xml;q=0.8, application/json;q=0.7, */*;q=0.1"

// A fetch is the exchange with a server, or with several over redirects, that
// one job needs. It holds a turn of a domain at any time from its first
// request to the end of the last body.
type fetch struct {
	r     *Refresher
	job   *Job
	sent  Validators // what of the job's may be sent
	clock *clock
	trail *trail

	place place // whose turn it holds
	holds bool

	attempts int
	asked    time.Time // start of the first request
	spent    time.Duration
	body     *body // of an answer that hasDocument
}

// run fetches and returns the last answer, whose body is closed. If the answer
// hasDocument it is in f.body, which the caller must free.
func (f *fetch) run(ctx context.Context) (*http.Response, *Failure) {
	defer f.finish()
	for {
		resp, fail := f.ask(ctx)
		if fail != nil {
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

// unhinted returns fail, without its hint when it is about where a server
// wanted to send us: nobody is to be talked into allowing that. Another port of
// a public address is nobody's secret.
func (f *fetch) unhinted(fail *Failure) *Failure {
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
func (f *fetch) take(ctx context.Context, resp *http.Response) *Failure {
	if !hasDocument(resp.StatusCode) {
		if limited, _, why := rateLimit(resp, time.Now()); limited {
			// Before the turn is given back: nobody may ask in between.
			f.r.gate.hold(f.place.domain, "asked to be left alone: "+why)
		}
		f.drain(resp)
		return nil
	}
	b, fail := f.r.bodies.read(ctx, resp, f.clock)
	f.body = b
	return fail
}

// maxDrain bounds what is read of a body that nobody wants, in bytes, so that
// its connection can be used again.
const maxDrain = 16 << 10

// drain drops a body.
func (f *fetch) drain(resp *http.Response) {
	if resp.Body == http.NoBody {
		return
	}
	if resp.ContentLength <= maxDrain {
		m := &meter{r: resp.Body, bound: maxDrain}
		f.clock.readBody(&m.n)
		// The answer is known already: an error costs only the connection.
		_, _ = io.Copy(io.Discard, m)
		f.clock.dropBody()
	}
	resp.Body.Close()
}

// ask makes the request that the trail stands at. A connection that broke
// before any answer gets one more try, if it is the job's first.
func (f *fetch) ask(ctx context.Context) (*http.Response, *Failure) {
	for {
		to := splitURL(f.trail.at)
		if fail := f.r.guard.literal(to.hostname()); fail != nil {
			return nil, fail
		}
		if fail := f.enter(ctx, to.hostname()); fail != nil {
			return nil, fail
		}
		p := progress{clock: f.clock}
		req, err := f.request(httptrace.WithClientTrace(ctx, p.trace()), to)
		if err != nil {
			return nil, badURL("not readable as one")
		}
		if f.attempts == 0 {
			f.attempts, f.asked = 1, time.Now()
		}
		f.clock.start()
		resp, err := f.r.transport.RoundTrip(req)
		if err == nil {
			f.clock.answered()
			return resp, nil
		}
		fail := p.failure(ctx, err, f.r.limits)
		if f.attempts == 1 && fail.Class == Connect && p.brokeEarly() {
			if fail := f.rest(ctx); fail != nil {
				return nil, fail
			}
			f.attempts++
			continue
		}
		f.blame(fail)
		return nil, fail
	}
}

// rest leaves the server alone for a moment before the second try.
func (f *fetch) rest(ctx context.Context) *Failure {
	f.clock.pause()
	f.r.gate.leave(f.place.domain)
	f.holds = false
	if sleep(ctx, f.r.limits.retryPause) != nil {
		return interrupted(ctx)
	}
	return nil
}

// brokeEarly reports whether there was a connection and no byte of an answer.
func (p *progress) brokeEarly() bool { return p.phase.Load() == phaseAsked }

// blame notes against a host that no connection to it came about. A name that
// does not exist says nothing of other names in its domain.
func (f *fetch) blame(fail *Failure) {
	switch fail.Class {
	case Connect:
		f.r.gate.failed(f.place.domain, fail)
	case DNS:
		if dns, ok := errors.AsType[*net.DNSError](fail); ok && dns.IsNotFound {
			f.r.gate.failed(f.place.host, fail)
			return
		}
		f.r.gate.failed(f.place.domain, fail)
	}
}

// enter gets a turn for the next request to host. The first request's turn may
// have come with the job; another request in the same domain keeps the turn and
// waits for its start; another domain needs another turn.
func (f *fetch) enter(ctx context.Context, host string) *Failure {
	if f.holds && f.attempts == 0 {
		return nil
	}
	f.clock.pause()
	next := place{domain: domainOf(host), host: host}
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
	if fail, ok := errors.AsType[*Failure](err); ok {
		return fail
	}
	return interrupted(ctx)
}

// request builds the request that the trail stands at.
func (f *fetch) request(ctx context.Context, to urlParts) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.trail.at, nil)
	if err != nil {
		return nil, err
	}
	if i := strings.IndexFunc(req.URL.RawQuery, func(c rune) bool { return c <= ' ' || c >= 0x7f }); i >= 0 {
		req.URL.RawQuery = escapeQuery(req.URL.RawQuery)
	}
	h := req.Header
	h["Accept"], h["Accept-Encoding"], h["User-Agent"] = f.r.accept, f.r.encodings, f.r.agent
	if f.sent.ETag != "" {
		h["If-None-Match"] = []string{f.sent.ETag}
		h["A-IM"] = f.r.deltas
	}
	if f.sent.LastModified != "" {
		h["If-Modified-Since"] = []string{f.sent.LastModified}
	}
	if f.trail.home.hasUser && to.origin() == f.trail.home.origin() {
		if u, err := url.Parse("//" + f.trail.home.user + "@h"); err == nil {
			password, _ := u.User.Password()
			req.SetBasicAuth(u.User.Username(), password)
		}
	}
	if c := f.trail.cookieHeader(to); c != "" {
		h["Cookie"] = []string{c}
	}
	return req, nil
}

// escapeQuery makes a query fit for a request line: net/url keeps it as it is
// written, and a space would end the line's target.
func escapeQuery(q string) string {
	var b strings.Builder
	for i := range len(q) {
		if c := q[i]; c <= ' ' || c >= 0x7f {
			b.WriteString("%" + strings.ToUpper(strconv.FormatUint(uint64(c)|0x100, 16)[1:]))
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// rateLimit reports whether an answer asks for a pause, for how long, and in
// what words to say so: any 429, and a 503 that says when to come back.
func rateLimit(resp *http.Response, now time.Time) (limited bool, after time.Duration, why string) {
	if resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable {
		return false, 0, ""
	}
	after, asked := retryAfter(resp.Header, now)
	if !asked {
		return resp.StatusCode == http.StatusTooManyRequests, 0, statusText(resp.StatusCode)
	}
	return true, after, statusText(resp.StatusCode) + ", retry after " + after.String()
}

// statusText returns a status as people know it, never in the server's words.
func statusText(status int) string {
	if text := http.StatusText(status); text != "" {
		return strconv.Itoa(status) + " " + text
	}
	return strconv.Itoa(status)
}

// refused reports whether a failure is the refusal of a host that was reached.
func refused(f *Failure) bool {
	op, ok := errors.AsType[*net.OpError](f)
	return ok && f.Class == Connect && op.Op == "dial" && errors.Is(f, syscall.ECONNREFUSED)
}
