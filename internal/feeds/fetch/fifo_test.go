package fetch

import "testing"

func TestFifoKeepsItsOrder(t *testing.T) {
	var f fifo[int]
	next, want := 0, 0
	for round := range 200 {
		for range round % 7 {
			f.push(next)
			next++
		}
		for range round % 5 {
			if v, ok := f.pop(); ok {
				if v != want {
					t.Fatalf("popped %d, want %d", v, want)
				}
				want++
			}
		}
		if f.len() != next-want {
			t.Fatalf("length %d, want %d", f.len(), next-want)
		}
	}
	f.pushFront(-1)
	if v, ok := f.pop(); !ok || v != -1 {
		t.Errorf("popped %d after -1 was put in front", v)
	}
}
