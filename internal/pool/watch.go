package pool

import (
	"fmt"
	"sync"
	"time"
)

// parsePatience is by how much longer a process may parse one document than say
// nothing. It ends by itself when a document has taken too much CPU time, which
// on a machine with much else to do is a multiple in time.
const parsePatience = 4

// A watch tells whether a process still makes progress. It counts only time
// in which the coordinator listened to it: while the coordinator is busy with
// a frame, a slow store say, the clock stands still. Its methods take the
// time, so that it keeps none itself.
type watch struct {
	silence time.Duration // longest time without a byte
	parse   time.Duration // longest time on one document
	stall   time.Duration // longest time without a result

	mu       sync.Mutex // guards the fields below
	deaf     time.Time  // since when the coordinator does not listen; zero when it does
	heard    time.Time  // when bytes came last
	bytes    int64      // that came until then
	answered time.Time  // last result
	parsing  int64      // job of the last tick, 0 when none
	since    time.Time  // when parsing became what it is
}

// A hangError is why a process was killed that did not end its work.
type hangError struct {
	what  string
	after time.Duration
	all   bool // all of its jobs together took too long, not what it did last
}

func (e *hangError) Error() string { return fmt.Sprintf("%s for %v", e.what, e.after) }

// listen says that the coordinator waits for a frame again.
func (w *watch) listen(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.deaf.IsZero() {
		w.skipLocked(now.Sub(w.deaf))
		w.deaf = time.Time{}
	}
	w.heard = now
}

// skip says that the coordinator itself stood still for d: a user stopped it,
// or the machine was too busy for it.
func (w *watch) skip(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.skipLocked(d)
}

func (w *watch) skipLocked(d time.Duration) {
	w.heard = w.heard.Add(d)
	w.answered = w.answered.Add(d)
	w.since = w.since.Add(d)
}

// hear says that a frame came, which the coordinator will now look at.
func (w *watch) hear(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deaf = now
}

// move notes how many bytes have come: a long frame that still moves is no
// silence.
func (w *watch) move(bytes int64, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if bytes != w.bytes {
		w.bytes, w.heard = bytes, now
	}
}

// tick notes what the process says it is parsing.
func (w *watch) tick(parsing int64, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if parsing != w.parsing {
		w.parsing, w.since = parsing, now
	}
}

// answer notes that a job is answered.
func (w *watch) answer(id int64, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answered = now
	if id == w.parsing {
		w.parsing = 0
	}
}

// begin says that the process, which owed nothing, is given jobs.
func (w *watch) begin(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heard, w.answered = now, now
}

// suspect returns the job that the last tick named, if it is not answered
// since; else 0.
func (w *watch) suspect() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.parsing
}

// check returns why a process that owes results must be given up, or nil.
func (w *watch) check(now time.Time) *hangError {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case !w.deaf.IsZero():
		return nil
	case now.Sub(w.heard) >= w.silence:
		return &hangError{what: "said nothing", after: w.silence}
	case w.parsing != 0 && now.Sub(w.since) >= w.parse:
		return &hangError{what: "parsed one document", after: w.parse}
	case now.Sub(w.answered) >= w.stall:
		return &hangError{what: "answered nothing", after: w.stall, all: true}
	}
	return nil
}
