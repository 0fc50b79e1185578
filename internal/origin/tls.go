package origin

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"sync"
	"time"
)

// A tlsFault is what is wrong with the TLS port of a case.
type tlsFault int

const (
	tlsSound      tlsFault = iota // no TLS port at all
	tlsPrivate                    // nothing, for those who trust TLSRoots
	tlsExpired                    // the certificate was good until yesterday
	tlsWrongName                  // the certificate is another host's
	tlsSelfSigned                 // the certificate vouches for itself
	tlsSilent                     // the handshake is never answered
)

// tlsCases are faults of TLS. All but the first have a port of their own,
// since a host that is an address cannot be chosen by name in the handshake.
func tlsCases() []Case {
	return []Case{
		{Name: "tls-plain", Row: 26, Want: "tls connect", About: "https at a port that speaks plain HTTP",
			link: func(s *Server, host netip.Addr, path string) string {
				return "https" + string(s.appendURL(nil, host, path))[len("http"):]
			}, play: (*exchange).sendRSS},
		{Name: "tls-expired", Row: 26, Want: "tls", About: "a certificate that expired yesterday",
			tls: tlsExpired, play: (*exchange).sendRSS},
		{Name: "tls-wrong-name", Row: 26, Want: "tls", About: "the certificate of another host",
			tls: tlsWrongName, play: (*exchange).sendRSS},
		{Name: "tls-self-signed", Row: 26, Want: "tls", About: "a certificate that vouches for itself",
			tls: tlsSelfSigned, play: (*exchange).sendRSS},
		{Name: "tls-private-root", Row: 26, Want: "tls", About: "a sound certificate of an authority that nobody knows",
			tls: tlsPrivate, play: (*exchange).sendRSS},
		{Name: "tls-silent", Row: 8, Want: "timeout tls", About: "never answers the TLS handshake",
			tls: tlsSilent, play: (*exchange).sendRSS},
		{Name: "tls-downgrade", Row: 6, Want: "redirect tls", About: "302 from https to http, by an authority that nobody knows",
			tls: tlsPrivate, play: func(x *exchange) {
				x.redirect(302, string(x.s.appendURL(nil, x.c.host, "/hostile/moved/there")))
			}},
	}
}

// A tlsPort is the port of one case.
type tlsPort struct {
	listener *listener
	config   *tls.Config // nil when the handshake is never answered
}

func (p *tlsPort) tlsListener() net.Listener { return tls.NewListener(p.listener, p.config) }

// TLSRoots returns a pool with the authority that signed the certificates of
// the TLS cases, or nil without Options.TLS. Who trusts it sees an expired one
// as expired and a wrong name as such, and finds tls-private-root in order.
func (s *Server) TLSRoots() *x509.CertPool {
	if s.roots == nil {
		return nil
	}
	pool := x509.NewCertPool()
	pool.AddCert(s.roots.cert)
	return pool
}

// openTLS opens a port for each case that has one.
func (s *Server) openTLS() error {
	roots, err := newTLSRoots()
	if err != nil {
		return err
	}
	s.roots = roots
	for _, p := range s.cases {
		if p.tls == tlsSound {
			continue
		}
		ln, err := net.Listen("tcp4", netip.AddrPortFrom(p.host, 0).String())
		if err != nil {
			return fmt.Errorf("listen for TLS: %w", err)
		}
		port := &tlsPort{listener: &listener{Listener: ln, set: &s.conns}}
		s.tls = append(s.tls, port)
		p.URL = "https://" + ln.Addr().String() + "/hostile/" + p.Name
		if p.tls == tlsSilent {
			continue
		}
		cert, err := roots.issue(p.tls, p.host)
		if err != nil {
			return err
		}
		port.config = &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"}}
	}
	return nil
}

// holdSilently accepts connections and never says a word on them.
func (s *Server) holdSilently(ln net.Listener) {
	var held sync.WaitGroup
	for {
		c, err := ln.Accept()
		if err != nil {
			break
		}
		held.Go(func() {
			c.SetReadDeadline(time.Now().Add(answerLimit))
			io.Copy(io.Discard, c)
			c.Close()
		})
	}
	// Only the end of the Server closes ln, and it closes these as well.
	held.Wait()
}

// tlsRoots is an authority made for one Server, in memory only.
type tlsRoots struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newTLSRoots() (*tlsRoots, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make TLS key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "feed origin, for tests only"},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(30 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make TLS certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read TLS certificate: %w", err)
	}
	return &tlsRoots{cert, key}, nil
}

// issue returns a certificate for host with a fault.
func (a *tlsRoots) issue(fault tlsFault, host netip.Addr) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make TLS key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "feed origin"},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(7 * 24 * time.Hour),
		IPAddresses: []net.IP{host.AsSlice()}, DNSNames: []string{"localhost"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	parent, signer := a.cert, a.key
	switch fault {
	case tlsExpired:
		template.NotBefore, template.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)
	case tlsWrongName:
		template.IPAddresses, template.DNSNames = nil, []string{"elsewhere.example"}
	case tlsSelfSigned:
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make TLS certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
