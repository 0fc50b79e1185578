package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/net/http2"

	"feedmill/internal/feeds"
	"feedmill/internal/origin"
)

// wearing are servers that try to make the fetching of one document cost time or
// memory without end, rather than its reading. Each writes on a connection after
// the request's head until that fails.
var wearing = map[string]func(w *bufio.Writer){
	"chunks of a byte": func(w *bufio.Writer) {
		w.WriteString(chunked)
		repeat(w, "1\r\nx\r\n")
	},
	"chunk extensions": func(w *bufio.Writer) {
		w.WriteString(chunked)
		repeat(w, "1;"+strings.Repeat("x", 3000)+"\r\nx\r\n")
	},
	"one chunk extension": func(w *bufio.Writer) {
		w.WriteString(chunked + "1;")
		repeat(w, "xxxxxxxx")
	},
	"trailers": func(w *bufio.Writer) {
		w.WriteString(chunked + "1\r\nx\r\n0\r\n")
		repeat(w, "A: b\r\n")
	},
	"one header": func(w *bufio.Writer) {
		w.WriteString("HTTP/1.1 200 OK\r\nA: ")
		repeat(w, "xxxxxxxx")
	},
	"interim answers": func(w *bufio.Writer) { repeat(w, "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n") },
	"empty gzip members": func(w *bufio.Writer) {
		var b bytes.Buffer
		gzip.NewWriter(&b).Close()
		w.WriteString("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n")
		repeat(w, b.String())
	},
	"empty zstd frames": func(w *bufio.Writer) {
		z, _ := zstd.NewWriter(nil, zstd.WithWindowSize(8<<20))
		w.WriteString("HTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\n\r\n")
		repeat(w, string(z.EncodeAll(nil, nil)))
	},
	"skippable zstd frames": func(w *bufio.Writer) {
		w.WriteString("HTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\n\r\n")
		repeat(w, "\x50\x2a\x4d\x18\x00\x00\x00\x00")
	},
	"large zstd frames": func(w *bufio.Writer) { // each promises 8 MiB and has a byte
		w.WriteString("HTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\n\r\n")
		repeat(w, "\x28\xb5\x2f\xfd\x00\x68\x09\x00\x00x")
	},
}

const chunked = "HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\nTransfer-Encoding: chunked\r\n\r\n"

// wearing2 are the same over HTTP/2, after the request's headers on stream 1.
var wearing2 = map[string]func(f *http2.Framer) error{
	"empty data": func(f *http2.Framer) error {
		f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x88}, EndHeaders: true})
		for {
			if err := f.WriteData(1, false, nil); err != nil {
				return err
			}
		}
	},
	"padding": func(f *http2.Framer) error {
		f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x88}, EndHeaders: true})
		for {
			if err := f.WriteDataPadded(1, false, []byte("x"), make([]byte, 255)); err != nil {
				return err
			}
		}
	},
	"continuation": func(f *http2.Framer) error {
		f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x88}})
		for {
			// A header that is not indexed, of a name and a value of a byte.
			if err := f.WriteContinuation(1, false, bytes.Repeat([]byte("\x00\x01a\x01b"), 1000)); err != nil {
				return err
			}
		}
	},
	"pings": func(f *http2.Framer) error {
		for {
			if err := f.WritePing(false, [8]byte{}); err != nil {
				return err
			}
		}
	},
	"settings": func(f *http2.Framer) error {
		for {
			if err := f.WriteSettings(); err != nil {
				return err
			}
		}
	},
	"window updates": func(f *http2.Framer) error {
		for {
			if err := f.WriteWindowUpdate(1, 1); err != nil {
				return err
			}
		}
	},
	"unknown frames": func(f *http2.Framer) error {
		for {
			if err := f.WriteRawFrame(0xee, 0, 1, make([]byte, 16000)); err != nil {
				return err
			}
		}
	},
}

// repeat writes s until that fails.
func repeat(w *bufio.Writer, s string) {
	s = strings.Repeat(s, 1+(32<<10)/len(s))
	for {
		if _, err := w.WriteString(s); err != nil {
			return
		}
	}
}

// plain serves connections on address until the test ends.
func plain(t *testing.T, address string, talk func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp4", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				talk(conn)
			}()
		}
	}()
	return l.Addr().String()
}

// TestServersThatWearOutTheFetchCostTheirOwnFeeds: no worker dies of them, and
// the feeds beside them are as without them.
func TestServersThatWearOutTheFetchCostTheirOwnFeeds(t *testing.T) {
	t.Parallel()
	if !manyHosts() {
		t.Skip("this system answers on one loopback address only")
	}
	s := serve(t, origin.Options{Feeds: 40, Hosts: 20, Items: 5})
	var bad []string
	host := 0
	at := func() string { host++; return fmt.Sprintf("127.0.9.%d:0", host) }
	name := make(map[string]string)
	for what, play := range wearing {
		addr := plain(t, at(), func(conn net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				play(bufio.NewWriter(conn))
			}
		})
		u := "http://" + addr + "/feed"
		name[u], bad = what, append(bad, u)
	}
	var addrs []net.IP
	for i := range len(wearing2) {
		addrs = append(addrs, net.IPv4(127, 0, 9, byte(host+1+i)))
	}
	cert := certificate(t, addrs)
	for what, play := range wearing2 {
		addr := plain(t, at(), func(conn net.Conn) {
			c := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2"}})
			if err := c.Handshake(); err != nil {
				return
			}
			io.ReadFull(c, make([]byte, len(http2.ClientPreface)))
			go io.Copy(io.Discard, c)
			f := http2.NewFramer(c, nil)
			f.WriteSettings()
			play(f)
		})
		u := "https://" + addr + "/feed"
		name[u], bad = what+" of HTTP/2", append(bad, u)
	}
	list := string(readFile(t, s.list)) + strings.Join(bad, "\n")
	db := filepath.Join(t.TempDir(), "feeds.db")
	out := refreshed(t, db, "--list", writeFile(t, "all.txt", list), "-n", "2", "--timeout", "6s")
	out.want(t, exitFeeds)
	for _, l := range out.feeds {
		what, isBad := name[l.URL]
		switch {
		case !isBad && l.Class != feeds.OK:
			t.Errorf("%s beside them ended as %s: %s", l.URL, l.Class, l.Detail)
		case isBad && (l.Class.OK() || l.Class.Kills() || l.Class == feeds.Cancelled):
			t.Errorf("%s ended as %s: %s", what, l.Class, l.Detail)
		}
	}
	// A worker collects as often as it must from 160 MiB on.
	if out.summary.WorkerDeaths > 0 || out.summary.PeakRSS.Worker > 192<<20 {
		t.Errorf("%d workers died, and the largest had %d bytes", out.summary.WorkerDeaths, out.summary.PeakRSS.Worker)
	}
}

// certificate returns one for these addresses, which programs that the test
// starts will trust.
func certificate(t *testing.T, addrs []net.IP) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: addrs,
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	trust(t, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
