package pool

import (
	"fmt"
	"testing"
	"time"
)

func TestWatchCountsOnlyTimeSpentListening(t *testing.T) {
	const s = time.Second
	base := time.Unix(1e9, 0)
	at := func(seconds int) time.Time { return base.Add(time.Duration(seconds) * s) }
	tests := []struct {
		name string
		play func(w *watch)
		when int // of the check
		want string
	}{
		{"fresh", func(w *watch) {}, 8, ""},
		{"silent", func(w *watch) {}, 10, "said nothing for 9s"},
		{"heard since", func(w *watch) { w.hear(at(9)); w.listen(0, at(9)) }, 17, ""},
		{"a frame ends", func(w *watch) { w.move(1, at(5)); w.hear(at(6)); w.listen(1, at(6)); w.move(1, at(7)) }, 14, ""},
		{"a frame is dripped", func(w *watch) { w.move(1, at(5)); w.move(2, at(7)) }, 9, "protocol: unexpected message: a frame that has not ended after 3s"},
		{"a frame stands still", func(w *watch) { w.move(1, at(5)) }, 9, "protocol: unexpected message: a frame that has not ended after 3s"},
		{"a frame is dripped while the coordinator is busy", func(w *watch) { w.hear(at(1)); w.move(1, at(5)); w.move(2, at(7)) }, 9, ""},
		{"coordinator busy", func(w *watch) { w.hear(at(1)) }, 999, ""},
		{"one document for long", func(w *watch) {
			for i := 1; i < 25; i++ {
				w.hear(at(i))
				w.read(7, at(i))
				w.listen(0, at(i))
			}
		}, 25, "parsed one document for 10s"},
		{"one document, but the coordinator was busy", func(w *watch) {
			w.read(7, at(1))
			w.hear(at(2))
			w.listen(0, at(30))
		}, 31, ""},
		{"the document is answered", func(w *watch) {
			for i := 1; i < 25; i++ {
				w.hear(at(i))
				w.read(7, at(i))
				w.answer(7, 0, at(i))
				w.listen(0, at(i))
			}
		}, 25, ""},
		{"ticks but no answers", func(w *watch) {
			for i := 1; i < 100; i++ {
				w.hear(at(i))
				w.read(int64(i), at(i))
				w.listen(0, at(i))
			}
		}, 100, "answered nothing for 1m0s"},
		{"the coordinator stood still", func(w *watch) { w.read(7, at(1)); w.skip(500 * s) }, 508, ""},
		{"a document is begun again", func(w *watch) { w.read(7, at(1)); w.answer(7, 0, at(6)); w.read(7, at(7)); w.listen(0, at(8)) }, 16, ""},
		{"another one is answered", func(w *watch) {
			w.read(7, at(1))
			w.answer(8, 0, at(6))
			w.listen(0, at(8))
		}, 11, "parsed one document for 10s"},
		{"a frame while it stood still", func(w *watch) { w.move(1, at(2)); w.skip(500 * s); w.move(2, at(503)) }, 504, ""},
		{"bytes that came are no frame", func(w *watch) { w.move(5, at(1)); w.listen(5, at(2)); w.move(5, at(5)) }, 9, ""},
		{"long idle, then jobs", func(w *watch) { w.give(0, true, at(500)) }, 508, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := &watch{silence: 9 * s, parse: 10 * s, stall: 60 * s}
			w.give(0, true, base)
			w.listen(0, base)
			tt.play(w)
			got := ""
			if err := w.check(at(tt.when)); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestBytesWithoutAResultAreBounded, to the byte, and an answer pays for those before it.
func TestBytesWithoutAResultAreBounded(t *testing.T) {
	w := &watch{most: 100}
	if w.spent(100) != nil || w.spent(101) == nil {
		t.Errorf("got %v for 100 bytes, %v for 101; want only the second", w.spent(100), w.spent(101))
	}
	w.answer(1, 50, time.Unix(1e9, 0))
	if w.spent(150) != nil || w.spent(151) == nil {
		t.Errorf("after an answer at 50: got %v for 150 bytes, %v for 151; want only the second", w.spent(150), w.spent(151))
	}
}

// TestAHeartbeatIsAllowedForEachJob, beside those that may come at once.
func TestAHeartbeatIsAllowedForEachJob(t *testing.T) {
	w := &watch{silence: defaultHangAfter}
	w.give(30, true, time.Unix(1e9, 0))
	w.give(10, false, time.Unix(1e9, 0))
	for n := 1; n <= spareBeats+41; n++ {
		if err := w.heartbeat(time.Unix(1e9, 0)); (err != nil) != (n > spareBeats+40) {
			t.Fatalf("heartbeat %d: %v", n, err)
		}
	}
}

// TestHeartbeatsAreBoundedByRate: an honest worker sends one a second, and many
// at once come only after the coordinator was busy for as long.
func TestHeartbeatsAreBoundedByRate(t *testing.T) {
	start := time.Unix(1e9, 0)
	beat := func(n int, every time.Duration) error {
		w := &watch{silence: defaultHangAfter}
		for i := range n {
			if err := w.heartbeat(start.Add(time.Duration(i) * every)); err != nil {
				return fmt.Errorf("after %d: %w", i, err)
			}
		}
		return nil
	}
	if err := beat(100_000, time.Second); err != nil {
		t.Errorf("one a second: %v", err)
	}
	if err := beat(60, 0); err != nil {
		t.Errorf("those of a minute at once: %v", err)
	}
	if err := beat(1000, 10*time.Millisecond); err == nil {
		t.Error("a hundred a second were taken")
	}
	if err := beat(100, 0); err == nil {
		t.Error("a hundred at once were taken")
	}
}
