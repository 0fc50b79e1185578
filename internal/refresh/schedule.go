package refresh

import (
	"cmp"
	"net/http"
	"time"

	"feedmill/internal/feeds"
)

const (
	// soonest is the least time between two requests to a feed.
	soonest = time.Hour

	// longestBlind is the most time between two requests to a feed without
	// validators, which costs a whole body each time; see newsInterval.
	longestBlind = 24 * time.Hour

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
	// on one day: see wantsInFull.
	latched = 7 * 24 * time.Hour

	// never is when a feed that is gone (410) is due: past every round that
	// does not ask for it by name or by force.
	never = 100 * 365 * 24 * time.Hour
)

// A visit is a result with what decides when its feed is asked again.
type visit struct {
	feeds.Result
	ref   *feeds.Ref
	began time.Time // of the round
	at    time.Time // when the result came
	fails int       // failures in a row that count, this one included
	// least overrides the least time between two requests when it is not 0.
	least time.Duration
	// spread, from 0 to less than 1, is the feed's own: it moves the time a
	// little, so that a list does not come due all at once.
	spread float64
}

// due returns when a feed is to be asked again, and until when its whole domain is
// to be left alone, which is the zero time when it did not ask for that.
//
// After a success the delay counts from the beginning of the round, and is
// shortened by up to a twentieth, so that who asks every hour asks an hourly feed
// each time: a delay that is exactly an hour, or longer by what the round took,
// is over just after the next round began. What servers ask is shortened by less
// than a hundredth. A failure is only ever asked later, by up to a tenth.
//
// The time is never after longest and a tenth of it, unless least is longer or the
// feed is gone.
func (v *visit) due() (next, hold time.Time) {
	if v.Class == feeds.Gone {
		return v.at.Add(never), time.Time{}
	}
	if v.Class == feeds.BlockedAddress && v.Status == 0 && !v.Elsewhere {
		return v.at.Truncate(time.Second), time.Time{} // nobody was asked, and the user may allow it now
	}
	floor := cmp.Or(max(v.ref.Interval, 0), max(v.least, 0), soonest)
	if v.Class.Kills() {
		floor = max(floor, quarantine)
	}
	top := max(floor, longest)
	asked := min(max(min(v.Pacing.MaxAge, longestAge), v.Pacing.TTL), top)
	if v.Class.OK() {
		own := floor
		if v.Class != feeds.NotModified && v.Validators == (feeds.Validators{}) && v.ref.Interval <= 0 {
			own = v.newsInterval(floor)
		}
		whole := v.began.Add(max(own, asked))
		own -= time.Duration((0.01 + 0.04*v.spread) * float64(own))
		asked -= time.Duration((0.005 + 0.005*v.spread) * float64(asked))
		next = v.began.Add(max(own, asked))
		return skip(next, whole, v.began.Add(top), v.Pacing), hold
	}
	delay := max(backoff(floor, v.fails), asked)
	if wait := v.leaveAlone(); wait > 0 {
		delay = max(delay, wait)
		if !v.Elsewhere {
			hold = v.at.Add(wait)
		}
	}
	delay = min(delay, top)
	delay += time.Duration(v.spread * float64(delay) / 10)
	next = v.at.Add(delay)
	return skip(next, next, v.at.Add(top), v.Pacing), hold
}

// newsInterval returns after how long a feed without validators should be asked
// again: when a quarter of what it shows will be new, if it goes on as since the
// last time, so that nothing drops out of it unseen. A feed without news is asked
// half as often each time, down to once a day or to what its max-age says.
func (v *visit) newsInterval(floor time.Duration) time.Duration {
	top := longestBlind
	if v.Pacing.MaxAge > 0 {
		top = min(v.Pacing.MaxAge, top)
	}
	since := v.began.Sub(time.Unix(v.ref.LastFull, 0))
	var d time.Duration
	switch {
	case v.ref.LastFull == 0, since <= 0, v.New > 0 && v.New >= v.Seen:
		d = floor // nothing is known, or some was missed
	case v.New == 0:
		d = 2 * min(since, longestBlind)
	default:
		d = time.Duration(float64(min(since, longest)) * float64(v.Seen) / float64(4*v.New))
	}
	return max(floor, min(d, top))
}

// leaveAlone returns for how long the result asks that its whole domain be left
// alone, 0 when it does not. A 429 that does not say how long gets the least
// time between two requests.
func (v *visit) leaveAlone() time.Duration {
	if v.Pacing.RetryAfter > 0 {
		return min(v.Pacing.RetryAfter, longest)
	}
	if v.Class == feeds.RateLimited {
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

// skip moves the time from t, a shortened one, to whole, which is not, on by whole
// hours to where the feed may be asked at whole, and returns when that begins: at t
// thus moved, or when the last hour ends that the feed asks to skip. So who asks every
// hour, on the hour, asks in none of these, and who asks at whole asks. Where there is
// no such hour up to last, as when all hours or days are named, t stays: a document
// cannot ask never to be read again.
func skip(t, whole, last time.Time, p feeds.Pacing) time.Time {
	if p.SkipHours == 0 && p.SkipDays == 0 {
		return t
	}
	skipped := func(u time.Time) bool { return p.SkipHours>>u.Hour()&1 != 0 || p.SkipDays>>u.Weekday()&1 != 0 }
	u := whole.UTC()
	for skipped(u) {
		if u = u.Add(time.Hour); u.After(last) {
			return t
		}
	}
	from := u.Add(t.Sub(whole))
	for hour := u.Truncate(time.Hour); hour.After(from); hour = hour.Add(-time.Hour) {
		if skipped(hour.Add(-time.Hour)) {
			from = hour
		}
	}
	return from.In(t.Location())
}

// wantsInFull reports whether a feed is to be asked without validators at now:
// a week after its server last sent a document, or answered such a request,
// and up to a day more, the same for a feed each time. That it did so days from
// now was said by a wrong clock, which tells nothing.
func wantsInFull(now time.Time, ref *feeds.Ref) bool {
	wait := latched + time.Duration(spreadOf(0, ref.ID)*float64(24*time.Hour))
	since := now.Sub(time.Unix(ref.LastFull, 0))
	return ref.LastFull != 0 && (since >= wait || since <= -wait)
}

// full reports whether a result counts as one that shows a server's whole
// document, or what it has instead: after a document, and after any answer to a
// request that wantsInFull asked for.
func full(r *feeds.Result, inFull bool) bool {
	return r.Status == http.StatusOK || r.Status == http.StatusIMUsed || inFull && r.Status != 0
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
