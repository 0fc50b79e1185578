package origin

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Bounds of what a feed can be told to be.
const (
	maxItems = 200_000 // items of a feed
	maxBytes = 1 << 20 // bytes of an item
)

// knobs are what the query of a feed's URL may change.
type knobs struct {
	items, bytes int
	latency      time.Duration
	validators   bool
	gzip         bool
	enc          coding // forced, whatever the client accepts
	status       int    // answer with this status and no body; 0 for none
	retryAfter   string
	maxAge       string
}

// turned returns the knobs as a query turns them. Unknown ones are refused, so
// that a misspelt one does not pass for its default.
func (k knobs) turned(query string) (knobs, error) {
	if query == "" {
		return k, nil
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return k, err
	}
	for name, vs := range values {
		if err := k.set(name, vs[0]); err != nil {
			return k, err
		}
	}
	return k, nil
}

func (k *knobs) set(name, v string) (err error) {
	switch name {
	case "items":
		k.items, err = number(name, v, 0, maxItems)
	case "bytes":
		k.bytes, err = number(name, v, 1, maxBytes)
	case "status":
		k.status, err = number(name, v, 200, 599)
	case "latency":
		k.latency, err = time.ParseDuration(v)
		k.latency = min(k.latency, answerLimit)
	case "validators":
		k.validators, err = strconv.ParseBool(v)
	case "enc":
		switch enc := coding(v); enc {
		case gzipped, brotlied, zstded:
			k.enc = enc
		case "identity":
			k.gzip = false
		default:
			err = fmt.Errorf("unknown enc %q, want gzip, br, zstd or identity", v)
		}
	case "retry-after":
		k.retryAfter = v
	case "max-age":
		_, err = strconv.Atoi(v)
		k.maxAge = v
	default:
		err = fmt.Errorf("unknown knob %q, have items, bytes, latency, validators, enc, status, retry-after, max-age", name)
	}
	return err
}

// number reads the number of a knob within its bounds.
func number(name, v string, lo, hi int) (int, error) {
	n, err := strconv.Atoi(v)
	if err != nil || n < lo || n > hi {
		return 0, fmt.Errorf("%s=%s: want %d to %d", name, v, lo, hi)
	}
	return n, nil
}

// choose returns the coding of an answer.
func (k *knobs) choose(h http.Header) coding {
	switch {
	case k.enc != identity:
		return k.enc
	case k.gzip && accepts(h):
		return gzipped
	}
	return identity
}

// accepts reports whether the request asks for gzip. How much it wants it, or that it
// does not, is nothing that clients of a test server say.
func accepts(h http.Header) bool {
	return strings.Contains(strings.ToLower(strings.Join(h["Accept-Encoding"], ",")), "gzip")
}
