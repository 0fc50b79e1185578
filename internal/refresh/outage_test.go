package refresh

import (
	"errors"
	"fmt"
	"strings"
	"sync"
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
		{"all of nineteen", 19, func(int) feeds.Result { return dns }, true,
			map[feeds.Class]int{feeds.Cancelled: 19}},
		{"one of nineteen works", 19, func(h int) feeds.Result {
			if h == 12 {
				return feeds.Result{Class: feeds.OK}
			}
			return dns
		}, false, map[feeds.Class]int{feeds.OK: 1, feeds.DNS: 18}},
		{"one host, and nobody to ask for its address", 1, func(int) feeds.Result { return dns }, true,
			map[feeds.Class]int{feeds.Cancelled: 1}},
		{"one host that is out of reach", 1, func(int) feeds.Result { return connect }, true,
			map[feeds.Class]int{feeds.Cancelled: 1}},
		{"one name that does not exist", 1, func(int) feeds.Result { return feeds.Result{Class: feeds.DNS, Refused: true} }, false,
			map[feeds.Class]int{feeds.DNS: 1}},
		{"no name exists", 5, func(int) feeds.Result { return feeds.Result{Class: feeds.DNS, Refused: true} }, true,
			map[feeds.Class]int{feeds.Cancelled: 5}},
		{"one host that refuses", 1, func(int) feeds.Result { return feeds.Result{Class: feeds.Connect, Refused: true} }, false,
			map[feeds.Class]int{feeds.Connect: 1}},
		{"one that speaks no HTTP beside one out of reach", 2, func(h int) feeds.Result {
			if h == 1 {
				return feeds.Result{Class: feeds.HTTPError}
			}
			return connect
		}, false, map[feeds.Class]int{feeds.HTTPError: 1, feeds.Connect: 1}},
		{"one host that is silent", 1, func(int) feeds.Result { return feeds.Result{Class: feeds.Timeout} }, false,
			map[feeds.Class]int{feeds.Timeout: 1}},
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
		}, true, map[feeds.Class]int{feeds.Cancelled: 30}},
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
				if want := min(tt.hosts, outageHosts); ok && outage.Hosts != want {
					t.Errorf("decided after %d hosts, want %d", outage.Hosts, want)
				}
				if fmt.Sprint(sum.Classes) != fmt.Sprint(tt.class) {
					t.Errorf("classes %v, want %v", sum.Classes, tt.class)
				}
				for _, r := range got.byURL {
					if r.Outcome.Class == feeds.Cancelled && r.Outcome.Detail != "no network" {
						t.Errorf("%s is cancelled with detail %q, want that there is no network", r.URL, r.Outcome.Detail)
					}
				}
				for id, o := range store.stored() {
					if o.Class == feeds.Cancelled || (tt.outage && !reachable(&o.Result)) {
						t.Errorf("feed %d was stored as %s, want nothing stored that an outage explains", id, o.Class)
					}
				}
			})
		})
	}
}

// TestANetworkThatBreaksWithinARoundBlamesNobody: what is asked from then on, or is under
// way, is still due. What had failed before is the hosts' own fault.
func TestANetworkThatBreaksWithinARoundBlamesNobody(t *testing.T) {
	ok, dns, connect := feeds.Result{Class: feeds.OK}, feeds.Result{Class: feeds.DNS}, feeds.Result{Class: feeds.Connect}
	noName, timeout, slow := feeds.Result{Class: feeds.DNS, Refused: true}, feeds.Result{Class: feeds.Timeout}, feeds.Result{Class: feeds.Slow, Status: 200}
	for _, tt := range []struct {
		name   string
		result func(nth int) feeds.Result // of the host that is asked as the nth, from 1
		before int                        // hosts reached before the outage; 0 for none
		class  map[feeds.Class]int
		late   int // hosts that were reached before it, too, and may be heard of late
	}{
		{"after the first hosts", func(n int) feeds.Result {
			if n <= 3 {
				return ok
			}
			return dns
		}, 3, map[feeds.Class]int{feeds.OK: 3, feeds.Cancelled: 97}, 0},
		{"with requests under way", func(n int) feeds.Result {
			switch {
			case n <= 30:
				return ok
			case n <= 40:
				return timeout
			}
			return connect
		}, 30, map[feeds.Class]int{feeds.OK: 30, feeds.Cancelled: 70}, 0},
		{"with answers under way", func(n int) feeds.Result {
			switch {
			case n <= 30:
				return ok
			case n <= 34:
				return slow
			}
			return dns
		}, 30, map[feeds.Class]int{feeds.OK: 30, feeds.Cancelled: 70}, 4},
		{"where one in two was dead", func(n int) feeds.Result {
			switch {
			case n > 30:
				return connect
			case n%2 == 0:
				return ok
			}
			return noName
		}, 15, map[feeds.Class]int{feeds.OK: 15, feeds.DNS: 8, feeds.Cancelled: 77}, 0}, // six waited for a later answer
		{"not: half of the hosts are dead, and thirty in a row", func(n int) feeds.Result {
			if n%2 == 0 && (n <= 60 || n > 90) {
				return ok
			}
			return connect
		}, 0, map[feeds.Class]int{feeds.OK: 35, feeds.Connect: 65}, 0},
		{"not: the last ten are dead", func(n int) feeds.Result {
			if n <= 90 {
				return ok
			}
			return connect
		}, 0, map[feeds.Class]int{feeds.OK: 90, feeds.Connect: 10}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				asked := make(map[int64]int)
				runner := &fakeRunner{t: t, workers: 2, fetches: 4, latency: func(_ int, job feeds.Job) time.Duration {
					mu.Lock()
					defer mu.Unlock()
					asked[job.ID] = len(asked) + 1
					if tt.result(asked[job.ID]).Class == feeds.Slow {
						return 6 * time.Second
					}
					return time.Second
				}, result: func(job feeds.Job) feeds.Result {
					mu.Lock()
					defer mu.Unlock()
					return tt.result(asked[job.ID])
				}}
				refs := singles(100)
				store := newMemStore(refs)
				sum, err := Round(t.Context(), runner, store, refs, Options{Workers: 2})
				outage, ok := errors.AsType[*OutageError](err)
				if ok != (tt.before > 0) || ok && (outage.Before < tt.before || outage.Before > tt.before+tt.late) || !ok && err != nil {
					t.Errorf("round: %v, want an outage after %d to %d hosts (0: none)", err, tt.before, tt.before+tt.late)
				}
				if fmt.Sprint(sum.Classes) != fmt.Sprint(tt.class) {
					t.Errorf("classes %v, want %v", sum.Classes, tt.class)
				}
			})
		})
	}
}

// TestWhereNoCertificateIsTrustedNoHostIsAtFault: a clock that is wrong, or no authorities,
// make every https host look alike. One among others has a certificate that is wrong itself.
func TestWhereNoCertificateIsTrustedNoHostIsAtFault(t *testing.T) {
	distrusted := feeds.Result{Class: feeds.TLS, Refused: true}
	for _, tt := range []struct {
		name   string
		hosts  int
		result func(host int) feeds.Result // from 1; each third is http
		outage bool
		class  map[feeds.Class]int
	}{
		{"none is trusted", 90, func(h int) feeds.Result {
			if h%3 == 0 {
				return feeds.Result{Class: feeds.OK, Status: 200}
			}
			return distrusted
		}, true, nil},
		{"one in two", 90, func(h int) feeds.Result {
			if h%2 == 0 {
				return feeds.Result{Class: feeds.OK, Status: 200}
			}
			return distrusted
		}, false, map[feeds.Class]int{feeds.OK: 45, feeds.TLS: 45}},
		{"all of a few", 10, func(int) feeds.Result { return distrusted }, false, map[feeds.Class]int{feeds.TLS: 10}},
		{"other faults of TLS", 90, func(int) feeds.Result { return feeds.Result{Class: feeds.TLS} }, false, map[feeds.Class]int{feeds.TLS: 90}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			refs := singles(tt.hosts)
			for i := range refs {
				if refs[i].ID%3 != 0 {
					refs[i].URL = strings.Replace(refs[i].URL, "http:", "https:", 1)
				}
			}
			runner := &fakeRunner{t: t, workers: 2, result: func(job feeds.Job) feeds.Result { return tt.result(int(job.ID)) }}
			sum, err := Round(t.Context(), runner, newMemStore(refs), refs, Options{Workers: 2})
			outage, ok := errors.AsType[*OutageError](err)
			if ok != tt.outage || ok && !outage.Distrust || !ok && err != nil {
				t.Errorf("round: %v, want an outage of trust: %v", err, tt.outage)
			}
			if ok && (sum.Classes[feeds.TLS] != 0 || sum.Classes[feeds.Cancelled] < outageHosts) {
				t.Errorf("classes %v, want no tls, and %d cancelled or more", sum.Classes, outageHosts)
			}
			if !ok && fmt.Sprint(sum.Classes) != fmt.Sprint(tt.class) {
				t.Errorf("classes %v, want %v", sum.Classes, tt.class)
			}
		})
	}
}

// TestNamesThatDoNotExistAreHeardOfFirst: a name server that is quick says of a whole
// window of names that they do not exist before any server has answered, and that is no
// outage.
func TestNamesThatDoNotExistAreHeardOfFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refs := singles(1000)
		dead := func(job feeds.Job) bool { return job.ID%7 == 0 }
		runner := &fakeRunner{t: t, workers: 2, fetches: 200, latency: func(_ int, job feeds.Job) time.Duration {
			if dead(job) {
				return 20 * time.Millisecond
			}
			return 400 * time.Millisecond
		}, result: func(job feeds.Job) feeds.Result {
			if dead(job) {
				return feeds.Result{Class: feeds.DNS, Refused: true}
			}
			return feeds.Result{Class: feeds.OK}
		}}
		sum, err := Round(t.Context(), runner, newMemStore(refs), refs, Options{Workers: 2})
		if err != nil || sum.Classes[feeds.OK] != 858 || sum.Classes[feeds.DNS] != 142 {
			t.Errorf("round: %v, classes %v; want nil, 858 ok and 142 dns", err, sum.Classes)
		}
	})
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

// TestDeadHostsAloneAreNoOutage: a round in which only feeds are due that had failed
// before says nothing of the network, and they are asked less and less often.
func TestDeadHostsAloneAreNoOutage(t *testing.T) {
	for fails, want := range map[int]feeds.Class{0: feeds.Cancelled, 1: feeds.Connect} {
		refs := singles(25)
		for i := range refs {
			refs[i].Fails = fails
		}
		dead := func(feeds.Job) feeds.Result { return feeds.Result{Class: feeds.Connect} }
		sum, err := Round(t.Context(), &fakeRunner{t: t, workers: 1, fetches: 4, result: dead}, newMemStore(refs), refs, Options{Workers: 1})
		if _, outage := errors.AsType[*OutageError](err); outage != (fails == 0) || sum.Classes[want] != len(refs) {
			t.Errorf("after %d failures: %v, classes %v; want all %s", fails, err, sum.Classes, want)
		}
	}
}

func TestHostThatComesBackHasItsVoteCorrected(t *testing.T) {
	o := newOutage(outageHosts, 1, false)
	for _, class := range []feeds.Class{feeds.Connect, feeds.OK, feeds.Connect} {
		o.hear(answer{ordinal: ordinal{n: 1}, result: feeds.Result{Class: class}})
	}
	if o.count[outOfReach] != 0 || o.count[wasReached] != 1 {
		t.Errorf("%d hosts count as out of reach and %d as reached, want 0 and 1", o.count[outOfReach], o.count[wasReached])
	}
}

// TestOnlyFailuresWait for the decision: those that an outage would explain, and the
// feeds that were left alone for such a one. What came has its items, and goes on.
func TestOnlyFailuresWait(t *testing.T) {
	o := newOutage(outageHosts, 1, false)
	for class, want := range map[feeds.Class]bool{feeds.DNS: true, feeds.Connect: true, feeds.HostBackoff: true, feeds.Timeout: true, feeds.OK: false, feeds.TooLarge: false} {
		if held := o.hear(answer{ordinal: ordinal{n: 1}, result: feeds.Result{Class: class}}); held != want {
			t.Errorf("%s waits for the decision: %v, want %v", class, held, want)
		}
	}
}

func TestHeldFailuresAreBounded(t *testing.T) {
	o := newOutage(1000, 1, false)
	for i := range outageHeld {
		if freed := o.free(); len(freed) > 0 {
			t.Fatalf("%d failures were let go after %d, want %d held", len(freed), i, outageHeld)
		}
		o.hear(answer{ordinal: ordinal{n: 1}, result: feeds.Result{Class: feeds.DNS}})
	}
	if freed := o.free(); o.err != nil || len(freed) != outageHeld || len(o.held) > 0 {
		t.Errorf("%d failures of one host were let go and %d held, %v; want all, none, and no outage", len(freed), len(o.held), o.err)
	}
}

// TestARoundThatIsOnlineBlamesHosts is the outage of one host again, in a run that
// has reached others before.
func TestARoundThatIsOnlineBlamesHosts(t *testing.T) {
	refs := singles(1)
	runner := &fakeRunner{t: t, workers: 1, result: func(feeds.Job) feeds.Result { return feeds.Result{Class: feeds.Connect} }}
	sum, err := Round(t.Context(), runner, newMemStore(refs), refs, Options{Workers: 1, Online: true})
	if err != nil || sum.Classes[feeds.Connect] != 1 {
		t.Errorf("round: %v, classes %v; want nil, one connect", err, sum.Classes)
	}
}
