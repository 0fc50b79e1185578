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
	if err != nil || n < 0 || n >= c.feeds || !format(ext).known() {
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
		contentType: v.format.contentType(),
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
