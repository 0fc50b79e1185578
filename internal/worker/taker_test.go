package worker

import (
	"testing"
	"testing/synctest"

	"feedmill/internal/ipc"
)

// TestOneClaimAtATime: that taking was forbidden and allowed again while a claim
// was on its way does not make the worker take another batch, for then it would
// have lost the one that it claimed.
func TestOneClaimAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tk := &taker{room: 1, changed: make(chan struct{}, 1)}
		again := make(chan bool, 1)
		tk.claimed = &ipc.Batch{Number: 1} // claimed, the answer is under way
		go func() { again <- tk.await() }()
		for _, g := range []ipc.Grant{{Take: false}, {Take: true}} {
			if _, err := tk.grant(&g); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		select {
		case <-again:
			t.Fatal("it takes a second batch before its claim of the first is answered")
		default:
		}
		if _, err := tk.grant(&ipc.Grant{Batch: 1, Begin: true, Take: true}); err != nil {
			t.Errorf("the answer to its claim: %v", err)
		}
		if !<-again {
			t.Error("it takes no batch after its claim was answered")
		}
	})
}
