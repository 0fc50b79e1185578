package pool

import (
	"context"
	"time"
)

// A Greeting is what a worker says of itself.
type Greeting struct {
	Build   string        // what it was built from
	Sandbox string        // the level that it reached
	After   time.Duration // from start to Hello
}

// Greet starts one worker as a Pool with these options would, exchanges Hellos
// with it and stops it again. It fails with a [StartError].
func Greet(ctx context.Context, o Options) (Greeting, error) {
	p, err := New(o)
	if err != nil {
		return Greeting{}, err
	}
	r, err := p.newRun(nil)
	if err != nil {
		return Greeting{}, err
	}
	defer r.close()
	s := newSlot(p, r, 0)
	start := time.Now()
	w, err := s.begin(ctx)
	if err != nil {
		return Greeting{}, err
	}
	g := Greeting{Build: w.hello.Build, Sandbox: w.hello.Sandbox, After: time.Since(start)}
	s.drain(w)
	s.end(w)
	w.release()
	return g, nil
}
