package fetch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// maxNamesKept bounds the names whose addresses are remembered. The feeds of a
// domain come close together, so an older one is seldom asked for again.
const maxNamesKept = 4096

// names looks up the addresses of hosts: each once for the life of a Refresher,
// failures included, and a bounded number at a time. The resolver is Go's own,
// so that a worker loads no name service modules.
type names struct {
	resolver net.Resolver
	dial     func(ctx context.Context, network, address string) (net.Conn, error) // to a name server
	limit    time.Duration
	files    *fileCount
	uplink   *uplink
	answers  atomic.Bool // some name was answered, so a refusal is about the name

	mu     sync.Mutex
	known  map[string]*name
	order  []string       // those known, the oldest first
	silent map[string]int // questions in a row that a name server left unanswered
	talks  string         // the name server that answered last; empty before
}

// A name is what is known of a host. Its fields are set when done closes.
type name struct {
	done  chan struct{}
	addrs []netip.Addr
	err   error
}

func newNames(limit time.Duration, f *fileCount, k *uplink) *names {
	n := &names{dial: new(net.Dialer).DialContext, limit: limit, files: f, uplink: k, known: make(map[string]*name), silent: make(map[string]int)}
	n.resolver.PreferGo, n.resolver.Dial = true, n.reach
	return n
}

// lookup returns the addresses of a host, best first. The error is a *shortage, a
// *net.DNSError, or ctx's cause.
func (n *names) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, nil
	}
	for {
		n.mu.Lock()
		e := n.known[host]
		if e == nil {
			e = &name{done: make(chan struct{})}
			n.remember(host, e)
			n.mu.Unlock()
			e.addrs, e.err = n.ask(ctx, host)
			if e.err != nil && !isDNS(e.err) {
				n.forget(host, e)
			}
			close(e.done)
			return e.addrs, e.err
		}
		n.mu.Unlock()
		select {
		case <-e.done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if e.err == nil || isDNS(e.err) {
			return e.addrs, e.err
		}
		// Whoever asked was stopped, which is no answer for others.
	}
}

// remember keeps e. Of too many names it forgets the oldest quarter, but for those that
// are being asked about. The caller holds n.mu.
func (n *names) remember(host string, e *name) {
	if len(n.known) >= maxNamesKept {
		n.order = slices.DeleteFunc(n.order, func(other string) bool {
			if len(n.known) <= maxNamesKept*3/4 {
				return false
			}
			select {
			case <-n.known[other].done:
				delete(n.known, other)
				return true
			default:
				return false
			}
		})
	}
	n.known[host] = e
	n.order = append(n.order, host)
}

func (n *names) forget(host string, e *name) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known[host] == e {
		delete(n.known, host)
		n.order = slices.DeleteFunc(n.order, func(other string) bool { return other == host })
	}
}

// isDNS reports whether err is the answer of a resolver.
func isDNS(err error) bool {
	return is[*net.DNSError](err) && !is[*shortage](err) // which is why there is none
}

// ask asks the resolver, when it is this lookup's turn.
func (n *names) ask(ctx context.Context, host string) ([]netip.Addr, error) {
	if err := n.token(ctx); err != nil {
		return nil, err
	}
	defer func() { <-n.files.lookups }()
	a := &asking{}
	limited, stop := within(context.WithValue(ctx, askingKey{}, a), n.limit, n.uplink)
	defer stop()
	addrs, err := n.resolve(limited, host)
	if err == nil {
		n.answers.Store(true)
		for i := range addrs {
			addrs[i] = addrs[i].Unmap()
		}
		return addrs, nil
	}
	dns, ok := errors.AsType[*net.DNSError](err)
	if ok && dns.IsNotFound {
		if a.isAnswer() {
			n.answers.Store(true)
			return nil, err
		}
		dns = &net.DNSError{Err: "the name server gives no answer", Name: host, IsTemporary: !a.codes[codeRefused].Load()}
		err = dns
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if l := a.shortage.Load(); l != nil {
		return nil, l
	}
	if limited.Err() != nil {
		return nil, &net.DNSError{Err: fmt.Sprintf("no answer within %v", n.limit), Name: host, IsTimeout: true}
	}
	if ok && !dns.IsTemporary && !dns.IsTimeout {
		return nil, &shortage{"the name server refuses to answer", "see what /etc/resolv.conf names", err}
	}
	return nil, err
}

// token takes a token for a lookup. Waiting for what others have is not the server's
// fault.
func (n *names) token(ctx context.Context) error {
	if h, ok := ctx.Value(handedKey{}).(*handed); ok {
		h.clock.pause()
		defer h.clock.start()
	}
	return take(ctx, n.files.lookups)
}

// resolve asks for the addresses of a host, and when that takes long for those of IPv4
// alone: there are name servers, and routers before them, that say nothing where they
// are asked for IPv6 (RFC 4074), and the resolver keeps what it has until it has both.
func (n *names) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	both, stop := within(ctx, n.limit*3/5, nil)
	defer stop()
	addrs, err := n.persist(both, "ip", 2, host)
	if err != nil && both.Err() != nil && ctx.Err() == nil {
		ctx.Value(askingKey{}).(*asking).hangUp()
		return n.persist(ctx, "ip4", 1, host)
	}
	return addrs, err
}

// persist asks so many questions until all have an answer or ctx ends: the resolver gives up
// when one is lost twice, and where the other one has no addresses it says that there are none.
func (n *names) persist(ctx context.Context, network string, questions int64, host string) ([]netip.Addr, error) {
	a := ctx.Value(askingKey{}).(*asking)
	for {
		a.asked.Store(0)
		a.answers.Store(0)
		addrs, err := n.resolver.LookupNetIP(ctx, network, host)
		dns, ok := errors.AsType[*net.DNSError](err)
		lost := ok && dns.IsNotFound && !a.codes[codeNoName].Load() && a.asked.Load() > 0 && a.answers.Load() < questions
		a.lost.Store(lost)
		if !lost && (!ok || !dns.IsTimeout) || ctx.Err() != nil {
			return addrs, err
		}
	}
}

// An asking is told what was lacking for the questions of a lookup, and what came: the
// resolver's own error does not tell.
type asking struct {
	shortage atomic.Pointer[shortage]
	codes    [16]atomic.Bool // of the answers (RFC 1035, section 4.1.1)
	asked    atomic.Int64    // questions; what is no name is not asked for
	answers  atomic.Int64
	lost     atomic.Bool // some question has none

	mu    sync.Mutex
	conns []net.Conn // to name servers
}

const (
	codeServerFailure = 2
	codeNoName        = 3
	codeRefused       = 5
)

// isAnswer reports whether what came says that a name has no addresses. Go's resolver
// says so too when the question for IPv4 was refused, or lost, and that for IPv6 has an empty
// answer; and forwarders refuse what is more than they do at a time, dnsmasq 150.
func (a *asking) isAnswer() bool {
	return a.codes[codeNoName].Load() || !a.codes[codeRefused].Load() && !a.codes[codeServerFailure].Load() && !a.lost.Load()
}

// hangUp closes what the resolver would wait at for seconds after it was stopped:
// the descriptors are counted.
func (a *asking) hangUp() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.conns {
		c.Close()
	}
	a.conns = nil
}

type askingKey struct{}

// mostSilent is how many questions in a row a name server may leave unanswered before
// one that talks is asked in its place. The resolver asks the first one first for every
// name, and waits for it for five seconds.
const mostSilent = 4

// reach connects to a name server, for net.Resolver.
func (n *names) reach(ctx context.Context, network, address string) (net.Conn, error) {
	a, _ := ctx.Value(askingKey{}).(*asking)
	n.mu.Lock()
	if n.silent[address] >= mostSilent && n.talks != "" {
		address = n.talks
	}
	n.mu.Unlock()
	conn, err := n.dial(ctx, network, address)
	if a == nil {
		return conn, err
	}
	if l := shortageOf(err, false); l != nil {
		a.shortage.Store(l)
	}
	if err != nil {
		return conn, err
	}
	a.mu.Lock()
	patience := firstPatience << (len(a.conns) / 2) // the questions for IPv4 and IPv6 go together
	a.conns = append(a.conns, conn)
	a.mu.Unlock()
	a.asked.Add(1)
	udp, ok := conn.(*net.UDPConn)
	if !ok {
		a.answers.Add(1) // nothing is lost over TCP
		return conn, nil
	}
	return &askedConn{udp, n, a, address, patience}, nil
}

// listen notes whether a name server answered.
func (n *names) listen(server string, answered bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !answered {
		n.silent[server]++
		return
	}
	delete(n.silent, server)
	n.talks = server
}

// An askedConn looks at what a name server answers, and notes that nobody listens at its
// address.
type askedConn struct {
	*net.UDPConn
	names    *names
	asking   *asking
	server   string
	patience time.Duration
}

// firstPatience is how long the first question of a lookup waits for its answer; the next
// one waits for twice as long. The resolver has each wait for five seconds, and where 3 in
// 100 packets are lost a round of 3,000 names took 22 s by that, and takes 12.
const firstPatience = time.Second

// SetDeadline sets the resolver's deadline, or the one that patience has if it is earlier.
func (c *askedConn) SetDeadline(t time.Time) error {
	if end := time.Now().Add(c.patience); end.Before(t) {
		t = end
	}
	return c.UDPConn.SetDeadline(t)
}

func (c *askedConn) Read(p []byte) (int, error) {
	n, err := c.UDPConn.Read(p)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		c.asking.shortage.Store(&shortage{"there is no name server at " + c.RemoteAddr().String(), "see what /etc/resolv.conf names", err})
	case err == nil || errors.Is(err, os.ErrDeadlineExceeded):
		c.names.listen(c.server, err == nil)
	}
	if n > 3 {
		c.asking.answers.Add(1)
		c.asking.codes[p[3]&0xf].Store(true)
	}
	return n, err
}
