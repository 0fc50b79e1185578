package hostile

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"time"

	"feedmill/internal/origin/authority"
)

// tlsCases are faults of TLS. All but the first have a port of their own,
// since a host that is an address cannot be chosen by name in the handshake.
func tlsCases() []Case {
	return []Case{
		{Name: "tls-plain", Row: 26, Want: "tls connect", About: "https at a port that speaks plain HTTP",
			link: func(s Stage, host netip.Addr, path string) string {
				return "https" + s.URL(host, path)[len("http"):]
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
				x.redirect(302, x.stage.URL(x.c.host, "/hostile/moved/there"))
			}},
	}
}

// issue returns a certificate for host with a fault.
func issue(a *authority.Authority, fault tlsFault, host netip.Addr) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make TLS key: %w", err)
	}
	template := authority.Leaf(host.String())
	template.IPAddresses, template.DNSNames = []net.IP{host.AsSlice()}, []string{"localhost"}
	sign := a.Sign
	switch fault {
	case tlsExpired:
		template.NotBefore, template.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)
	case tlsWrongName:
		template.IPAddresses, template.DNSNames = nil, []string{"elsewhere.example"}
	case tlsSelfSigned:
		sign = func(template *x509.Certificate, public crypto.PublicKey) ([]byte, error) {
			return x509.CreateCertificate(rand.Reader, template, template, public, key)
		}
	}
	der, err := sign(template, key.Public())
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make TLS certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
