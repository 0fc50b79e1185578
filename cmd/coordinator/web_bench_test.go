package main

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"feedmill/internal/feeds"
)

// A webClient is a bare client for hosts that are asked once: it has as many
// requests under way as it likes, closes as it goes, and takes what fails as it
// comes.
type webClient struct {
	urls     []string
	roots    *x509.CertPool
	underWay int
	timeout  time.Duration
}

// round asks for every feed once.
func (c *webClient) round() cost {
	t := &http.Transport{DisableKeepAlives: true, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: c.roots}}
	client := &http.Client{Transport: t, Timeout: c.timeout}
	start, cpu := time.Now(), cpuTime()
	work := make(chan string)
	var wg sync.WaitGroup
	for range c.underWay {
		wg.Go(func() {
			for u := range work {
				if resp, err := client.Get(u); err == nil {
					readOnly(resp.Body)
					resp.Body.Close()
				}
			}
		})
	}
	for _, u := range c.urls {
		work <- u
	}
	close(work)
	wg.Wait()
	return cost{time.Since(start), cpuTime() - cpu}
}

// startHTTPS is startLoad over https; what is started trusts its authority, and
// so does who has the pool.
func startHTTPS(b *testing.B, args ...string) (*load, *x509.CertPool) {
	b.Helper()
	if !manyHosts() {
		b.Skip("this system answers on one loopback address only")
	}
	authority := filepath.Join(b.TempDir(), "authority.pem")
	l := startLoad(b, append(args, "--tls", "--authority", authority)...)
	b.Setenv("SSL_CERT_FILE", authority)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(readFile(b, authority))
	return l, roots
}

// BenchmarkRoundHTTPS is a round of hosts that each speak HTTP/2, against a
// client that makes the same requests and closes as it goes: with items that are
// all new, which that client neither reads nor stores, and with the bodies of
// last time.
func BenchmarkRoundHTTPS(b *testing.B) {
	b.Run("new", func(b *testing.B) {
		l, roots := startHTTPS(b, httpsLoad...)
		benchmarkHTTPS(b, l, roots, func() *program { return &program{args: []string{"--list", l.list}, want: feeds.OK} })
	})
	b.Run("unchanged", func(b *testing.B) {
		l, roots := startHTTPS(b, append(httpsLoad, "--no-validators")...)
		benchmarkHTTPS(b, l, roots, func() *program {
			return &program{args: []string{"--force"}, want: feeds.Unchanged, db: l.filled(b)}
		})
	})
}

// httpsLoad is the load of BenchmarkRoundHTTPS.
var httpsLoad = []string{"--feeds", "2000", "--hosts", "2000", "--items", "20", "--bytes", "500", "--latency", "30ms"}

func benchmarkHTTPS(b *testing.B, l *load, roots *x509.CertPool, start func() *program) {
	client := &webClient{urls: l.urls, roots: roots, underWay: 128, timeout: feeds.DefaultTimeout}
	pipe, goroutine := start(), start()
	pipe.mode, goroutine.mode = "pipe", "goroutine"
	client.round() // the origin makes its certificates and bodies
	t := inTurn(b, func() {}, arm{"bare", client.round}, pipe.arm(b), goroutine.arm(b))
	t.report(b, "pipe", "bare")
	b.ReportMetric(1.3, "pipe/bare-cpu-at-most")
	peak := int64(0)
	for _, o := range pipe.outs {
		peak = max(peak, o.summary.PeakRSS.Worker)
	}
	b.ReportMetric(float64(peak)/(1<<20), "worker-MB")
	b.ReportMetric(80, "worker-MB-at-most")
}

// BenchmarkRoundUnderWay is what each request that waits for an answer over TLS adds
// to a worker's largest resident set: that of a round with many under way all the
// time, less that of one with few.
func BenchmarkRoundUnderWay(b *testing.B) {
	const few, many = 16, 512
	l, _ := startHTTPS(b, "--feeds", strconv.Itoa(many), "--hosts", strconv.Itoa(many), "--items", "2", "--bytes", "200", "--latency", "5s")
	peak := func(b *testing.B, n int, args ...string) int64 {
		list := writeFile(b, "feeds.txt", strings.Join(l.urls[:n], "\n"))
		out := refreshed(b, filepath.Join(b.TempDir(), "feeds.db"), append(args, "-n", "1", "--fetches", strconv.Itoa(n), "--list", list)...)
		out.want(b, exitOK)
		return out.summary.PeakRSS.Worker
	}
	run := func(name string, args ...string) {
		b.Run(name, func(b *testing.B) {
			var grown int64
			for b.Loop() {
				grown += peak(b, many, args...) - peak(b, few, args...)
			}
			b.ReportMetric(float64(grown)/float64(b.N)/(many-few)/1024, "KB/request")
			b.ReportMetric(60, "KB/request-at-most")
		})
	}
	run("http2")
	run("http1", "--http1")
}

// BenchmarkRoundWeb is a round of hosts whose latencies and fates are those of
// the web, over http and https, against a client with 1,024 requests under way
// and the same patience. FEEDMILL_LARGE makes it 10,000 hosts and 30 s.
func BenchmarkRoundWeb(b *testing.B) {
	hosts, patience := 2000, 5*time.Second
	if os.Getenv(largeLists) != "" {
		hosts, patience = 10_000, feeds.DefaultTimeout
	}
	n := strconv.Itoa(hosts)
	args := []string{"--feeds", n, "--hosts", n, "--items", "20", "--bytes", "500", "--web"}
	run := func(b *testing.B, l *load, roots *x509.CertPool) {
		client := &webClient{urls: l.urls, roots: roots, underWay: 1024, timeout: patience}
		var peak int64
		t := inTurn(b, func() {}, arm{"bare", client.round}, arm{"pipe", func() cost {
			out := refreshed(b, filepath.Join(b.TempDir(), "feeds.db"), "-n", "2", "--list", l.list, "--timeout", patience.String())
			out.want(b, exitFeeds)
			peak = max(peak, out.summary.PeakRSS.Coordinator+2*out.summary.PeakRSS.Worker)
			return cost{out.wall, out.cpu}
		}})
		t.report(b, "pipe", "bare")
		b.ReportMetric(1.25, "pipe/bare-at-most")
		b.ReportMetric(float64(peak)/(1<<20), "all-MB")
		b.ReportMetric(400, "all-MB-at-most")
	}
	b.Run("http", func(b *testing.B) {
		if !manyHosts() {
			b.Skip("this system answers on one loopback address only")
		}
		run(b, startLoad(b, args...), nil)
	})
	b.Run("https", func(b *testing.B) {
		l, roots := startHTTPS(b, args...)
		run(b, l, roots)
	})
}
