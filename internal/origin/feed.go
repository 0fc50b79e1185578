package origin

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Format is how a generated feed is written. It is also the extension of
// its URL: /feed/17.atom is feed 17 in Atom, whatever its own format is.
type Format string

// The formats.
const (
	RSS  Format = "rss"  // RSS 2.0
	Atom Format = "atom" // Atom 1.0 (RFC 4287)
	RDF  Format = "rdf"  // RSS 1.0
	JSON Format = "json" // JSON Feed 1.1
)

// formats has the formats in the order of their numbers in tags.
var formats = []Format{RSS, Atom, RDF, JSON}

// defaultFormats is roughly the mix of the web.
var defaultFormats = []Format{RSS, Atom, RSS, JSON, RSS, Atom, RSS, RDF}

func (f Format) known() bool { return slices.Contains(formats, f) }

func (f Format) contentType() string {
	switch f {
	case Atom:
		return "application/atom+xml; charset=utf-8"
	case RDF:
		return "application/rdf+xml; charset=utf-8"
	case JSON:
		return "application/feed+json"
	}
	return "application/rss+xml; charset=utf-8"
}

// A view is one state of one generated feed: everything its bytes depend on,
// besides the seed.
type view struct {
	number  int
	format  Format
	version int // items that appeared since epoch 0
	items   int
	bytes   int // of an item, about
}

// News returns how many new items feed number n gets between two epochs. It
// is negative when to is before from.
func (s *Server) News(n, from, to int) int { return s.version(n, to) - s.version(n, from) }

// TotalNews returns how many new items all generated feeds together get
// between two epochs.
func (s *Server) TotalNews(from, to int) int {
	total := 0
	for n := range s.plan.feeds {
		total += s.News(n, from, to)
	}
	return total
}

// version returns how many items feed n has gained by an epoch. Each feed has
// its turn once in every NewsEvery epochs, at a place drawn for it.
func (s *Server) version(n, epoch int) int {
	k := s.opts.NewsEvery
	if k < 0 {
		return 0
	}
	turn := int(mix(s.opts.Seed, 2, uint64(n)) % uint64(k))
	return (epoch + turn) / k
}

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

// parseKnobs reads them from a query. Unknown ones are refused, so that a
// misspelt one does not pass for its default.
func (s *Server) parseKnobs(query string) (knobs, error) {
	o := &s.opts
	k := knobs{items: o.Items, bytes: o.Bytes, latency: o.Latency, validators: !o.NoValidators, gzip: !o.NoGzip}
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
		k.items, err = number(name, v, 0, MaxItems)
	case "bytes":
		k.bytes, err = number(name, v, 1, MaxBytes)
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

// serveFeed answers /feed/NUMBER.FORMAT.
func (s *Server) serveFeed(w http.ResponseWriter, r *http.Request) {
	name, ext, _ := strings.Cut(r.PathValue("name"), ".")
	n, err := strconv.Atoi(name)
	if err != nil || n < 0 || n >= s.plan.feeds || !Format(ext).known() {
		http.NotFound(w, r)
		return
	}
	k, err := s.parseKnobs(r.URL.RawQuery)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if k.retryAfter != "" {
		w.Header().Set("Retry-After", k.retryAfter)
	}
	if k.maxAge != "" {
		w.Header().Set("Cache-Control", "max-age="+k.maxAge)
	}
	if k.status != 0 {
		if pause(r.Context(), k.latency) {
			w.WriteHeader(k.status)
		}
		return
	}
	v := view{number: n, format: Format(ext), version: s.version(n, s.Epoch()), items: k.items, bytes: k.bytes}
	s.answer(w, r, s.represent(v, k), k.choose(r.Header))
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

// represent returns what a view stands for.
func (s *Server) represent(v view, k knobs) representation {
	rep := representation{
		contentType: v.format.contentType(),
		tag:         s.tag(v),
		etag:        k.validators,
		latency:     k.latency,
		body:        func(b []byte) []byte { return s.render(b, v) },
	}
	if k.validators {
		rep.modified = s.itemTime(v, v.version)
	}
	return rep
}

// tag returns 16 hexadecimal digits that change exactly when the bytes of the
// view do.
func (s *Server) tag(v view) string {
	h := mix(s.opts.Seed, 3, uint64(v.number), uint64(slices.Index(formats, v.format)),
		uint64(v.version), uint64(v.items), uint64(v.bytes))
	return fmt.Sprintf("%016x", h)
}

// firstItem is when the newest item of epoch 0 appeared: the start of 2025.
const firstItem = 1735689600

// itemTime returns when an item of a feed appeared. Items are numbered from
// the newest of epoch 0, which is item 0; older ones have negative numbers.
func (s *Server) itemTime(v view, item int) time.Time {
	within := int64(mix(s.opts.Seed, 4, uint64(v.number)) % 3600)
	return time.Unix(firstItem+within+int64(item)*3600, 0).UTC()
}
