package origin

import (
	"bufio"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"iter"
	"net/http"
	"strconv"
	"sync"
)

// routes returns what the server answers.
func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /feed/{name}", s.asOnTheWeb(s.content.serveFeed))
	mux.HandleFunc("GET /dir/{name...}", s.asOnTheWeb(s.content.serveFile))
	mux.HandleFunc("GET /hostile/{name}", s.kit.ServeHTTP)
	mux.HandleFunc("GET /hostile/{name}/{step}", s.kit.ServeHTTP)
	mux.HandleFunc("GET /{$}", s.serveIndex)
	mux.HandleFunc("GET /list", s.text(s.List))
	mux.HandleFunc("GET /opml", s.serveOPML)
	mux.HandleFunc("GET /hostile/{$}", s.text(s.kit.Table))
	mux.HandleFunc("GET /hostile.txt", s.text(s.kit.List))
	mux.HandleFunc("GET /-/stats", s.serveStats)
	mux.HandleFunc("POST /-/epoch", s.serveEpoch)
	return mux
}

// URLs yields the URL of every feed: the generated ones by number, then the
// files of Options.Dir by name.
func (s *Server) URLs() iter.Seq[string] {
	return func(yield func(string) bool) {
		var b []byte
		n := 0
		for i, count := range s.hosts.counts {
			host := s.hosts.host(i)
			for range count {
				b = append(s.hosts.appendURL(b[:0], s.hosts.scheme, host, "/feed/"), strconv.Itoa(n)...)
				b = append(append(b, '.'), formatOf(n)...)
				if !yield(string(b)) {
					return
				}
				n++
			}
		}
		for i, name := range s.content.folder.files() {
			host := s.hosts.host(i % len(s.hosts.counts))
			if !yield(string(s.hosts.appendURL(nil, s.hosts.scheme, host, dirPath(name)))) {
				return
			}
		}
	}
}

// List writes the URLs to w, one a line.
func (s *Server) List(w io.Writer) error {
	b := bufio.NewWriter(w)
	for u := range s.URLs() {
		b.WriteString(u)
		b.WriteByte('\n')
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write feed list: %w", err)
	}
	return nil
}

// text returns a handler that sends what list writes.
func (s *Server) text(list func(io.Writer) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		list(w) // a client that is gone is no error of ours
	}
}

// serveOPML sends the feeds as an OPML 2.0 subscription list.
func (s *Server) serveOPML(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/x-opml; charset=utf-8")
	b := bufio.NewWriter(w)
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>
<opml version="2.0">
<head><title>feeds of an origin</title></head>
<body>
`)
	for u := range s.URLs() {
		escaped := appendEscaped(nil, u)
		fmt.Fprintf(b, "<outline type=\"rss\" text=\"%s\" xmlUrl=\"%s\"/>\n", escaped, escaped)
	}
	b.WriteString("</body>\n</opml>\n")
	b.Flush()
}

// serveEpoch sets the epoch (?set=N) or moves it on (?add=N) and answers with
// the new one.
func (s *Server) serveEpoch(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	set, setErr := strconv.Atoi(query.Get("set"))
	add, addErr := strconv.Atoi(query.Get("add"))
	switch {
	case setErr == nil && set >= 0 && set <= maxEpoch && !query.Has("add"):
		s.SetEpoch(set)
	case addErr == nil && add >= 0 && add <= maxEpoch && !query.Has("set"):
		s.AddEpochs(add)
	default:
		http.Error(w, "want ?set=N or ?add=N", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(w, s.Epoch())
}

// stats is what /-/stats sends.
type stats struct {
	Epoch int `json:"epoch"`
	Feeds int `json:"feeds"`
	Hosts int `json:"hosts"`
	Counts
}

func (s *Server) serveStats(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(stats{s.Epoch(), s.Feeds(), s.Hosts(), s.Requests()})
}

// indexPage says in a browser what there is. It is not parsed where nobody serves.
var indexPage = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("index").Parse(`<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>feed origin</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
code { background: #8882; padding: .1em .3em; }
td { padding: .15rem .8rem .15rem 0; vertical-align: top; }
</style>
<h1>feed origin</h1>
<p>{{.Feeds}} generated feeds on {{.Hosts}} hosts, epoch {{.Epoch}}. {{with .Files}}{{.}} files. {{end}}{{with .Cases}}{{len .}} hostile answers.{{end}}</p>
<table>
<tr><td><a href="/list">/list</a><td>every feed's URL, one a line
<tr><td><a href="/opml">/opml</a><td>the same as a subscription list
<tr><td><a href="/hostile/">/hostile/</a><td>the hostile answers: URL, expected classes, what happens
<tr><td><a href="/hostile.txt">/hostile.txt</a><td>their URLs alone, one a line
<tr><td><a href="/-/stats">/-/stats</a><td>what was asked and answered so far
</table>
<p>Feeds are at <code>/feed/NUMBER.FORMAT</code>{{if .Feeds}}, such as
<a href="/feed/0.rss">0.rss</a>, <a href="/feed/0.atom">0.atom</a>, <a href="/feed/0.rdf">0.rdf</a>, <a href="/feed/0.json">0.json</a>{{end}}.
A query changes one: <code>items=</code>, <code>bytes=</code>, <code>latency=50ms</code>, <code>validators=0</code>,
<code>enc=gzip|br|zstd|identity</code>, <code>status=</code>, <code>retry-after=</code>, <code>max-age=</code>.</p>
<p>Time moves by hand: <code>curl -X POST 'http://{{.Addr}}/-/epoch?add=1'</code>.</p>
<h2>Hostile answers</h2>
<table>
{{range .Cases}}<tr><td><a href="{{.URL}}">{{.Name}}</a><td><code>{{.Want}}</code><td>{{.About}}
{{end}}</table>
`))
})

func (s *Server) serveIndex(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	indexPage().Execute(w, map[string]any{
		"Feeds": s.Feeds(), "Hosts": s.Hosts(), "Epoch": s.Epoch(), "Files": len(s.content.folder.files()),
		"Cases": s.kit.Played(), "Addr": s.Addr(),
	})
}
