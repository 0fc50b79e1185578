package pool

import (
	"fmt"
	"sync/atomic"
	"time"
)

// An activity is what somebody does, and since when.
type activity struct{ now atomic.Pointer[doing] }

type doing struct {
	what  string
	since time.Time
}

func (a *activity) set(what string) { a.now.Store(&doing{what, time.Now()}) }

func (a *activity) String() string {
	d := a.now.Load()
	if d == nil {
		return "has not begun"
	}
	return fmt.Sprintf("%s for %v", d.what, time.Since(d.since).Round(time.Millisecond))
}
