package refresh

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"feedmill/internal/crash"
	"feedmill/internal/feeds"
)

// An answer is a result on its way to becoming an outcome.
type answer struct {
	ref     int32
	ordinal ordinal // of its domain
	at      time.Time
	failing bool // the feed had failed before this round
	https   bool // so its URL says
	result  feeds.Result
}

// A settler turns results into outcomes: it counts failures, says when feeds
// are due again, leaves domains alone that asked for it, and finds out about an
// outage of our own. Outcomes leave on out, in the order in which they were
// settled. Which hosts are down is counted where they are asked, by their names.
type settler struct {
	plan  *plan
	o     *Options
	began time.Time // the round's beginning
	out   chan<- []entry
	stop  func(error)  // ends the run
	cause func() error // why the run ended; nil while it goes on

	mu      sync.Mutex // results and vanished feeds come from different goroutines
	outages [2]*outage // of the network, and of trust
}

// emit takes a runner's result.
func (s *settler) emit(r feeds.Result) {
	crash.At("coordinator: on result")
	ref, ok := s.plan.done(r.ID)
	if !ok {
		s.o.Logger.Error("a result for no job was ignored", "feed", r.ID, "class", r.Class)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	of := &s.plan.refs[ref]
	a := answer{
		ref: ref, ordinal: s.plan.ordinal(ref), at: s.o.Now(),
		failing: of.Fails > 0, https: strings.HasPrefix(of.URL, "https:"), result: r,
	}
	s.o.Finished(a.ordinal.worker, &a.result)
	s.hear(a)
}

// vanished answers jobs that were handed out but whose feeds the store no
// longer has.
func (s *settler) vanished(ids []int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if ref, ok := s.plan.done(id); ok {
			for _, o := range s.outages {
				o.vote(s.plan.ordinal(ref), noVote)
			}
			s.finish([]int32{ref}, feeds.Cancelled, "no longer subscribed", time.Time{})
		}
	}
}

// leave answers the feeds of held domains, which were never handed out.
func (s *settler) leave(held map[string]time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, refs := range s.plan.heldBack() {
		domain := s.plan.domain(refs[0])
		s.finish(refs, feeds.HostBackoff, askedUntil(domain, held[domain]), held[domain])
	}
}

// end answers all that the run left without a result. ended says why it ended,
// for people.
func (s *settler) end(ended string) (unanswered int) {
	rest := s.plan.rest()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.outages {
		waited := o.end()
		if o.err != nil && len(waited) > 0 {
			s.stop(o.err)
		}
		s.settle(waited...)
	}
	s.finish(rest, feeds.Cancelled, ended, time.Time{})
	return len(rest)
}

// hear passes an answer by the outages and settles it, now or later.
func (s *settler) hear(a answer) {
	held := false
	for _, o := range s.outages {
		held = o.hear(a) || held
		if o.err != nil {
			s.stop(o.err) // only the first time counts
		}
		s.settle(o.free()...)
	}
	if !held {
		s.settle(a)
	}
}

// settle makes answers outcomes, and draws the conclusions for the rest of their
// domains.
func (s *settler) settle(answers ...answer) {
	for _, a := range answers {
		s.settleOne(a)
	}
}

func (s *settler) settleOne(a answer) {
	r := &a.result
	for _, o := range s.outages {
		if o.explains(&a) {
			*r = feeds.Result{ID: r.ID, Class: feeds.Cancelled}
		}
	}
	if r.Class == feeds.Cancelled {
		ended := s.cause()
		if _, outage := errors.AsType[*OutageError](ended); outage || ended != nil && r.Detail == "" {
			r.Detail = why(ended)
		}
	}
	e := s.entry(a)
	s.out <- []entry{e}
	if until := e.outcome.HoldUntil; !until.IsZero() {
		s.finish(s.plan.drop(a.ref), feeds.HostBackoff, askedUntil(e.outcome.Domain, until), until)
	}
}

// finish answers refs that no worker was asked about. until, unless zero, is
// when their domain may be asked again.
func (s *settler) finish(refs []int32, class feeds.Class, detail string, until time.Time) {
	if len(refs) == 0 {
		return
	}
	now := s.o.Now()
	entries := make([]entry, len(refs))
	for i, ref := range refs {
		a := answer{ref: ref, at: now}
		a.result = feeds.Result{ID: s.plan.refs[ref].ID, Class: class, Detail: detail}
		s.o.Finished(s.plan.ordinal(ref).worker, &a.result)
		entries[i] = s.entry(a)
		if next := &entries[i].outcome.NextDue; !until.IsZero() {
			// Nobody asked for them, so they are due as soon as the hold ends, but not
			// all of them at once.
			spread := spreadOf(s.o.Seed, a.result.ID)
			*next = until.Add(time.Duration(spread * float64(soonest)))
		}
	}
	s.out <- entries
}

// entry decides about a feed's future.
func (s *settler) entry(a answer) entry {
	ref := s.plan.refs[a.ref]
	e := entry{ref: a.ref}
	e.outcome = feeds.Outcome{Result: a.result, At: a.at, Fails: ref.Fails, Domain: s.plan.domain(a.ref)}
	counted := 0 // failures that make the feed wait longer
	switch class := a.result.Class; {
	case class == feeds.Cancelled:
		return e
	case class.OK():
		e.outcome.Fails = 0
	case class != feeds.HostBackoff:
		e.outcome.Fails++
		counted = e.outcome.Fails
	}
	if a.result.Class != feeds.OK { // no document was read
		p := &e.outcome.Pacing
		p.TTL, p.SkipHours, p.SkipDays = ref.Pacing.TTL, ref.Pacing.SkipHours, ref.Pacing.SkipDays
	}
	e.outcome.Full = full(&a.result, wantsInFull(s.began, &ref))
	v := visit{
		Result: e.outcome.Result, ref: &ref, began: s.began, at: a.at,
		fails: counted, least: s.o.MinInterval, spread: spreadOf(s.o.Seed, ref.ID),
	}
	e.outcome.NextDue, e.outcome.HoldUntil = v.due()
	return e
}

func askedUntil(domain string, until time.Time) string {
	return fmt.Sprintf("%s asked to be left alone until %s", domain, until.UTC().Format(time.RFC3339))
}

// why says for people why a run ended.
func why(cause error) string {
	if e, ok := errors.AsType[*OutageError](cause); ok {
		return e.why()
	}
	if _, ok := errors.AsType[*StoreError](cause); ok {
		return "the store failed"
	}
	if errors.Is(cause, feeds.ErrLost) {
		return feeds.ErrLost.Error()
	}
	return "interrupted"
}
