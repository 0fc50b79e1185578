package hostile

import (
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What the tests that need an origin, and are outside for that, ask for.
var (
	SoundRSS = soundRSS
	GzipBomb = gzipBomb
)

const (
	BombSize = int64(bombSize)
	TypeRSS  = typeRSS
)

func TestHugeTextIsNoBomb(t *testing.T) {
	const size = 1 << 20
	text := words(size)
	if packed := len(zip(text)); len(text) != size || packed < size/20 || packed > size/2 {
		t.Errorf("got %d bytes as %d in gzip, want %d as a half to a twentieth", len(text), packed, size)
	}
}

type unbreakable struct{ net.Conn }

func (unbreakable) Reset() {}

func TestAWireEndsByItself(t *testing.T) {
	for name, play := range map[string]func(w *wire){
		"hold":  func(w *wire) { w.hold() },
		"drip":  func(w *wire) { w.drip(strings.Repeat("x", 1000)) },
		"flood": func(w *wire) { w.flood(1000, func() []byte { return []byte("x") }) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				read := make(chan int64)
				go func() {
					n, _ := io.Copy(io.Discard, far)
					read <- n
				}()
				began := time.Now()
				w := newWire(unbreakable{near})
				play(w)
				if took := time.Since(began); took != AnswerLimit {
					t.Errorf("got an end after %v, want %v", took, AnswerLimit)
				}
				w.Close()
				if n := <-read; name == "drip" && n != 60 {
					t.Errorf("got %d bytes in a minute, want 60", n)
				}
			})
		})
	}
}
