package fetch

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"feedmill/internal/feeds"
)

// TestAnExchangeThatDoesNotEndIsTold: ten seconds after a limit ended it, unless
// it came back by then.
func TestAnExchangeThatDoesNotEndIsTold(t *testing.T) {
	for _, tt := range []struct {
		name     string
		back     time.Duration // when it comes back; 0 for never
		waits    time.Duration // when it waits for something of ours after its end, for a second
		wantLate time.Duration // 0 for never
	}{
		{"never comes back", 0, 0, 15 * time.Second},
		{"comes back at once", 5*time.Second + 1, 0, 0},
		{"comes back slowly", 14 * time.Second, 0, 0},
		{"waits and goes on", 0, 8 * time.Second, 19 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				ended, late := time.Duration(0), time.Duration(0)
				ctx, stop := context.WithCancelCause(t.Context())
				c := newClock(newLimits(feeds.Options{Timeout: 5 * time.Second}, 1), nil, func(err error) {
					ended = time.Since(began)
					stop(err)
				})
				c.late = func() { late = time.Since(began) }
				c.start()
				if tt.back > 0 {
					time.Sleep(tt.back)
					c.pause()
				}
				if tt.waits > 0 {
					time.Sleep(tt.waits)
					c.pause()
					time.Sleep(time.Second)
					c.start()
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				f, ok := errors.AsType[*feeds.Failure](context.Cause(ctx))
				if ended != 5*time.Second || !ok || f.Class != feeds.Timeout {
					t.Errorf("ended after %v by %v, want a timeout after 5s", ended, context.Cause(ctx))
				}
				if late != tt.wantLate {
					t.Errorf("told after %v, want %v", late, tt.wantLate)
				}
			})
		})
	}
}
