package hostile

import (
	"errors"
	"os"
	"time"
)

// A wire is a connection taken from the HTTP server, to say on it what no
// HTTP server would. After the first error, which is most often that the
// client is gone, it says nothing more. It ends by AnswerLimit at the latest.
type wire struct {
	Conn
	end time.Time
	err error
}

// raw plays a case on the bare connection, which is closed afterwards.
func raw(play func(w *wire, x *exchange)) func(*exchange) {
	return func(x *exchange) {
		t, ok := x.w.(Taker)
		if !ok {
			x.fail(500, "no connection to take")
			return
		}
		c, err := t.Take()
		if err != nil {
			x.fail(500, "cannot take the connection")
			return
		}
		play(newWire(c), x)
	}
}

// prints plays a text on the bare connection.
func prints(text string) func(*exchange) {
	return raw(func(w *wire, _ *exchange) { w.print(text) })
}

func newWire(c Conn) *wire {
	w := &wire{Conn: c, end: time.Now().Add(AnswerLimit)}
	w.SetDeadline(w.end)
	return w
}

// ok reports whether the client still listens and there is time.
func (w *wire) ok() bool { return w.err == nil && time.Now().Before(w.end) }

// print sends s and reports whether it went out.
func (w *wire) print(s string) bool { return w.send([]byte(s)) }

// send sends b and reports whether it went out.
func (w *wire) send(b []byte) bool {
	if !w.ok() {
		return false
	}
	_, w.err = w.Conn.Write(b)
	return w.err == nil
}

// wait waits for d and reports whether the client is still there. It reads
// meanwhile, since only so does one see that a client is gone.
func (w *wire) wait(d time.Duration) bool {
	until := time.Now().Add(d)
	if until.After(w.end) {
		until = w.end
	}
	w.SetReadDeadline(until)
	var b [512]byte
	for w.err == nil {
		if _, err := w.Conn.Read(b[:]); errors.Is(err, os.ErrDeadlineExceeded) {
			break
		} else if err != nil {
			w.err = err
		}
	}
	return w.ok()
}

// hold waits until the client has had enough, or the time is over.
func (w *wire) hold() { w.wait(AnswerLimit) }

// drip sends s byte by byte, one a second, then holds.
func (w *wire) drip(s string) {
	for i := range len(s) {
		if !w.print(s[i:i+1]) || !w.wait(time.Second) {
			return
		}
	}
	w.hold()
}

// flood sends what next makes until the client has had enough, at most limit
// bytes, then holds.
func (w *wire) flood(limit int, next func() []byte) {
	for sent := 0; sent < limit; {
		b := next()
		if !w.send(b) {
			return
		}
		sent += len(b)
	}
	w.hold()
}
