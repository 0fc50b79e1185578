package hostile

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"feedmill/internal/origin/authority"
)

// Cases returns the cases of the kit in the order of their rows, roughly
// from the network up to the document. The TLS ones are only played with
// Options.TLS.
//
// Two rows are left out: names that do not resolve (24), or resolve to another
// address each time (3), need a resolver, not a server. And of row 26 there is
// no key of more than 8,192 bits, since it takes seconds to make.
func Cases() []Case {
	return slices.Concat(
		addressCases(), redirectCases(), movedCases(), wireCases(), sizeOfAnswerCases(), codingCases(),
		limitedCases(), statusCases(), validatorCases(), tlsCases(),
		boundCases(), entityCases(), identityCases(), charsetCases(), characterCases(), dateCases(),
		changeCases(), vocabularyCases(), structureCases(), jsonCases(),
	)
}

// Options says which cases a Kit plays. The zero value plays those that need no
// port of their own.
type Options struct {
	Authority *authority.Authority // signs for the ports; nil without TLS and HTTP2
	TLS       bool                 // play the TLS cases too, each on a port of its own
	HTTP2     bool                 // play what HTTP2 returns too, each on a port of its own
	// Secure says that the Stage's own port speaks TLS as well, which leaves out
	// the case of one that does not.
	Secure bool
}

// A Kit is the cases as one Stage plays them. Its methods may be called from
// any goroutine.
type Kit struct {
	stage  Stage
	byName map[string]*Played
	all    []*Played
	ports  []*port
}

// A port is the port of one case.
type port struct {
	net.Listener
	config *tls.Config // nil when the handshake is never answered
	shelf  *Played     // the case, when it is one of HTTP/2
}

// New gives each case its place on stage, and opens the ports of those that
// have one. A Kit that will not be served must be closed.
func New(stage Stage, opts Options) (*Kit, error) {
	k := &Kit{stage: stage, byName: make(map[string]*Played)}
	for i, c := range slices.Concat(Cases(), HTTP2()) {
		switch {
		case c.tls == tlsHTTP2 && !opts.HTTP2,
			c.tls != tlsSound && c.tls != tlsHTTP2 && !opts.TLS,
			c.Name == "tls-plain" && opts.Secure: // there is no such port
			continue
		}
		p := &Played{Case: c, host: stage.Host(FirstHost + i)}
		path := "/hostile/" + c.Name
		if c.link != nil {
			p.URL = c.link(stage, p.host, path)
		} else {
			p.URL = stage.URL(p.host, path)
		}
		k.byName[c.Name] = p
		k.all = append(k.all, p)
		if c.tls != tlsSound {
			if err := k.open(p, opts.Authority); err != nil {
				k.Close()
				return nil, err
			}
		}
	}
	return k, nil
}

// open opens the port of a case.
func (k *Kit) open(p *Played, a *authority.Authority) error {
	ln, err := k.stage.Listen(p.host)
	if err != nil {
		return fmt.Errorf("listen for TLS: %w", err)
	}
	own := &port{Listener: ln}
	k.ports = append(k.ports, own)
	p.URL = "https://" + ln.Addr().String() + "/hostile/" + p.Name
	switch p.tls {
	case tlsSilent:
	case tlsHTTP2:
		own.config, own.shelf = a.ServerConfig(), p
	default:
		cert, err := issue(a, p.tls, p.host)
		if err != nil {
			return err
		}
		own.config = &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"}}
	}
	return nil
}

// Close gives up the ports, and ends Serve when the Stage has closed their
// connections too.
func (k *Kit) Close() error {
	var first error
	for _, p := range k.ports {
		if err := p.Close(); first == nil {
			first = err
		}
	}
	return first
}

// Serve gives the ports on which HTTP/1.1 is spoken to web, which must not
// block, and answers on the others until they and their connections are closed.
func (k *Kit) Serve(web func(net.Listener)) {
	var own sync.WaitGroup
	for _, p := range k.ports {
		switch {
		case p.shelf != nil:
			own.Go(func() {
				acceptAll(tls.NewListener(p.Listener, p.config), func(c net.Conn) { p.shelf.talkHTTP2(c.(*tls.Conn)) })
			})
		case p.config != nil:
			web(tls.NewListener(p.Listener, p.config))
		default:
			own.Go(func() { acceptAll(p.Listener, Silence) })
		}
	}
	own.Wait()
}

// talkHTTP2 plays the case to whoever has connected. Over HTTP/1.1 the answer is
// sound.
func (p *Played) talkHTTP2(c *tls.Conn) {
	c.SetDeadline(time.Now().Add(AnswerLimit))
	if c.Handshake() != nil {
		return
	}
	p.hits.Add(1)
	if c.ConnectionState().NegotiatedProtocol != "h2" {
		c.Read(make([]byte, 4<<10)) // an answer before its request is another fault
		head := "HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\nConnection: close\r\nContent-Length: "
		io.WriteString(c, head+strconv.Itoa(len(http2Body))+"\r\n\r\n"+http2Body)
		return
	}
	if t := listenTo(c); t != nil {
		p.talk(t)
		c.CloseWrite()
		t.rest(time.Second) // or what was sent may be lost with what was not read
	}
}

// acceptAll has every connection of ln answered by a goroutine of its own, until ln
// is closed and all have ended.
func acceptAll(ln net.Listener, answer func(net.Conn)) {
	var open sync.WaitGroup
	defer open.Wait()
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		open.Go(func() {
			defer c.Close()
			answer(c)
		})
	}
}

// ServeHTTP answers a request for a case, at /hostile/{name} and
// /hostile/{name}/{step}. The cases that say what no HTTP server would say are
// answered with 500 when w is no Taker.
func (k *Kit) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p := k.byName[r.PathValue("name")]
	if p == nil || p.play == nil {
		http.NotFound(w, r)
		return
	}
	x := &exchange{stage: k.stage, w: w, r: r, c: p, step: r.PathValue("step")}
	if x.step == "" {
		x.hit = p.hits.Add(1)
	}
	p.play(x)
}

// Played returns the cases that are played, in the order of Cases.
func (k *Kit) Played() []*Played { return k.all }

// Place returns the URL of a case, or "" when it is not played.
func (k *Kit) Place(name string) string {
	if p := k.byName[name]; p != nil {
		return p.URL
	}
	return ""
}

// Hits returns how often a case was asked for; one of HTTP2, over how many
// connections.
func (k *Kit) Hits(name string) int64 {
	if p := k.byName[name]; p != nil {
		return p.hits.Load()
	}
	return 0
}

// List writes the URLs of the cases that are played to w, one a line.
func (k *Kit) List(w io.Writer) error {
	b := bufio.NewWriter(w)
	for _, p := range k.all {
		fmt.Fprintln(b, p.URL)
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write hostile list: %w", err)
	}
	return nil
}

// Table writes URL, expected classes and what happens, separated by tabs.
func (k *Kit) Table(w io.Writer) error {
	b := bufio.NewWriter(w)
	for _, p := range k.all {
		fmt.Fprintf(b, "%s\t%s\t%s\n", p.URL, p.Want, p.About)
	}
	return b.Flush()
}
