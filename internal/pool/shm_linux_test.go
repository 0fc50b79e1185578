package pool_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"strings"
	"testing"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc/carrier"
)

func init() {
	rawWrites[carrier.Shm] = func(b []byte) { // behind a notice that says they follow
		notice := append([]byte{0x92, 0xcf}, bytes.Repeat([]byte{0xff}, 8)...)
		notice = binary.BigEndian.AppendUint32(append(notice, 0xce), uint32(len(b)))
		os.Stdout.Write(append(notice, b...))
	}
}

// TestHostileMemoryCostsTheWorkerItsLife and its job, and nothing else: no other
// job, and no descriptor of the coordinator's.
func TestHostileMemoryCostsTheWorkerItsLife(t *testing.T) {
	for url, says := range map[string]string{
		"memory that is not there": "a notice of bytes that the ring has not",
	} {
		t.Run(url, func(t *testing.T) {
			o := as(t, "is hostile")
			o.Mode, o.Workers = carrier.Shm, 1
			if _, err := newRound(jobs(1, nil), 1, 1).run(t, t.Context(), o); err != nil {
				t.Fatal(err) // the first one makes the runtime open what it polls with
			}
			before := openFiles(t)
			r := newRound(jobs(20, map[int64]string{7: url}), 1, 5)
			if _, err := r.run(t, t.Context(), o); err != nil {
				t.Fatal(err)
			}
			r.check(t, map[string]feeds.Class{url: feeds.WorkerProtocol})
			if d := r.results[7].Detail; !strings.Contains(d, says) {
				t.Errorf("detail %q, want it to say %q", d, says)
			}
			if n := openFiles(t); n > before {
				t.Errorf("%d files are open, want %d as before", n, before)
			}
		})
	}
}
