// Package authority makes certificates for hosts that exist on this machine
// alone, and says whom to trust for them.
//
// It refuses to write a key anywhere.
package authority

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"sync"
	"time"
)

// PEM returns the authority's own certificate, as SSL_CERT_FILE wants it.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// Pool returns a pool with the authority alone.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// Sign returns a certificate in DER for whoever has the private half of a key.
func (a *Authority) Sign(template *x509.Certificate, public crypto.PublicKey) ([]byte, error) {
	return x509.CreateCertificate(rand.Reader, template, a.cert, public, a.key)
}

// ServerConfig returns how hosts speak TLS: by whatever name or address they
// are called, HTTP/2 to whoever offers it.
func (a *Authority) ServerConfig() *tls.Config {
	return &tls.Config{
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
			name := h.ServerName
			if name == "" { // who calls an address names none
				name = h.Conn.LocalAddr().(*net.TCPAddr).IP.String()
			}
			return a.certificate(name)
		},
	}
}

// maxCertificates bounds those that are kept.
const maxCertificates = 20_000

// certificate returns that of a host.
func (a *Authority) certificate(name string) (*tls.Certificate, error) {
	a.mu.Lock()
	c := a.issued[name]
	a.mu.Unlock()
	if c != nil {
		return c, nil
	}
	template := Leaf(name)
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := a.Sign(template, a.key.Public())
	if err != nil {
		return nil, fmt.Errorf("make TLS certificate: %w", err)
	}
	c = &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.issued) >= maxCertificates {
		clear(a.issued)
	}
	a.issued[name] = c
	return c, nil
}

// Leaf returns what the certificates of hosts have in common.
func Leaf(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "feed origin " + name},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(7 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
}

// An Authority signs the certificates of one origin, which trust it alone. It
// is made anew each time, and is in memory only. Its methods may be called from
// any goroutine.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey

	mu     sync.Mutex
	issued map[string]*tls.Certificate // by the name or address of a host
}

// New makes an Authority, good for a month.
func New() (*Authority, error) {
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
	return &Authority{cert: cert, key: key, issued: make(map[string]*tls.Certificate)}, nil
}
