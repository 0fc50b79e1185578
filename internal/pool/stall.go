package pool

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"
)

// awaitEnd waits until doneC is closed, for which it returns nil. When nothing
// moves for StallAfter it says who waits for whom, kills all workers and ends
// the run. Time in which this process itself stood still does not count.
func (r *run) awaitEnd(cancel context.CancelCauseFunc, doneC <-chan struct{}) error {
	o := r.o
	every := max(o.StallAfter/8, time.Millisecond)
	tick := time.NewTicker(every)
	defer tick.Stop()
	seen, still := int64(-1), time.Duration(0)
	last := time.Now()
	for {
		select {
		case <-doneC:
			return nil
		case now := <-tick.C:
			gap := now.Sub(last)
			last = now
			p := r.count.progress.Load()
			if p != seen {
				seen, still = p, 0
				continue
			}
			if still += min(gap, 2*every); still < o.StallAfter {
				continue
			}
		}
		e := &StallError{After: still, Report: r.report()}
		if o.Stalled != nil {
			o.Stalled(e)
		}
		cancel(e)
		r.killAll(e)
		select {
		case <-doneC:
		case <-time.After(8 * o.StopGrace): // more than the whole ladder
			e.Abandoned = true
		}
		return e
	}
}

// killAll kills every process.
func (r *run) killAll(cause error) {
	for _, s := range r.slots {
		s.mu.Lock()
		w := s.current
		s.mu.Unlock()
		if w != nil {
			w.kill(cause)
		}
	}
}

// report says who waits for whom.
func (r *run) report() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the coordinator %v\n", &r.out.doing)
	for _, s := range r.slots {
		s.mu.Lock()
		out, pending, dry, w := len(s.ledger.sent), len(s.ledger.pending), s.dry, s.current
		s.mu.Unlock()
		more := "more may come"
		if dry {
			more = "no more will come"
		}
		fmt.Fprintf(&b, "worker %d: %d jobs with it, %d waiting, %s; the coordinator %v and %v\n",
			s.n, out, pending, more, &s.running, &s.filling)
		if w != nil {
			fmt.Fprintf(&b, "  %s\n", w.describe())
		}
	}
	fmt.Fprintf(&b, "%d goroutines", runtime.NumGoroutine())
	counts := goroutines()
	for _, name := range slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(counts[b]-counts[a], strings.Compare(a, b))
	}) {
		fmt.Fprintf(&b, "; %d in %s", counts[name], name)
	}
	return b.String()
}

// describe says in one line what a process does, as far as that can be seen.
func (w *process) describe() string {
	did := "does not say what it does"
	if st, told := w.standing(); told {
		did = fmt.Sprintf("%v, owes %d (change %d)", st.Now(), st.Owed, st.Changes)
	}
	return fmt.Sprintf("process %d: %s; unread in stdin %s, in stdout %s, in stderr %s; %d bytes sent, %d received",
		w.cmd.Process.Pid, did, fill(w.stdin), fill(w.stdout), fill(w.stderr), w.line.Sent(), w.line.Received())
}

// goroutines counts the goroutines of this program by the innermost function
// of its own that each is in.
func goroutines() map[string]int {
	records := make([]runtime.StackRecord, runtime.NumGoroutine()+16)
	n, ok := runtime.GoroutineProfile(records)
	if !ok {
		return nil // more came in between; their number is told anyway
	}
	counts := make(map[string]int)
	for _, rec := range records[:n] {
		for frames := runtime.CallersFrames(rec.Stack()); ; {
			f, more := frames.Next()
			if name, ours := strings.CutPrefix(f.Function, "feedmill/internal/"); ours {
				counts[name]++
				break
			}
			if !more {
				break
			}
		}
	}
	return counts
}
