package pool

import (
	"errors"
	"log/slog"
	"os"
	"slices"
	"testing"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
)

// TestAWorkerThatMayTakeIsNeverBlamedForItsClaim: it cannot know what has been
// decided since it was allowed to. So nothing of that is said before it claims,
// its claim is answered, and only another one is a breach.
func TestAWorkerThatMayTakeIsNeverBlamedForItsClaim(t *testing.T) {
	giveUp := func(s *slot) { s.shared.dealer.distrust(errors.New("the test says so")) }
	try := func(s *slot) { // what tries a suspect takes nothing else
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ledger.deaths = 1
		s.ledger.unanswered = map[int64]*lease{7: {job: feeds.Job{ID: 7}, alone: true}}
	}
	acquit := func(s *slot) {
		s.mu.Lock()
		defer s.mu.Unlock()
		clear(s.ledger.unanswered)
	}
	granted, refused := ipc.Grant{Batch: 1, Begin: true, Take: true}, ipc.Grant{Batch: 1}
	for _, tt := range []struct {
		name  string
		turns []func(*slot) // before its claim comes
		want  ipc.Grant     // the answer
	}{
		{"nothing happens", nil, granted},
		{"the queue is given up", []func(*slot){giveUp}, refused},
		{"a suspect is to be tried", []func(*slot){try}, refused},
		{"a suspect is tried and acquitted", []func(*slot){try, acquit}, granted},
		{"a suspect is tried, acquitted, and another one tried", []func(*slot){try, acquit, try}, refused},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, w, said := claimant(t)
			attend := func() {
				t.Helper()
				if err := s.attend(w); err != nil {
					t.Fatal(err)
				}
			}
			attend()
			for _, turn := range tt.turns {
				turn(s)
				attend()
			}
			if err := s.claim(w, 1); err != nil {
				t.Fatalf("the claim that was on its way: %v, want it taken", err)
			}
			attend()
			if want := []ipc.Grant{{Take: true}, tt.want}; !slices.Equal(said.grants, want) {
				t.Errorf("the worker hears %+v, want %+v", said.grants, want)
			}
			if tt.want.Take {
				return
			}
			if err := s.claim(w, 2); !errors.Is(err, ipc.ErrUnexpected) {
				t.Errorf("another claim: %v, want a breach of the protocol", err)
			}
		})
	}
}

// claimant returns the slot of a run with a queue, in which batch 1 was offered,
// and its process, with all that this is told.
func claimant(t *testing.T) (*slot, *process, *grants) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(Options{Path: self, Workers: 1, Mode: ipc.ModeQueue})
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.newRun(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	s := newSlot(p, r, 0)
	r.slots = []*slot{s}
	r.dealer = newDealer(r)
	t.Cleanup(r.dealer.close)
	if err := s.accept([]feeds.Job{{ID: 1, URL: "http://one.example/"}}); err != nil {
		t.Fatal(err)
	}
	r.dealer.take() // unless the dealer has: then it is offered in either case
	said := new(grants)
	w := &process{log: slog.New(slog.DiscardHandler), line: said, watch: new(watch)}
	s.setCurrent(w)
	return s, w, said
}

// grants is a line to nobody that keeps what is said of the queue.
type grants struct {
	ipc.Line
	grants []ipc.Grant
}

func (g *grants) Send(m *ipc.Message) error {
	g.grants = append(g.grants, *m.Grant)
	return nil
}
