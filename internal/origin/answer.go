package origin

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A representation is what a URL stands for at the moment, before a coding is
// chosen. Its body is made only when it must be sent.
type representation struct {
	contentType string
	tag         string    // unique to these bytes
	etag        bool      // the tag is sent, as an ETag
	modified    time.Time // whole seconds; zero for no Last-Modified
	latency     time.Duration
	body        func(b []byte) []byte // appends the body
}

// answer sends a representation: 304 when the request's validators say that
// the client has it, else the body in coding enc. It is for GET and HEAD.
func (c *cache) answer(w http.ResponseWriter, r *http.Request, rep representation, enc coding) {
	if !pause(r.Context(), rep.latency) {
		return
	}
	h := w.Header()
	h["Vary"] = []string{"Accept-Encoding"}
	var etag, modified string
	if rep.etag {
		etag = makeETag(rep.tag, enc)
		h["Etag"] = []string{etag}
	}
	if !rep.modified.IsZero() {
		modified = rep.modified.UTC().Format(http.TimeFormat)
		h["Last-Modified"] = []string{modified}
	}
	if isCurrent(r.Header, etag, rep.modified) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h["Content-Type"] = []string{rep.contentType}
	if enc != identity {
		h["Content-Encoding"] = []string{string(enc)}
	}
	c.send(w, rep, enc)
}

// send sends the body, from the cache when it is there. The cache's key is
// the tag, which says which bytes these are, whether or not the client is told.
func (c *cache) send(w http.ResponseWriter, rep representation, enc coding) {
	key := bodyKey{rep.tag, enc}
	epoch := c.epoch.Load()
	body, ok := c.get(key)
	if !ok {
		buf := takeBuffer()
		defer buf.give()
		buf.plain = rep.body(buf.plain[:0])
		body = buf.plain
		if enc != identity {
			buf.coded = encode(buf.coded[:0], buf.plain, enc)
			body = buf.coded
		}
		if c.epoch.Load() == epoch {
			c.put(key, body)
		}
	}
	w.Header()["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.Write(body) // a client that is gone is no error of ours
}

// makeETag returns the entity tag of a representation in a coding. Two
// codings are two sequences of bytes, so a strong tag must tell them apart
// (RFC 9110, section 8.8.3.3).
func makeETag(tag string, enc coding) string {
	if enc == identity {
		return `"` + tag + `"`
	}
	return `"` + tag + "-" + string(enc) + `"`
}

// isCurrent reports whether a request's validators match, and the answer is
// 304. If-Modified-Since counts only without If-None-Match (RFC 9110, section
// 13.2.2).
//
// RFC 9110 compares If-None-Match weakly. Here a tag must come back byte for
// byte: only so does a client that adds or drops a W/ show up.
func isCurrent(h http.Header, etag string, modified time.Time) bool {
	if tags := h["If-None-Match"]; tags != nil {
		return etag != "" && lists(tags, etag)
	}
	since := h.Get("If-Modified-Since")
	if since == "" || modified.IsZero() {
		return false
	}
	t, err := http.ParseTime(since)
	return err == nil && !modified.After(t)
}

// lists reports whether one of the values of If-None-Match is, or lists, etag.
// The origin's own tags hold no comma.
func lists(values []string, etag string) bool {
	for _, v := range values {
		if v == "*" {
			return true
		}
		for tag := range strings.SplitSeq(v, ",") {
			if strings.Trim(tag, " \t") == etag {
				return true
			}
		}
	}
	return false
}

// pause waits for d, or until the client is gone or the server stops, which
// it reports as false.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
