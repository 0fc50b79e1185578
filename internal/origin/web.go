package origin

import (
	"encoding/binary"
	"math"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"feedmill/internal/origin/hostile"
)

// A fate is how a host behaves with Options.Web.
type fate struct {
	dead    bool // takes connections and never says a word
	latency time.Duration
	status  int // of every answer; 0 for what was asked for
}

// The shares of odd hosts, in thousandths, and the statuses of those that
// refuse, which are as many as the others say nothing of.
const (
	webDead    = 15
	webSlow    = 10
	webRefuses = 40

	webMedian = 200 * time.Millisecond
	webSigma  = 0.8
)

var webStatuses = [...]int{http.StatusNotFound, http.StatusGone, http.StatusInternalServerError, http.StatusServiceUnavailable}

// fateOf returns what befalls whoever asks a host. It is the same in every run
// with the same seed. Latencies are spread as those of the web are, lognormally
// about a median of 200 ms; the first host, which is also asked for lists and
// epochs, lives.
func (s *Server) fateOf(host netip.Addr) fate {
	b := host.As4()
	draw := func(what uint64) uint64 {
		return mix(s.opts.Seed, 7, what, uint64(binary.BigEndian.Uint32(b[:])))
	}
	share := func(what uint64) float64 { return (float64(draw(what)>>11) + 0.5) / (1 << 53) }
	z := math.Sqrt2 * math.Erfinv(2*share(1)-1)
	f := fate{latency: time.Duration(float64(webMedian) * math.Exp(webSigma*z))}
	kind := int(draw(2) % 1000)
	switch {
	case host == s.hosts.base.Addr():
	case kind < webDead:
		f.dead = true
	case kind < webDead+webSlow:
		f.latency = time.Duration((3 + 9*share(3)) * float64(time.Second))
	case kind < webDead+webSlow+webRefuses:
		f.status = webStatuses[draw(4)%uint64(len(webStatuses))]
	}
	return f
}

// asOnTheWeb makes a handler answer as the host that is asked does.
func (s *Server) asOnTheWeb(h http.HandlerFunc) http.HandlerFunc {
	if !s.opts.Web {
		return h
	}
	return func(w http.ResponseWriter, r *http.Request) {
		f := s.fateOf(r.Context().Value(connKey{}).(*conn).host)
		switch {
		case !pause(r.Context(), f.latency):
		case f.status != 0:
			http.Error(w, http.StatusText(f.status), f.status)
		default:
			h(w, r)
		}
	}
}

// sortOut accepts connections for the HTTP server, and gives out those that
// begin a TLS handshake as such. A dead host's are held in silence. It returns
// when ln is closed, with what closed it, and has ended what it began.
func (s *Server) sortOut(ln net.Listener, plain, secure *handedOver) error {
	defer plain.Close()
	defer secure.Close()
	for {
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		s.work.Go(func() {
			c := c.(*conn)
			if s.opts.Web && s.fateOf(c.host).dead {
				hostile.Silence(c)
				return
			}
			to := plain
			if s.opts.HTTPS {
				first, err := c.peek()
				if err != nil {
					c.Close()
					return
				}
				if first == tlsHandshake {
					to = secure
				}
			}
			to.give(c)
		})
	}
}

// tlsHandshake is the first byte of a TLS connection (RFC 8446, section 5.1).
const tlsHandshake = 22

// A handedOver is a listener whose connections others accept.
type handedOver struct {
	net.Listener // for its address
	conns        chan net.Conn
	done         chan struct{}
	once         sync.Once
}

func newHandedOver(ln net.Listener) *handedOver {
	return &handedOver{Listener: ln, conns: make(chan net.Conn), done: make(chan struct{})}
}

func (h *handedOver) give(c net.Conn) {
	select {
	case h.conns <- c:
	case <-h.done:
		c.Close()
	}
}

// Accept returns the next connection that was given.
func (h *handedOver) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept, and closes what is given from then on.
func (h *handedOver) Close() error {
	h.once.Do(func() { close(h.done) })
	h.Listener.Close() // which several do
	return nil
}
