package pool

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"feedmill/internal/ipc"
	"feedmill/internal/ipc/board"
)

const (
	// parsePatience is by how much longer a process may read one document than
	// say nothing. It ends by itself when a document has taken too much CPU time,
	// which on a machine with much else to do is a multiple in time.
	parsePatience = 4
	// frameShare is which part of the longest silence a frame may take from its
	// first byte to its last. An honest worker writes it at once.
	frameShare = 3
	// beatShare is which part of the longest silence must lie between two
	// heartbeats, in the long run: a tenth of what honest workers leave.
	// spareBeats may come at once, after the coordinator was busy for long.
	beatShare  = 150
	spareBeats = 64
)

// A watch tells whether a process still makes progress, and keeps it to what it
// may say. It counts only time in which the coordinator listened to it: while
// the coordinator is busy with a frame, a slow store say, the clock stands
// still. Its methods take the time, so that it keeps none itself.
type watch struct {
	silence time.Duration // longest time without a byte
	parse   time.Duration // longest time on one document
	stall   time.Duration // longest time without a result
	most    int64         // bytes that may come without a result

	mu       sync.Mutex // guards the fields below
	deaf     time.Time  // since when the coordinator does not listen; zero when it does
	heard    time.Time  // when bytes came last
	bytes    int64      // that came until then
	settled  int64      // that had come when the coordinator began to listen
	begun    time.Time  // when bytes of a frame came that has not ended; zero when there are none
	answered time.Time  // last result
	paid     int64      // bytes that had come until then
	parsing  int64      // job whose document is read, 0 when none
	since    time.Time  // when parsing became what it is
	first    time.Time  // heartbeat
	beats    int        // heartbeats after it
	given    int        // jobs, each of which one heartbeat may be about
}

// A hangError is why a process was killed that did not end its work.
type hangError struct {
	what  string
	after time.Duration
	// breach is above 0 where all of its jobs together took too long, and not what
	// it did last: no honest worker takes as long.
	breach int
	silent bool // nothing came
	// stopped says that the process said nothing because a signal had stopped it.
	stopped bool
}

func (e *hangError) Error() string { return fmt.Sprintf("%s for %v", e.what, e.after) }

// listen says that the coordinator waits for a frame again, after so many bytes
// that came.
func (w *watch) listen(bytes int64, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.deaf.IsZero() {
		w.skip(now.Sub(w.deaf))
		w.deaf = time.Time{}
	}
	w.heard, w.bytes, w.settled, w.begun = now, bytes, bytes, time.Time{}
}

// skip says that the coordinator itself stood still for d: a user stopped it,
// or the machine was too busy for it. The caller holds w.mu.
func (w *watch) skip(d time.Duration) {
	w.heard = w.heard.Add(d)
	w.answered = w.answered.Add(d)
	w.since = w.since.Add(d)
	if !w.begun.IsZero() {
		w.begun = w.begun.Add(d)
	}
}

// hear says that a frame came, which the coordinator will now look at.
func (w *watch) hear(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deaf = now
}

// move notes how many bytes have come: a long frame that still moves is no
// silence. The caller holds w.mu.
func (w *watch) move(bytes int64, now time.Time) {
	if bytes != w.bytes {
		w.bytes, w.heard = bytes, now
	}
	if w.deaf.IsZero() && w.begun.IsZero() && bytes != w.settled {
		w.begun = now
	}
}

// read notes which job's document the process says it reads. The caller holds w.mu.
func (w *watch) read(job int64, now time.Time) {
	if job != w.parsing {
		w.parsing, w.since = job, now
	}
}

// answer notes that a job is answered, after so many bytes that came.
func (w *watch) answer(id, bytes int64, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answered, w.paid = now, bytes
	if id == w.parsing {
		w.parsing = 0
	}
}

// heartbeat notes one. An error means that they come too often: each costs the
// coordinator some work.
func (w *watch) heartbeat(now time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.first.IsZero() {
		w.first = now
	}
	w.beats++
	if due := beatShare * now.Sub(w.first) / w.silence; w.beats > spareBeats+w.given+int(due) {
		return ipc.Unexpected("%d heartbeats within %v", w.beats, now.Sub(w.first).Round(time.Millisecond))
	}
	return nil
}

// spent returns an error when more bytes have come since the last result than
// one can have.
func (w *watch) spent(bytes int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if bytes-w.paid > w.most {
		return ipc.Unexpected("%d bytes without a result", bytes-w.paid)
	}
	return nil
}

// give notes that the process is given so many jobs. With idle, it owed nothing.
func (w *watch) give(jobs int, idle bool, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.given += jobs
	if idle {
		w.heard, w.answered = now, now
	}
}

// check returns why a process that owes results must be given up, or nil. The caller
// holds w.mu.
func (w *watch) check(now time.Time) error {
	switch {
	case !w.deaf.IsZero():
		return nil
	case !w.begun.IsZero() && now.Sub(w.begun) >= w.silence/frameShare:
		return ipc.Unexpected("a frame that has not ended after %v", w.silence/frameShare)
	case now.Sub(w.heard) >= w.silence:
		return &hangError{what: "said nothing", after: w.silence, silent: true}
	case w.parsing != 0 && now.Sub(w.since) >= w.parse:
		return &hangError{what: "parsed one document", after: w.parse}
	case now.Sub(w.answered) >= w.stall:
		return &hangError{what: "answered nothing", after: w.stall, breach: 2}
	}
	return nil
}

// endIfHung ends the process when it owes results and hangs: it is asked for its
// stacks, which are the only trace of where it hung, and killed after grace. It
// returns when that is done, or stop is closed.
func (w *process) endIfHung(every, grace time.Duration, owes func() bool, stop <-chan struct{}) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := time.Now()
	var wrong error
	for wrong == nil {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		now := time.Now()
		gap := now.Sub(last) - every
		last = now
		wrong = w.look(now, gap, every, owes())
	}
	if hang, hangs := errors.AsType[*hangError](wrong); hangs {
		hang.stopped = hang.silent && isStopped(w.cmd.Process.Pid)
		w.signal("SIGQUIT", quit, wrong) // it need not obey
		select {
		case <-w.endC:
		case <-stop:
		case <-time.After(grace):
		}
	}
	w.kill(wrong)
}

// look returns why the process must be given up, if it owes results. The last look
// was longer ago than every by gap.
func (w *process) look(now time.Time, gap, every time.Duration, owes bool) error {
	st, told := w.standing()
	w.watch.mu.Lock()
	defer w.watch.mu.Unlock()
	if gap > every {
		w.watch.skip(gap)
	}
	w.watch.move(w.line.Received(), now)
	if !owes {
		return nil
	}
	if told {
		w.watch.read(st.Document.Job, now)
	}
	if st.Answer.Phase == board.PhaseWait {
		w.watch.skip(every) // somebody else holds what it waits for
	}
	return w.watch.check(now)
}
