package refresh

import (
	"net/http"
	"time"

	"feedmill/internal/feeds"
)

const (
	// soonest and soonestBlind are the least time between two requests to a
	// feed: a feed without validators costs a whole body each time.
	soonest      = time.Hour
	soonestBlind = 24 * time.Hour

	// quarantine is the least time until a feed that killed its worker is
	// given to another one.
	quarantine = 24 * time.Hour

	// longest bounds every delay but that of a feed that is gone: a backoff
	// that grew, a ttl that asks for a month, a Retry-After of years.
	longest = 7 * 24 * time.Hour

	// longestAge bounds what max-age and Expires may ask: they are often set
	// for a whole site, with no thought of its feed.
	longestAge = 24 * time.Hour

	// latched is after how long of nothing but 304 a server is asked once
	// without validators: some have got stuck, and say 304 for ever. No feed
	// is asked without them more often for that, and lists do not come up all
	// on one day: see unlatch.
	latched = 7 * 24 * time.Hour

	// never is when a feed that is gone (410) is due: past every round that
	// does not ask for it by name or by force.
	never = 100 * 365 * 24 * time.Hour
)

// due returns when a feed is to be asked again after a result that came at
// now, and until when its whole domain is to be left alone, which is the zero
// time when it did not ask for that.
//
// fails counts the failures in a row, this result included. least overrides
// the least time between two requests when it is not 0. spread, from 0 to
// less than 1, is the feed's own: it moves the time by up to a tenth of the
// delay, always later, so that a list never comes due all at once.
//
// The time is never before now plus the least time, and never after now plus
// longest and a tenth of it, unless least is longer or the feed is gone.
func due(now time.Time, r *feeds.Result, fails int, least time.Duration, spread float64) (next, hold time.Time) {
	if r.Class == feeds.Gone {
		return now.Add(never), time.Time{}
	}
	floor := least
	if floor <= 0 {
		floor = soonest
		if r.Class.OK() && r.Class != feeds.NotModified && r.Validators == (feeds.Validators{}) {
			floor = soonestBlind
		}
	}
	if r.Class.Kills() {
		floor = max(floor, quarantine)
	}
	top := max(floor, longest)
	delay := floor
	if !r.Class.OK() && fails > 0 {
		delay = backoff(floor, fails)
	}
	delay = max(delay, min(r.Pacing.MaxAge, longestAge), r.Pacing.TTL)
	if wait := leaveAlone(r); wait > 0 {
		delay = max(delay, wait)
		hold = now.Add(wait)
	}
	delay = min(delay, top)
	delay += time.Duration(spread * float64(delay) / 10)
	return skip(now.Add(delay), now.Add(top), r.Pacing), hold
}

// leaveAlone returns for how long a result asks that its whole domain be left
// alone, 0 when it does not. A 429 that does not say how long gets the least
// time between two requests.
func leaveAlone(r *feeds.Result) time.Duration {
	if r.Pacing.RetryAfter > 0 {
		return min(r.Pacing.RetryAfter, longest)
	}
	if r.Class == feeds.RateLimited {
		return soonest
	}
	return 0
}

// backoff doubles floor with every failure in a row after the first, up to
// longest, or to floor where that is more.
func backoff(floor time.Duration, fails int) time.Duration {
	d := floor
	for range fails - 1 {
		if d >= longest {
			break
		}
		d *= 2
	}
	return max(floor, min(d, longest))
}

// skip moves t on by whole hours to one that the feed does not ask to skip,
// which keeps feeds spread within the hour. Where there is none up to last,
// as when all hours or days are named, t stays: a document cannot ask never
// to be read again.
func skip(t, last time.Time, p feeds.Pacing) time.Time {
	if p.SkipHours == 0 && p.SkipDays == 0 {
		return t
	}
	for u := t.UTC(); u.Equal(t) || !u.After(last); u = u.Add(time.Hour) {
		if p.SkipHours>>u.Hour()&1 == 0 && p.SkipDays>>u.Weekday()&1 == 0 {
			return u.In(t.Location())
		}
	}
	return t
}

// unlatch reports whether a feed is to be asked without validators at now:
// a week after its server last sent a document, or answered such a request,
// and up to a day more, the same for a feed each time. That it did so days from
// now was said by a wrong clock, which tells nothing.
func unlatch(now time.Time, ref *feeds.Ref) bool {
	wait := latched + time.Duration(spreadOf(0, ref.ID)*float64(24*time.Hour))
	since := now.Sub(time.Unix(ref.LastFull, 0))
	return ref.LastFull != 0 && (since >= wait || since <= -wait)
}

// full reports whether a result counts as one that shows a server's whole
// document, or what it has instead: after a document, and after any answer to a
// request that unlatch asked for.
func full(r *feeds.Result, unlatched bool) bool {
	return r.Status == http.StatusOK || r.Status == http.StatusIMUsed || unlatched && r.Status != 0
}

// spreadOf returns a feed's own number from 0 to less than 1 for a round
// (SplitMix64, Steele et al. 2014).
func spreadOf(seed uint64, id int64) float64 {
	z := seed ^ uint64(id)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z ^= z >> 31
	return float64(z>>11) / (1 << 53)
}
