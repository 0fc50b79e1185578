package origin

import (
	"crypto/tls"
	"math"
	"net/http"
	"net/netip"
	"testing"
	"time"
)

func TestHostsAreSpreadAsOnTheWeb(t *testing.T) {
	s := quiet(t, Options{Web: true})
	var dead, slow, refuses, faster int
	const hosts = 100_000
	for i := range hosts {
		b := [4]byte{127, byte(i >> 16), byte(i >> 8), byte(i)}
		f := s.fateOf(netip.AddrFrom4(b))
		if f != s.fateOf(netip.AddrFrom4(b)) {
			t.Fatalf("host %d has two fates", i)
		}
		switch {
		case f.dead:
			dead++
		case f.status != 0:
			refuses++
		case f.latency >= 3*time.Second:
			slow++
		}
		if f.latency < webMedian {
			faster++
		}
	}
	for _, c := range []struct {
		what      string
		got, want float64
	}{{"dead", float64(dead) / hosts, .015}, {"refusing", float64(refuses) / hosts, .04}, {"slow", float64(slow) / hosts, .0103}, {"faster than the median", float64(faster) / hosts, .49}} {
		if math.Abs(c.got-c.want) > .1*c.want+.0005 {
			t.Errorf("%s: a share of %.4f, want %.4f", c.what, c.got, c.want)
		}
	}
}

func TestHTTPSSpeaksBothProtocolsUnderEveryName(t *testing.T) {
	s := start(t, Options{HTTPS: true, Feeds: 3, Hosts: 3})
	c := client(t)
	for _, protocol := range []string{"http/1.1", "h2"} {
		tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.TLSRoots(), NextProtos: []string{protocol}}, ForceAttemptHTTP2: protocol == "h2"}
		t.Cleanup(tr.CloseIdleConnections)
		c.Transport = tr
		for u := range s.URLs() {
			resp, _ := get(t, c, u)
			if major := map[string]int{"http/1.1": 1, "h2": 2}[protocol]; resp.StatusCode != 200 || resp.ProtoMajor != major {
				t.Errorf("%s: %s over %s, want 200 over %s", u, resp.Status, resp.Proto, protocol)
			}
		}
		tr.TLSClientConfig.ServerName = "feeds.example"
		tr.CloseIdleConnections()
		if resp, _ := get(t, c, "https://"+s.Addr()+"/list"); resp.TLS.PeerCertificates[0].VerifyHostname("feeds.example") != nil {
			t.Errorf("the certificate is for %v, want feeds.example", resp.TLS.PeerCertificates[0].DNSNames)
		}
	}
	// What is not TLS is answered as ever.
	if resp, _ := get(t, client(t), "http://"+s.Addr()+"/list"); resp.StatusCode != 200 {
		t.Errorf("plain http: %s, want 200", resp.Status)
	}
}
