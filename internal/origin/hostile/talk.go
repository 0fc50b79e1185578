package hostile

import (
	"bytes"
	"errors"
	"io"
	"net"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// A talk is an HTTP/2 connection on which a client has asked for a case.
type talk struct {
	conn   net.Conn
	fr     *http2.Framer
	stream uint32 // of the request
}

// http2Body is the document of the shelf.
const http2Body = xmlHead + `<rss version="2.0"><channel><title>HTTP/2</title><item><guid>1</guid><title>One</title></item><item><guid>2</guid><title>Two</title></item></channel></rss>`

// headers encodes names and values for a header block.
func headers(pairs ...string) []byte {
	var b bytes.Buffer
	enc := hpack.NewEncoder(&b)
	for i := 0; i+1 < len(pairs); i += 2 {
		enc.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	return b.Bytes()
}

// head begins an answer.
func (t *talk) head(code string, pairs ...string) error {
	return t.fields(false, append([]string{":status", code}, pairs...)...)
}

func (t *talk) fields(end bool, pairs ...string) error { return t.block(headers(pairs...), end) }

// block sends a header block in frames that are not too large.
func (t *talk) block(b []byte, end bool) error {
	first := b[:min(len(b), 16<<10)]
	err := t.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: t.stream, BlockFragment: first, EndStream: end, EndHeaders: len(first) == len(b)})
	for b = b[len(first):]; len(b) > 0 && err == nil; {
		n := min(len(b), 16<<10)
		err = t.fr.WriteContinuation(t.stream, n == len(b), b[:n])
		b = b[n:]
	}
	return err
}

func (t *talk) data(body string, end bool) error { return t.fr.WriteData(t.stream, end, []byte(body)) }

// sound is a whole answer.
func (t *talk) sound() { t.head("200"); t.data(http2Body, true) }

func (t *talk) reset(code http2.ErrCode) { t.fr.WriteRSTStream(t.stream, code); t.wait() }

func (t *talk) set(id http2.SettingID, value uint32) error {
	return t.fr.WriteSettings(http2.Setting{ID: id, Val: value})
}

// until repeats a frame until the client is gone or the answer's limit is over.
func (t *talk) until(frame func(*talk) error) {
	end := time.Now().Add(AnswerLimit)
	for time.Now().Before(end) {
		if frame(t) != nil {
			return
		}
	}
}

// wait says nothing more until the client is gone.
func (t *talk) wait() { t.rest(AnswerLimit) }

// rest waits for d, or for the end of the connection, which it reports as false.
func (t *talk) rest(d time.Duration) bool {
	t.conn.SetReadDeadline(time.Now().Add(d))
	_, err := io.Copy(io.Discard, t.conn)
	n, ok := errors.AsType[net.Error](err)
	return ok && n.Timeout()
}

// listenTo reads a client's connection up to its first request; nil when it has
// none.
func listenTo(c net.Conn) *talk {
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(c, preface); err != nil || string(preface) != http2.ClientPreface {
		return nil
	}
	t := &talk{conn: c, fr: http2.NewFramer(c, c)}
	t.fr.AllowIllegalWrites = true
	t.fr.WriteSettings()
	for {
		f, err := t.fr.ReadFrame()
		if err != nil {
			return nil
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				t.fr.WriteSettingsAck()
			}
		case *http2.HeadersFrame:
			t.stream = f.StreamID
			return t
		}
	}
}
