package origin

import (
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
)

// A content is what a Server has besides hostile answers: generated feeds, and
// the files of a folder.
type content struct {
	generator
	folder folder
	cache  cache
	feeds  int
	knobs  knobs // as a query finds them
}

func (c *content) epoch() int { return int(c.cache.epoch.Load()) }

// serveFeed answers /feed/NUMBER.FORMAT.
func (c *content) serveFeed(w http.ResponseWriter, r *http.Request) {
	name, ext, _ := strings.Cut(r.PathValue("name"), ".")
	n, err := strconv.Atoi(name)
	if err != nil || n < 0 || n >= c.feeds || !slices.Contains(formats, format(ext)) {
		http.NotFound(w, r)
		return
	}
	k, err := c.knobs.turned(r.URL.RawQuery)
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
	v := view{number: n, format: format(ext), version: c.version(n, c.epoch()), items: k.items, bytes: k.bytes}
	c.cache.answer(w, r, c.represent(v, k), k.choose(r.Header))
}

// represent returns what a view stands for.
func (c *content) represent(v view, k knobs) representation {
	rep := representation{
		contentType: contentTypes[v.format],
		tag:         c.tag(v),
		etag:        k.validators,
		latency:     k.latency,
		body:        func(b []byte) []byte { return c.render(b, v) },
	}
	if k.validators {
		rep.modified = c.itemTime(v, v.version)
	}
	return rep
}

// tag returns 16 hexadecimal digits that change exactly when the bytes of the
// view do.
func (c *content) tag(v view) string {
	h := mix(c.seed, 3, uint64(v.number), uint64(slices.Index(formats, v.format)),
		uint64(v.version), uint64(v.items), uint64(v.bytes))
	return fmt.Sprintf("%016x", h)
}

// render appends the document of a view.
func (c *content) render(b []byte, v view) []byte {
	switch v.format {
	case atom:
		return c.renderAtom(b, v)
	case rdf:
		return c.renderRDF(b, v)
	case jsonFeed:
		return c.renderJSON(b, v)
	}
	return c.renderRSS(b, v)
}

// serveFile answers /dir/NAME with the bytes of that file, read anew each
// time, so that a file which was changed is seen.
func (c *content) serveFile(w http.ResponseWriter, r *http.Request) {
	if c.folder.root == nil {
		http.NotFound(w, r)
		return
	}
	k, err := c.knobs.turned(r.URL.RawQuery)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	name := r.PathValue("name")
	rep, err := c.folder.readFile(name)
	if errors.Is(err, errNotServed) {
		http.NotFound(w, r)
		return
	} else if err != nil {
		// The name alone: where the folder is, is no business of a client.
		http.Error(w, "cannot read "+path.Base(name), http.StatusInternalServerError)
		return
	}
	rep.latency = k.latency
	rep.etag = k.validators
	c.cache.answer(w, r, rep, k.choose(r.Header))
}

// A format is how a generated feed is written. It is also the extension of
// its URL: /feed/17.atom is feed 17 in Atom, whatever its own format is.
type format string

// The formats.
const (
	rss      format = "rss"  // RSS 2.0
	atom     format = "atom" // Atom 1.0 (RFC 4287)
	rdf      format = "rdf"  // RSS 1.0
	jsonFeed format = "json" // JSON Feed 1.1
)

// formats has the formats in the order of their numbers in tags.
var formats = []format{rss, atom, rdf, jsonFeed}

// mixed is given to the feeds in turn: roughly that of the web.
var mixed = []format{rss, atom, rss, jsonFeed, rss, atom, rss, rdf}

// formatOf returns the format of feed number n.
func formatOf(n int) format { return mixed[n%len(mixed)] }

var contentTypes = map[format]string{
	rss: "application/rss+xml; charset=utf-8", atom: "application/atom+xml; charset=utf-8",
	rdf: "application/rdf+xml; charset=utf-8", jsonFeed: "application/feed+json",
}
