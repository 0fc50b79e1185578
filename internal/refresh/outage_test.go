package refresh

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"feedmill/internal/feeds"
)

// inTurn lets hosts answer one after the other, in the order of their ids.
func inTurn(_ int, job feeds.Job) time.Duration { return time.Duration(job.ID) * time.Second }

func TestOutageIsOursOnlyWhenNearlyAllHostsAreOutOfReach(t *testing.T) {
	dns := feeds.Result{Class: feeds.DNS}
	connect := feeds.Result{Class: feeds.Connect}
	for _, tt := range []struct {
		name   string
		hosts  int
		result func(host int) feeds.Result // from 1
		outage bool
		class  map[feeds.Class]int
	}{
		{"all dns", 40, func(int) feeds.Result { return dns }, true,
			map[feeds.Class]int{feeds.Cancelled: 40}},
		{"all connect", 20, func(int) feeds.Result { return connect }, true,
			map[feeds.Class]int{feeds.Cancelled: 20}},
		{"nineteen hosts are too few to tell", 19, func(int) feeds.Result { return dns }, false,
			map[feeds.Class]int{feeds.DNS: 19}},
		{"eighteen of twenty", 30, func(h int) feeds.Result {
			if h == 4 || h == 9 {
				return feeds.Result{Class: feeds.HTTPError, Status: 500}
			}
			return dns
		}, true, map[feeds.Class]int{feeds.HTTPError: 2, feeds.Cancelled: 28}},
		{"seventeen of twenty", 30, func(h int) feeds.Result {
			if h == 4 || h == 9 || h == 20 {
				return feeds.Result{Class: feeds.OK}
			}
			return dns
		}, false, map[feeds.Class]int{feeds.OK: 3, feeds.DNS: 27}},
		{"refused by each host", 40, func(int) feeds.Result {
			return feeds.Result{Class: feeds.Connect, Refused: true}
		}, false, map[feeds.Class]int{feeds.Connect: 40}},
		{"certificates are wrong", 40, func(int) feeds.Result {
			return feeds.Result{Class: feeds.TLS}
		}, false, map[feeds.Class]int{feeds.TLS: 40}},
		{"time limits decide nothing", 30, func(h int) feeds.Result {
			if h <= 10 {
				return feeds.Result{Class: feeds.Timeout}
			}
			return dns
		}, true, map[feeds.Class]int{feeds.Timeout: 10, feeds.Cancelled: 20}},
		{"it breaks after the first hosts", 100, func(h int) feeds.Result {
			if h <= 3 {
				return feeds.Result{Class: feeds.OK}
			}
			return dns
		}, false, map[feeds.Class]int{feeds.OK: 3, feeds.DNS: 97}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				refs := singles(tt.hosts)
				store := newMemStore(refs)
				runner := &fakeRunner{t: t, workers: 1, fetches: tt.hosts, latency: inTurn, result: func(job feeds.Job) feeds.Result {
					return tt.result(int(job.ID))
				}}
				var got reports
				sum, err := Round(t.Context(), runner, store, refs, Options{Workers: 1, Stored: got.stored})
				got.check(t, refs)
				outage, ok := errors.AsType[*OutageError](err)
				if ok != tt.outage || (!ok && err != nil) {
					t.Errorf("round: %v, want an outage: %v", err, tt.outage)
				}
				if ok && outage.Hosts != outageHosts {
					t.Errorf("decided after %d hosts, want %d", outage.Hosts, outageHosts)
				}
				if fmt.Sprint(sum.Classes) != fmt.Sprint(tt.class) {
					t.Errorf("classes %v, want %v", sum.Classes, tt.class)
				}
				for _, r := range got.byURL {
					if r.Outcome.Class == feeds.Cancelled && r.Outcome.Detail != noNetwork {
						t.Errorf("%s is cancelled with detail %q, want %q", r.URL, r.Outcome.Detail, noNetwork)
					}
				}
				for id, o := range store.stored() {
					if o.Class == feeds.Cancelled || (tt.outage && unreachable(&o.Result)) {
						t.Errorf("feed %d was stored as %s, want nothing stored that an outage explains", id, o.Class)
					}
				}
			})
		})
	}
}

// TestVerdictLetsGoOfWhatWaited checks that held failures are stored as soon
// as it is clear that the network works, and not only at the end.
func TestVerdictLetsGoOfWhatWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refs := singles(30)
		runner := &fakeRunner{t: t, workers: 1, fetches: 30, latency: inTurn, result: func(job feeds.Job) feeds.Result {
			if job.ID <= 5 {
				return feeds.Result{Class: feeds.DNS}
			}
			return feeds.Result{Class: feeds.OK}
		}}
		start := time.Now()
		_, err := Round(t.Context(), runner, newMemStore(refs), refs, Options{Workers: 1, Stored: func(r Report) {
			if at := time.Since(start); r.Outcome.Class == feeds.DNS && at > 9*time.Second {
				t.Errorf("%s was stored after %v, want right after the third host that answers at 8s", r.URL, at)
			}
		}})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestHostThatComesBackHasItsVoteCorrected(t *testing.T) {
	o := newOutage(outageHosts)
	o.hear(1, answer{result: feeds.Result{Class: feeds.Connect}})
	o.hear(1, answer{result: feeds.Result{Class: feeds.OK}})
	o.hear(1, answer{result: feeds.Result{Class: feeds.Connect}})
	if o.failed != 0 || len(o.reached) != 1 {
		t.Errorf("%d of %d hosts count as out of reach, want 0 of 1", o.failed, len(o.reached))
	}
}

func TestHeldFailuresAreBounded(t *testing.T) {
	o := newOutage(1000)
	for range outageHeld {
		o.hear(1, answer{result: feeds.Result{Class: feeds.DNS}})
	}
	o.hear(1, answer{result: feeds.Result{Class: feeds.DNS}})
	if o.verdict != networkWorks || len(o.held) > outageHeld+1 {
		t.Errorf("verdict %d with %d failures held, want the question closed at %d", o.verdict, len(o.held), outageHeld)
	}
}
