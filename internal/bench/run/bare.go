//go:build linux

package run

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/read"
)

// A bare refresher does jobs without the network, for the kinds of work that
// leave it out. What to do is in a job's URL:
//
//	bench://ship/?items=20&bytes=1000    answer with such a list
//	bench://parse/?document=NAME         read that document
//	bench://mark/?priced                 say what this process has used so far
//	bench://kill/?by=stack               read a document that kills its parser
//	bench://rest/?for=10ms               do nothing for so long
//
// It does one job after the other, as a worker parses one feed at a time.
type bare struct {
	documents string // the folder of the documents
	parser    feeds.Parser
	clocks    *clocks
	probe     *probe // of this refresher's work
	observer  feeds.Observer
	now       atomic.Int64 // the job that is being done

	mu    sync.Mutex
	lists map[string]*lists
	docs  map[string]feeds.Body
}

func (b *bare) Run(_ context.Context, jobs <-chan feeds.Job, emit func(feeds.Result)) {
	for job := range jobs {
		b.now.Store(job.ID)
		if b.observer != nil {
			b.observer.Guarding(job.ID, nil)
		}
		r := b.do(&job)
		if b.observer != nil {
			b.observer.Read()
		}
		b.now.Store(0)
		emit(r)
	}
}

// Observe makes b say what it does, as a worker's refresher does.
func (b *bare) Observe(o feeds.Observer) { b.observer = o }

func (b *bare) Close() {}

func (b *bare) Status() feeds.Status {
	id := b.now.Load()
	return feeds.Status{Parsing: id}
}

// newBare returns a bare refresher.
func newBare(documents string, parser feeds.Parser, c *clocks) *bare {
	return &bare{
		documents: documents, parser: parser, clocks: c, probe: &probe{clocks: c},
		lists: make(map[string]*lists), docs: make(map[string]feeds.Body),
	}
}

// do does one job. What it cannot do ends as a failed parse, which no mode
// hides.
func (b *bare) do(job *feeds.Job) feeds.Result {
	if !b.probe.off {
		b.probe.Begin(stageWork, 0, 0)
		defer b.probe.End(stageWork)
	}
	res, err := b.try(job)
	if err != nil {
		return feeds.Result{ID: job.ID, Class: feeds.Parse, Detail: err.Error()}
	}
	return res
}

func (b *bare) try(job *feeds.Job) (feeds.Result, error) {
	res := feeds.Result{ID: job.ID, Class: feeds.OK}
	u, err := url.Parse(job.URL)
	if err != nil {
		return res, err
	}
	switch u.Host {
	case "ship":
		l, err := b.list(u.RawQuery)
		if err != nil {
			return res, err
		}
		res.Items = l[job.ID%distinct]
		res.Seen, res.New = len(res.Items), len(res.Items)
	case "parse":
		res.Items, err = b.read(u.Query().Get("document"))
		res.Seen, res.New = len(res.Items), len(res.Items)
	case "mark":
		res.Detail = b.clocks.report(u.Query().Has("priced"))
	case "rest":
		var d time.Duration
		d, err = time.ParseDuration(u.Query().Get("for"))
		time.Sleep(d)
	case "kill":
		err = kill(u.Query().Get("by"))
	default:
		err = fmt.Errorf("no such job: %s", job.URL)
	}
	return res, err
}

// list returns the lists that a query asks for, which are made once.
func (b *bare) list(query string) (*lists, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l := b.lists[query]; l != nil {
		return l, nil
	}
	var items, bytes int
	if _, err := fmt.Sscanf(query, "items=%d&bytes=%d", &items, &bytes); err != nil {
		return nil, err
	}
	b.lists[query] = newLists(items, bytes)
	return b.lists[query], nil
}

// read reads a document as a worker does, which has it in memory.
func (b *bare) read(name string) ([]feeds.Item, error) {
	b.mu.Lock()
	body, ok := b.docs[name]
	b.mu.Unlock()
	if !ok {
		text, err := os.ReadFile(filepath.Join(b.documents, filepath.Base(name)))
		if err != nil {
			return nil, err
		}
		body = feeds.Body{Bytes: text, ContentType: "application/xml", URL: "http://127.0.0.1/", Parser: b.parser}
		b.mu.Lock()
		b.docs[name] = body
		b.mu.Unlock()
	}
	parsed, err := read.Read(&body)
	if err != nil {
		return nil, err
	}
	return parsed.Items, nil
}
