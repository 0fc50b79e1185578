package bench

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"

	"feedmill/internal/feeds"
)

// A bare refresher does jobs without the network, for the kinds of work that
// leave it out. What to do is in a job's URL:
//
//	bench://ship/?items=20&bytes=1000    answer with such a list
//	bench://parse/?document=NAME         read that document
//	bench://mark/?priced                 say what this process has used so far
//	bench://kill/?by=stack               do what a feed can do to a parser
//
// It does one job after the other, as a worker parses one feed at a time.
type bare struct {
	documents string // the folder of the documents
	seed      uint64
	parser    feeds.Parser
	clocks    *clocks
	probe     *probe // of this refresher's work
	observer  feeds.Observer
	now       atomic.Int64 // the job that is being done

	mu    sync.Mutex
	lists map[string]*lists
	docs  map[string]document
}

// A document is what a server would send for a feed.
type document struct {
	body        []byte
	contentType string
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

// Cancel does nothing: no job takes long enough.
func (b *bare) Cancel(int64) {}

func (b *bare) Status() feeds.Status {
	id := b.now.Load()
	return feeds.Status{Parsing: id, UnderWay: int(min(id, 1))}
}

// A fetcher is the real refresher, which also does marks.
type fetcher struct {
	*feeds.Refresher
	clocks *clocks
}

func (f *fetcher) Run(ctx context.Context, jobs <-chan feeds.Job, emit func(feeds.Result)) {
	real := make(chan feeds.Job)
	go func() {
		defer close(real)
		for job := range jobs {
			if u, err := url.Parse(job.URL); err == nil && u.Host == "mark" {
				emit(feeds.Result{ID: job.ID, Class: feeds.OK, Detail: f.clocks.report(u.Query().Has("priced"))})
			} else {
				real <- job
			}
		}
	}()
	f.Refresher.Run(ctx, real, emit)
}

// do does one job. What it cannot do ends as a failed parse, which no mode
// hides.
func (b *bare) do(job *feeds.Job) feeds.Result {
	if b.probe != nil && !b.probe.off {
		b.probe.Begin(stageWork)
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
		l, err := b.list(u)
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
	case "kill":
		strike(u.Query().Get("by"))
	default:
		err = fmt.Errorf("no such job: %s", job.URL)
	}
	return res, err
}

// list returns the lists that u asks for, which are made once.
func (b *bare) list(u *url.URL) (*lists, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l := b.lists[u.RawQuery]; l != nil {
		return l, nil
	}
	q := u.Query()
	items, err := strconv.Atoi(q.Get("items"))
	if err != nil {
		return nil, err
	}
	bytes, err := strconv.Atoi(q.Get("bytes"))
	if err != nil {
		return nil, err
	}
	if b.lists == nil {
		b.lists = make(map[string]*lists)
	}
	l := newLists(items, bytes, b.seed)
	b.lists[u.RawQuery] = l
	return l, nil
}

// read reads a document as a worker does.
func (b *bare) read(name string) ([]feeds.Item, error) {
	d, err := b.document(name)
	if err != nil {
		return nil, err
	}
	parsed, err := b.parser.ReadDocument(d.body, d.contentType, "http://127.0.0.1/")
	if err != nil {
		return nil, err
	}
	items, _, _ := feeds.Diff(parsed.Items, nil)
	return items, nil
}

// document returns a document from memory, where it is from its second time on.
func (b *bare) document(name string) (document, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if d, ok := b.docs[name]; ok {
		return d, nil
	}
	body, err := os.ReadFile(filepath.Join(b.documents, filepath.Base(name)))
	if err != nil {
		return document{}, err
	}
	types := map[string]string{".rss": "application/rss+xml", ".atom": "application/atom+xml", ".rdf": "application/rdf+xml", ".json": "application/feed+json"}
	d := document{body, types[filepath.Ext(name)]}
	if b.docs == nil {
		b.docs = make(map[string]document)
	}
	b.docs[name] = d
	return d, nil
}

// strike does to this process what a document can do to a parser: overflow its
// stack, which nothing recovers from, take all memory, or never end.
func strike(by string) {
	switch by {
	case "stack":
		deeper(0)
	case "memory":
		type link struct {
			next  *link
			bytes []byte
		}
		for chain := (*link)(nil); ; {
			next := &link{chain, make([]byte, 4<<20)}
			for i := 0; i < len(next.bytes); i += 4096 {
				next.bytes[i] = 1
			}
			chain = next
		}
	case "endless":
		for n := 0; ; n++ {
		}
	}
}

// deeper descends as a parser does into tags that are never closed.
func deeper(n int) int {
	var frame [256]byte
	if n < 0 { // it would take a larger stack than there can be
		return 0
	}
	frame[n%256] = byte(n)
	return deeper(n+1) + int(frame[(n+1)%256])
}
