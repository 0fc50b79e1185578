package origin

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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
	return slices.ContainsFunc(strings.Split(strings.Join(values, ","), ","), func(tag string) bool {
		tag = strings.Trim(tag, " \t")
		return tag == "*" || tag == etag
	})
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

// A bodyKey names a body: the tag of its representation, and its coding.
type bodyKey struct {
	tag string
	enc coding
}

// maxEpoch keeps every date before 2037.
const maxEpoch = 100_000

// A cache has the present epoch, and keeps bodies of it up to a number of bytes.
// What does not fit is made anew each time.
//
// Rejected: dropping the oldest. A round asks for each feed once, in an order
// that the next one repeats, and then the oldest is just what comes next.
type cache struct {
	limit int64 // negative: keep nothing
	epoch atomic.Int64

	mu     sync.RWMutex
	bodies map[bodyKey][]byte
	size   int64
}

func (c *cache) get(k bodyKey) ([]byte, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	body, ok := c.bodies[k]
	return body, ok
}

// put keeps a copy of body when there is room.
func (c *cache) put(k bodyKey, body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.size+int64(len(body)) > c.limit {
		return
	}
	if _, ok := c.bodies[k]; ok {
		return
	}
	c.bodies[k] = bytes.Clone(body)
	c.size += int64(len(body))
}

// set begins epoch n, or the nearest one within bounds.
func (c *cache) set(n int) { c.move(func(int64) int64 { return int64(n) }) }

// add moves n epochs on and returns the new one.
func (c *cache) add(n int) int { return c.move(func(old int64) int64 { return old + int64(n) }) }

func (c *cache) move(to func(old int64) int64) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := min(max(to(c.epoch.Load()), 0), maxEpoch)
	c.epoch.Store(next)
	clear(c.bodies)
	c.size = 0
	return int(next)
}
