package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"time"

	"feedmill/internal/feeds"
)

// result says what became of the job, of what run returned. It frees the body.
func (f *fetch) result(ctx context.Context, resp *http.Response, fail *feeds.Failure) feeds.Result {
	f.r.overdue.CompareAndSwap(f.job.ID, 0)
	res := feeds.Result{ID: f.job.ID, Attempts: f.attempts, Cost: feeds.Cost{Fetch: f.spent}}
	if resp != nil {
		res.Status = resp.StatusCode
	}
	if f.body != nil {
		defer f.body.free()
		res.Cost.Wire = f.body.wire
	}
	if fail != nil {
		res.Refused, res.Elsewhere = refused(fail) || f.refused && fail.Class == feeds.Connect, f.place.via != ""
		return failed(res, fail)
	}
	switch {
	case hasDocument(res.Status):
		res = f.r.document(ctx, f, resp, res)
	case res.Status == http.StatusNotModified:
		res = f.notModified(resp, res)
	default:
		res = f.otherwise(resp, res)
		res.Elsewhere = f.place.via != ""
	}
	if res.Class.OK() {
		res.MovedTo = f.trail.movedTo()
	}
	return res
}

// forget drops what came of an exchange that has no result.
func (f *fetch) forget() {
	f.r.overdue.CompareAndSwap(f.job.ID, 0)
	if f.body != nil {
		f.body.free()
	}
}

// failed returns res with a failure and without what only success may have:
// of what the server asks, only to be left alone counts then.
func failed(res feeds.Result, f *feeds.Failure) feeds.Result {
	res.Class, res.Detail, res.Hint, res.Links = f.Class, f.Detail, f.Hint, f.Links
	res.Validators, res.BodyHash = feeds.Validators{}, 0
	res.Pacing = feeds.Pacing{RetryAfter: res.Pacing.RetryAfter}
	return res
}

// notModified is the result of a 304.
func (f *fetch) notModified(resp *http.Response, res feeds.Result) feeds.Result {
	if f.sent.ETag == "" && f.sent.LastModified == "" {
		return failed(res, &feeds.Failure{Class: feeds.HTTPError, Detail: "304 Not Modified to an unconditional request"})
	}
	res.Class = feeds.NotModified
	res.Validators = confirm(f.sent, resp.Header)
	res.Validators.URL = f.elsewhere()
	res.BodyHash = f.job.BodyHash
	res.Pacing.MaxAge = maxAge(resp.Header, time.Now())
	return res
}

// otherwise is the result of any answer without a document. That a document is gone
// to which the feed led for now says nothing of the feed.
func (f *fetch) otherwise(resp *http.Response, res feeds.Result) feeds.Result {
	if s := resp.StatusCode; s == http.StatusProxyAuthRequired && f.r.transport.proxy != nil || s == http.StatusNetworkAuthenticationRequired {
		// Whoever says so is on the way to the feed's server, which nobody has asked.
		res.Status = 0
		return failed(res, &feeds.Failure{Class: feeds.Connect, Detail: statusText(s)})
	}
	if limited, after, why := rateLimit(resp, time.Now()); limited {
		res.Pacing.RetryAfter = after
		return failed(res, &feeds.Failure{Class: feeds.RateLimited, Detail: why})
	}
	fail := &feeds.Failure{Class: feeds.HTTPError, Detail: statusText(resp.StatusCode)}
	if resp.StatusCode == http.StatusGone && f.trail.permanent {
		fail.Class = feeds.Gone
	}
	return failed(res, fail)
}

// document is the result of a body.
func (r *Refresher) document(ctx context.Context, f *fetch, resp *http.Response, res feeds.Result) feeds.Result {
	b, partial := f.body, resp.StatusCode == http.StatusIMUsed
	res.Validators = renew(resp.Header, f.elsewhere())
	res.BodyHash = f.job.BodyHash
	res.Pacing.MaxAge = maxAge(resp.Header, time.Now())
	if !partial {
		res.BodyHash = bodyHash(b.bytes)
		if res.BodyHash == f.job.BodyHash {
			res.Class = feeds.Unchanged
			return res
		}
	}
	if b.fault != nil && len(b.bytes) == 0 {
		return failed(res, b.fault)
	}
	notes, fail := r.parse(ctx, f, resp, &res)
	switch {
	case b.fault == nil:
	case fail == nil: // the whole document is there: what is wrong is around it
		notes = append(notes, b.fault.Detail)
	case fail.Class != feeds.Cancelled:
		fail = b.fault // the cause, whatever reading made of it
	}
	if fail != nil {
		return failed(res, fail)
	}
	res.Class, res.Detail = feeds.OK, strings.Join(notes, "; ")
	return res
}

// parse reads the document while no other one is read, and puts what it holds
// into res. It returns the document's notes; with a failure, res has what
// could be salvaged.
func (r *Refresher) parse(ctx context.Context, f *fetch, resp *http.Response, res *feeds.Result) ([]string, *feeds.Failure) {
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
	if r.observer != nil {
		r.observer.Guarding(f.job.ID, f.body.bytes)
		defer r.observer.Read()
	}
	runtime.LockOSThread() // its clock is the parser's
	defer runtime.UnlockOSThread()
	start := time.Now()
	doc, err := r.read(&feeds.Body{
		Bytes: f.body.bytes, ContentType: resp.Header.Get("Content-Type"), URL: f.trail.at, Parser: r.reader,
		Observer: r.observer, Job: f.job.ID,
	})
	var notes []string
	if doc != nil {
		notes = doc.Notes
		res.Title, res.Link, res.Seen = doc.Title, doc.Link, len(doc.Items)
		res.Reader = doc.Reader
		res.Items, res.New = feeds.Diff(doc.Items, f.job.Known)
		if r.ship == feeds.ShipAll {
			res.Items = doc.Items
		}
		res.Pacing.TTL, res.Pacing.SkipHours, res.Pacing.SkipDays = doc.Pacing.TTL, doc.Pacing.SkipHours, doc.Pacing.SkipDays
	}
	res.Cost.Parse = time.Since(start)
	if err == nil {
		return notes, nil
	}
	fail, ok := errors.AsType[*feeds.Failure](err)
	if !ok {
		fail = &feeds.Failure{Class: feeds.Parse, Detail: err.Error(), Err: err}
	}
	return notes, fail
}

// bodyHash returns the hash of a decoded body, which is never 0: the beginning of
// its SHA-256. Whoever may write a part of a body, one author of many, must not be
// able to make the whole look as it did, which would hide what the others wrote.
// Finding a part that does takes 2^64 tries.
//
// Rejected: xxHash64, which needs no tries, also with a secret seed.
func bodyHash(b []byte) uint64 {
	sum := sha256.Sum256(b)
	return max(binary.LittleEndian.Uint64(sum[:]), 1)
}
