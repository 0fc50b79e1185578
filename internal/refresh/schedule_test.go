package refresh

import (
	"testing"
	"time"

	"feedmill/internal/feeds"
)

// A Wednesday, and not on the hour.
var noon = time.Date(2026, 3, 4, 12, 34, 56, 0, time.UTC)

const day = 24 * time.Hour

func TestDue(t *testing.T) {
	etag := feeds.Validators{ETag: `"1"`}
	hours := func(hs ...int) (mask uint32) {
		for _, h := range hs {
			mask |= 1 << h
		}
		return mask
	}
	for _, tt := range []struct {
		name       string
		r          feeds.Result
		fails      int
		least      time.Duration
		spread     float64
		want, hold time.Duration // after noon; hold 0 means none
	}{
		{name: "validators", r: feeds.Result{Class: feeds.OK, Validators: etag}, want: time.Hour},
		{name: "last-modified alone", r: feeds.Result{Class: feeds.OK, Validators: feeds.Validators{LastModified: "x"}}, want: time.Hour},
		{name: "no validators", r: feeds.Result{Class: feeds.OK}, want: day},
		{name: "unchanged without validators", r: feeds.Result{Class: feeds.Unchanged}, want: day},
		{name: "304 without new validators", r: feeds.Result{Class: feeds.NotModified}, want: time.Hour},
		{name: "least", r: feeds.Result{Class: feeds.OK}, least: 5 * time.Minute, want: 5 * time.Minute},
		{name: "least over a week", r: feeds.Result{Class: feeds.OK}, least: 30 * day, want: 30 * day},
		{name: "spread", r: feeds.Result{Class: feeds.NotModified}, spread: 0.5, want: 63 * time.Minute},
		{name: "max-age", r: feeds.Result{Class: feeds.NotModified, Pacing: feeds.Pacing{MaxAge: 3 * time.Hour}}, want: 3 * time.Hour},
		{name: "max-age is capped", r: feeds.Result{Class: feeds.NotModified, Pacing: feeds.Pacing{MaxAge: 365 * day}}, want: day},
		{name: "ttl", r: feeds.Result{Class: feeds.NotModified, Pacing: feeds.Pacing{TTL: 2 * day}}, want: 2 * day},
		{name: "ttl is capped", r: feeds.Result{Class: feeds.NotModified, Pacing: feeds.Pacing{TTL: 90 * day}}, want: 7 * day},
		{name: "the latest counts", r: feeds.Result{Class: feeds.NotModified, Pacing: feeds.Pacing{MaxAge: 5 * time.Hour, TTL: 4 * time.Hour}}, want: 5 * time.Hour},
		{name: "negative pacing", r: feeds.Result{Class: feeds.NotModified, Pacing: feeds.Pacing{MaxAge: -1, TTL: -day, RetryAfter: -day}}, want: time.Hour},

		{name: "skipped hours", r: feeds.Result{Class: feeds.NotModified, Pacing: feeds.Pacing{SkipHours: hours(13, 14, 15)}}, want: 4 * time.Hour},
		{name: "skipped over midnight", r: feeds.Result{Class: feeds.NotModified, Pacing: feeds.Pacing{SkipHours: hours(13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 0)}}, want: 13 * time.Hour},
		{name: "all hours skipped", r: feeds.Result{Class: feeds.NotModified, Pacing: feeds.Pacing{SkipHours: 1<<24 - 1}}, want: time.Hour},
		{name: "skipped days", r: feeds.Result{Class: feeds.NotModified, Pacing: feeds.Pacing{SkipDays: 1<<time.Wednesday | 1<<time.Thursday}}, want: 36 * time.Hour},
		{name: "all days skipped", r: feeds.Result{Class: feeds.NotModified, Pacing: feeds.Pacing{SkipDays: 0x7f}}, want: time.Hour},
		{name: "hours and days skipped", r: feeds.Result{Class: feeds.NotModified, Pacing: feeds.Pacing{SkipDays: 1 << time.Wednesday, SkipHours: hours(0, 1)}}, want: 14 * time.Hour},

		{name: "first failure", r: feeds.Result{Class: feeds.HTTPError}, fails: 1, want: time.Hour},
		{name: "third failure", r: feeds.Result{Class: feeds.Parse}, fails: 3, want: 4 * time.Hour},
		{name: "many failures", r: feeds.Result{Class: feeds.DNS}, fails: 1 << 40, want: 7 * day},
		{name: "failure with least", r: feeds.Result{Class: feeds.DNS}, fails: 2, least: 10 * time.Minute, want: 20 * time.Minute},
		{name: "failure with a long least", r: feeds.Result{Class: feeds.DNS}, fails: 9, least: 30 * day, want: 30 * day},
		{name: "killed its worker", r: feeds.Result{Class: feeds.WorkerStack}, fails: 1, want: day},
		{name: "killed its worker again", r: feeds.Result{Class: feeds.WorkerMemory}, fails: 3, want: 4 * day},
		{name: "kills its workers", r: feeds.Result{Class: feeds.WorkerSignal}, fails: 9, want: 7 * day},
		{name: "killed its worker, with least", r: feeds.Result{Class: feeds.WorkerCPU}, fails: 1, least: time.Minute, want: day},
		{name: "not asked", r: feeds.Result{Class: feeds.HostBackoff}, want: time.Hour},
		{name: "gone", r: feeds.Result{Class: feeds.Gone}, fails: 1, want: never},

		{name: "retry-after", r: feeds.Result{Class: feeds.RateLimited, Pacing: feeds.Pacing{RetryAfter: 3 * time.Hour}}, fails: 1, want: 3 * time.Hour, hold: 3 * time.Hour},
		{name: "short retry-after", r: feeds.Result{Class: feeds.RateLimited, Pacing: feeds.Pacing{RetryAfter: time.Minute}}, fails: 1, want: time.Hour, hold: time.Minute},
		{name: "retry-after of years", r: feeds.Result{Class: feeds.RateLimited, Pacing: feeds.Pacing{RetryAfter: 1e12 * time.Millisecond}}, fails: 1, want: 7 * day, hold: 7 * day},
		{name: "429 without retry-after", r: feeds.Result{Class: feeds.RateLimited}, fails: 1, want: time.Hour, hold: time.Hour},
		{name: "backoff over retry-after", r: feeds.Result{Class: feeds.RateLimited, Pacing: feeds.Pacing{RetryAfter: time.Hour}}, fails: 4, want: 8 * time.Hour, hold: time.Hour},
	} {
		next, hold := due(noon, &tt.r, tt.fails, tt.least, tt.spread)
		if got := next.Sub(noon); got != tt.want {
			t.Errorf("%s: due after %v, want %v", tt.name, got, tt.want)
		}
		got := time.Duration(0)
		if !hold.IsZero() {
			got = hold.Sub(noon)
		}
		if got != tt.hold {
			t.Errorf("%s: held for %v, want %v", tt.name, got, tt.hold)
		}
	}
}

// TestAWeekOf304IsAskedInFull: a week after a server's last whole answer, and
// at most a day later, its feed is asked without validators.
func TestAWeekOf304IsAskedInFull(t *testing.T) {
	for id := range int64(1000) {
		for after, want := range map[time.Duration]bool{0: false, 7*day - 1: false, 8 * day: true, 365 * day: true} {
			if got := unlatch(noon.Add(after), &feeds.Ref{ID: id, LastFull: noon.Unix()}); got != want {
				t.Fatalf("feed %d after %v: %v, want %v", id, after, got, want)
			}
		}
	}
	if unlatch(noon, &feeds.Ref{ID: 1}) {
		t.Error("a feed of which nothing is known is asked in full")
	}
	for _, tt := range []struct {
		r         feeds.Result
		unlatched bool
		want      bool
	}{
		{feeds.Result{Class: feeds.OK, Status: 200}, false, true},
		{feeds.Result{Class: feeds.OK, Status: 226}, false, true},
		{feeds.Result{Class: feeds.Truncated, Status: 200}, false, true},
		{feeds.Result{Class: feeds.NotModified, Status: 304}, false, false},
		{feeds.Result{Class: feeds.HTTPError, Status: 500}, false, false},
		{feeds.Result{Class: feeds.HTTPError, Status: 500}, true, true},
		{feeds.Result{Class: feeds.HTTPError, Status: 304}, true, true},
		{feeds.Result{Class: feeds.Connect}, true, false},
	} {
		if got := full(&tt.r, tt.unlatched); got != tt.want {
			t.Errorf("%s %d, unlatched %v: %v, want %v", tt.r.Class, tt.r.Status, tt.unlatched, got, tt.want)
		}
	}
}

// FuzzDue holds every due time to its bounds, whatever a server asks.
func FuzzDue(f *testing.F) {
	f.Add(0, int64(0), int64(0), int64(0), int64(0), uint32(0), uint8(0), 0, 0.0, true)
	f.Add(7, int64(0), int64(1<<62), int64(-1), int64(1<<62), uint32(1<<24-1), uint8(0x7f), 1000, 0.999, false)
	f.Add(5, int64(1<<40), int64(1<<50), int64(1<<50), int64(1<<50), uint32(0x0fff0f), uint8(0x3e), 5, 0.5, true)
	classes := feeds.Classes()
	f.Fuzz(func(t *testing.T, class int, at, maxAge, retry, ttl int64, hours uint32, days uint8, fails int, spread float64, validators bool) {
		now := noon.Add(time.Duration(at % int64(10*365*day)))
		fails = max(0, fails)
		if !(spread >= 0 && spread < 1) {
			spread = 0
		}
		r := feeds.Result{Class: classes[uint(class)%uint(len(classes))]}
		if validators {
			r.Validators.ETag = "x"
		}
		r.Pacing = feeds.Pacing{
			MaxAge: time.Duration(maxAge), RetryAfter: time.Duration(retry), TTL: time.Duration(ttl),
			SkipHours: hours, SkipDays: days,
		}
		next, hold := due(now, &r, fails, 0, spread)
		if r.Class == feeds.Gone {
			return
		}
		if wait := next.Sub(now); wait < soonest || wait > longest+longest/10 {
			t.Errorf("due after %v, want from %v to %v", wait, soonest, longest+longest/10)
		}
		if wait := hold.Sub(now); !hold.IsZero() && (wait <= 0 || wait > longest || hold.After(next)) {
			t.Errorf("held for %v and due after %v, want a hold that ends after now and not after the due time", wait, next.Sub(now))
		}
		// More failures never make it sooner. Skipped hours may by less than
		// one, since skipping goes by whole hours from where it starts.
		r.Pacing.SkipHours, r.Pacing.SkipDays = 0, 0
		a, _ := due(now, &r, fails, 0, spread)
		b, _ := due(now, &r, min(fails, 1<<30)+1, 0, spread)
		if fails < 1<<30 && b.Before(a) {
			t.Errorf("due after %v with %d failures and after %v with one more", a.Sub(now), fails, b.Sub(now))
		}
	})
}

func TestSpreadCoversItsRange(t *testing.T) {
	var tenths [10]int
	for id := range int64(10_000) {
		s := spreadOf(1, id)
		if s < 0 || s >= 1 {
			t.Fatalf("spreadOf(1, %d) = %v, want from 0 to less than 1", id, s)
		}
		tenths[int(s*10)]++
	}
	for i, n := range tenths {
		if n < 800 || n > 1200 {
			t.Errorf("%d of 10000 feeds are in tenth %d, want about 1000", n, i)
		}
	}
	if spreadOf(1, 5) == spreadOf(2, 5) {
		t.Error("two rounds spread a feed alike, want the seed to matter")
	}
}

// TestAWrongClockLatchesNothing: that a document was sent a year from now tells
// nothing of when it was, so the server is asked for one.
func TestAWrongClockLatchesNothing(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	for ahead, want := range map[time.Duration]bool{
		365 * 24 * time.Hour: true, 9 * 24 * time.Hour: true, time.Hour: false, -time.Hour: false, -9 * 24 * time.Hour: true,
	} {
		if got := unlatch(now, &feeds.Ref{ID: 1, LastFull: now.Add(ahead).Unix()}); got != want {
			t.Errorf("last document %v from now: asked for in full %v, want %v", ahead, got, want)
		}
	}
}
