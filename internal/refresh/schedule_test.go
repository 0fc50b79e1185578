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
	const early = 36 * time.Second // of an hour
	full := func(ago time.Duration) feeds.Ref { return feeds.Ref{LastFull: noon.Add(-ago).Unix()} }
	hours := func(hs ...int) (mask uint32) {
		for _, h := range hs {
			mask |= 1 << h
		}
		return mask
	}
	for _, tt := range []struct {
		name       string
		r          feeds.Result
		ref        feeds.Ref
		took       time.Duration // of the round, until the result came
		fails      int
		least      time.Duration
		spread     float64
		want, hold time.Duration // after the round began at noon; hold 0 means none
	}{
		// A success is shortened by 1 to 5 %, what a server asks by 0.5 to 1 %.
		{name: "validators", r: feeds.Result{Class: feeds.OK, Validators: etag}, want: 59*time.Minute + 24*time.Second},
		{name: "half of the spread", r: feeds.Result{Class: feeds.NotModified}, spread: 0.5, want: 58*time.Minute + 12*time.Second},
		{name: "half of the spread of what a server asks", r: feeds.Result{Class: feeds.NotModified, Pacing: feeds.Pacing{TTL: 2 * time.Hour}}, spread: 0.5, want: 2*time.Hour - 54*time.Second},
		{name: "however long the round", r: feeds.Result{Class: feeds.NotModified}, took: 20 * time.Minute, want: 59*time.Minute + 24*time.Second},
		{name: "last-modified alone", r: feeds.Result{Class: feeds.OK, Validators: feeds.Validators{LastModified: "x"}}, want: 59*time.Minute + 24*time.Second},
		{name: "304 without new validators", r: feeds.Result{Class: feeds.NotModified}, want: 59*time.Minute + 24*time.Second},
		{name: "least", r: feeds.Result{Class: feeds.OK}, least: 5 * time.Minute, want: 297 * time.Second},
		{name: "least of the feed's own", r: feeds.Result{Class: feeds.OK}, ref: feeds.Ref{Interval: 10 * time.Minute}, least: 5 * time.Minute, want: 594 * time.Second},
		{name: "least over a week", r: feeds.Result{Class: feeds.OK}, least: 30 * day, want: 30 * day * 99 / 100},
		{name: "max-age", r: feeds.Result{Class: feeds.NotModified, Pacing: feeds.Pacing{MaxAge: 3 * time.Hour}}, want: 3*time.Hour - 54*time.Second},
		{name: "max-age is capped", r: feeds.Result{Class: feeds.NotModified, Pacing: feeds.Pacing{MaxAge: 365 * day}}, want: day - 432*time.Second},
		{name: "ttl", r: feeds.Result{Class: feeds.NotModified, Pacing: feeds.Pacing{TTL: 2 * day}}, want: 2*day - 864*time.Second},
		{name: "ttl is capped", r: feeds.Result{Class: feeds.NotModified, Pacing: feeds.Pacing{TTL: 90 * day}}, want: 7*day - 3024*time.Second},
		{name: "the latest counts", r: feeds.Result{Class: feeds.NotModified, Pacing: feeds.Pacing{MaxAge: 5 * time.Hour, TTL: 4 * time.Hour}}, want: 5*time.Hour - 90*time.Second},
		{name: "negative pacing", r: feeds.Result{Class: feeds.NotModified, Pacing: feeds.Pacing{MaxAge: -1, TTL: -day, RetryAfter: -day}}, want: 59*time.Minute + 24*time.Second},

		// Nobody was asked, and the next run may allow it.
		{name: "address refused", r: feeds.Result{Class: feeds.BlockedAddress}, fails: 5, took: time.Minute, want: time.Minute},
		{name: "address refused after a redirect", r: feeds.Result{Class: feeds.BlockedAddress, Status: 302}, fails: 2, want: 2 * time.Hour},
		{name: "address of another host refused", r: feeds.Result{Class: feeds.BlockedAddress, Elsewhere: true}, fails: 2, want: 2 * time.Hour},

		// Without validators it is asked as its news or its max-age ask for.
		{name: "blind, the first time", r: feeds.Result{Class: feeds.OK, New: 20, Seen: 20}, want: 59*time.Minute + 24*time.Second},
		{name: "blind, a quarter is new", r: feeds.Result{Class: feeds.OK, New: 5, Seen: 20}, ref: full(2 * time.Hour), want: 2 * time.Hour * 99 / 100},
		{name: "blind, an item a day", r: feeds.Result{Class: feeds.OK, New: 1, Seen: 20}, ref: full(day), want: day * 99 / 100},
		{name: "blind, half is new", r: feeds.Result{Class: feeds.OK, New: 10, Seen: 20}, ref: full(4 * time.Hour), want: 2 * time.Hour * 99 / 100},
		{name: "blind, all is new", r: feeds.Result{Class: feeds.OK, New: 20, Seen: 20}, ref: full(day), want: time.Hour * 99 / 100},
		{name: "blind, no news", r: feeds.Result{Class: feeds.Unchanged}, ref: full(3 * time.Hour), want: 6 * time.Hour * 99 / 100},
		{name: "blind, no news for long", r: feeds.Result{Class: feeds.OK, Seen: 20}, ref: full(3 * day), want: day * 99 / 100},
		{name: "blind, no news but a max-age", r: feeds.Result{Class: feeds.Unchanged, Pacing: feeds.Pacing{MaxAge: 2 * time.Hour}}, ref: full(day), want: 2*time.Hour - 36*time.Second},
		{name: "blind, by a clock that was wrong", r: feeds.Result{Class: feeds.Unchanged}, ref: full(-day), want: time.Hour * 99 / 100},
		{name: "blind, with an interval of its own", r: feeds.Result{Class: feeds.Unchanged}, ref: feeds.Ref{Interval: time.Hour, LastFull: noon.Add(-day).Unix()}, want: time.Hour * 99 / 100},

		{name: "skipped hours", r: feeds.Result{Class: feeds.NotModified, Pacing: feeds.Pacing{SkipHours: hours(13, 14, 15)}}, want: 4*time.Hour - early},
		{name: "skipped over midnight", r: feeds.Result{Class: feeds.NotModified, Pacing: feeds.Pacing{SkipHours: hours(13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 0)}}, want: 13*time.Hour - early},
		{name: "all hours skipped", r: feeds.Result{Class: feeds.NotModified, Pacing: feeds.Pacing{SkipHours: 1<<24 - 1}}, want: time.Hour - early},
		{name: "skipped days", r: feeds.Result{Class: feeds.NotModified, Pacing: feeds.Pacing{SkipDays: 1<<time.Wednesday | 1<<time.Thursday}}, want: 36*time.Hour - early},
		{name: "all days skipped", r: feeds.Result{Class: feeds.NotModified, Pacing: feeds.Pacing{SkipDays: 0x7f}}, want: time.Hour - early},
		{name: "hours and days skipped", r: feeds.Result{Class: feeds.NotModified, Pacing: feeds.Pacing{SkipDays: 1 << time.Wednesday, SkipHours: hours(0, 1)}}, want: 14*time.Hour - early},

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
		v := visit{Result: tt.r, ref: &tt.ref, began: noon, at: noon.Add(tt.took), fails: tt.fails, least: tt.least, spread: tt.spread}
		next, hold := v.due()
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

// TestWhoAsksOnTheHourAsksInNoneThatIsSkipped: over four weeks, and that a time is
// shortened into an hour to be skipped costs no turn.
func TestWhoAsksOnTheHourAsksInNoneThatIsSkipped(t *testing.T) {
	const weekend = 1<<time.Saturday | 1<<time.Sunday
	monday := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name  string
		every time.Duration
		p     feeds.Pacing
		want  int // requests
	}{
		{"half a day", time.Hour, feeds.Pacing{SkipHours: 1<<12 - 1}, 28*12 + 1},
		{"half a day, asked for more often", 15 * time.Minute, feeds.Pacing{SkipHours: 1<<12 - 1}, 28*12 + 1},
		{"all but noon", time.Hour, feeds.Pacing{SkipHours: (1<<24 - 1) &^ (1 << 12)}, 28 + 1},
		{"weekends", time.Hour, feeds.Pacing{SkipDays: weekend}, 20 * 24},
		{"the hour before, of a daily feed", day, feeds.Pacing{SkipHours: 1 << 8, TTL: day}, 28},
		{"the hours before, of a weekly feed", 7 * day, feeds.Pacing{SkipHours: 1<<7 | 1<<8, TTL: 7 * day}, 4},
	} {
		asked, due := 0, monday
		for now := monday; now.Before(monday.Add(28 * day)); now = now.Add(tt.every) {
			if due.After(now) {
				continue
			}
			if asked++; asked > 1 && (tt.p.SkipHours>>now.Hour()&1 != 0 || tt.p.SkipDays>>now.Weekday()&1 != 0) {
				t.Errorf("%s: asked at %v, due at %v", tt.name, now, due)
			}
			v := visit{Result: feeds.Result{Class: feeds.NotModified, Pacing: tt.p}, ref: &feeds.Ref{}, began: now, at: now, spread: spreadOf(uint64(asked), 1)}
			due, _ = v.due()
		}
		if asked != tt.want {
			t.Errorf("%s: asked %d times, want %d", tt.name, asked, tt.want)
		}
	}
}

// TestAWeekOf304IsAskedInFull: a week after a server's last whole answer, and
// at most a day later, its feed is asked without validators.
func TestAWeekOf304IsAskedInFull(t *testing.T) {
	for id := range int64(1000) {
		for after, want := range map[time.Duration]bool{0: false, 7*day - 1: false, 8 * day: true, 365 * day: true} {
			if got := wantsInFull(noon.Add(after), &feeds.Ref{ID: id, LastFull: noon.Unix()}); got != want {
				t.Fatalf("feed %d after %v: %v, want %v", id, after, got, want)
			}
		}
	}
	if wantsInFull(noon, &feeds.Ref{ID: 1}) {
		t.Error("a feed of which nothing is known is asked in full")
	}
	for _, tt := range []struct {
		r      feeds.Result
		inFull bool
		want   bool
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
		if got := full(&tt.r, tt.inFull); got != tt.want {
			t.Errorf("%s %d, inFull %v: %v, want %v", tt.r.Class, tt.r.Status, tt.inFull, got, tt.want)
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
		v := visit{Result: r, ref: &feeds.Ref{}, began: now, at: now, fails: fails, spread: spread}
		next, hold := v.due()
		switch {
		case r.Class == feeds.Gone:
			return
		case r.Class == feeds.BlockedAddress: // nobody was asked
			if !next.Equal(now.Truncate(time.Second)) || !hold.IsZero() {
				t.Errorf("due after %v and held until %v, want it due at once", next.Sub(now), hold)
			}
			return
		}
		if wait := next.Sub(now); wait < soonest*95/100 || wait > longest+longest/10 {
			t.Errorf("due after %v, want from %v to %v", wait, soonest*95/100, longest+longest/10)
		}
		if wait := hold.Sub(now); !hold.IsZero() && (wait <= 0 || wait > longest || hold.After(next)) {
			t.Errorf("held for %v and due after %v, want a hold that ends after now and not after the due time", wait, next.Sub(now))
		}
		// More failures never make it sooner. Skipped hours may by less than
		// one, since skipping goes by whole hours from where it starts.
		v.Pacing.SkipHours, v.Pacing.SkipDays = 0, 0
		a, _ := v.due()
		v.fails = min(fails, 1<<30) + 1
		b, _ := v.due()
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
		if got := wantsInFull(now, &feeds.Ref{ID: 1, LastFull: now.Add(ahead).Unix()}); got != want {
			t.Errorf("last document %v from now: asked for in full %v, want %v", ahead, got, want)
		}
	}
}
