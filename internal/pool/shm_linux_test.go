package pool_test

import (
	"strings"
	"testing"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
)

// TestHostileMemoryCostsTheWorkerItsLife and its job, and nothing else: no other
// job, and no descriptor of the coordinator's.
func TestHostileMemoryCostsTheWorkerItsLife(t *testing.T) {
	for url, says := range map[string]string{
		"memory that never comes": "no descriptor came",
		"a pipe for memory":       "no memfd",
	} {
		t.Run(url, func(t *testing.T) {
			o := as(t, "is hostile")
			o.Mode, o.Workers = ipc.ModeShm, 1
			if _, err := newRound(jobs(1, nil), 1, 1).run(t, t.Context(), o); err != nil {
				t.Fatal(err) // the first one makes the runtime open what it polls with
			}
			before := openFiles(t)
			r := newRound(jobs(20, map[int64]string{7: url}), 1, 5)
			if _, err := r.run(t, t.Context(), o); err != nil {
				t.Fatal(err)
			}
			r.check(t, map[string]feeds.Class{url: feeds.WorkerProtocol})
			if d := r.results[7].Detail; !strings.Contains(d, "bad shared memory") || !strings.Contains(d, says) {
				t.Errorf("detail %q, want it to say bad shared memory and %q", d, says)
			}
			if n := openFiles(t); n > before {
				t.Errorf("%d files are open, want %d as before", n, before)
			}
		})
	}
}
