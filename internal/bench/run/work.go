//go:build linux

package run

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/read"
	"feedmill/internal/ipc"
	"feedmill/internal/refresh"
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
	observer  feeds.Observer
	now       atomic.Int64 // the job that is being done
	lists     map[string]*lists
	bodies    map[string]feeds.Body
}

func newBare(documents string, parser feeds.Parser, c *clocks) *bare {
	return &bare{
		documents: documents, parser: parser, clocks: c,
		lists: make(map[string]*lists), bodies: make(map[string]feeds.Body),
	}
}

func (b *bare) Run(_ context.Context, jobs <-chan feeds.Job, emit func(feeds.Result)) {
	for job := range jobs {
		b.now.Store(job.ID)
		if b.observer != nil {
			b.observer.Guarding(job.ID, nil)
		}
		// What it cannot do ends as a failed parse, which no mode hides.
		r, err := b.do(&job)
		if err != nil {
			r = feeds.Result{ID: job.ID, Class: feeds.Parse, Detail: err.Error()}
		}
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

func (b *bare) Status() feeds.Status { return feeds.Status{Parsing: b.now.Load()} }

func (b *bare) do(job *feeds.Job) (feeds.Result, error) {
	res := feeds.Result{ID: job.ID, Class: feeds.OK}
	u, err := url.Parse(job.URL)
	if err != nil {
		return res, err
	}
	switch u.Host {
	case "ship":
		var l *lists
		if l, err = b.list(u.RawQuery); err == nil {
			res.Items = l[job.ID%distinct]
		}
	case "parse":
		res.Items, err = b.read(u.Query().Get("document"))
	case "mark":
		m := mark{Used: b.clocks.read()}
		if u.Query().Has("priced") {
			m.Price = gcPrice()
		}
		var said []byte
		said, err = json.Marshal(m)
		res.Detail = string(said)
	case "rest":
		var d time.Duration
		d, err = time.ParseDuration(u.Query().Get("for"))
		time.Sleep(d)
	case "kill":
		err = kill(u.Query().Get("by"))
	default:
		err = fmt.Errorf("no such job: %s", job.URL)
	}
	res.Seen, res.New = len(res.Items), len(res.Items)
	return res, err
}

// list returns the lists that a query asks for, which are made once.
func (b *bare) list(query string) (*lists, error) {
	if b.lists[query] == nil {
		var items, bytes int
		if _, err := fmt.Sscanf(query, "items=%d&bytes=%d", &items, &bytes); err != nil {
			return nil, err
		}
		b.lists[query] = newLists(items, bytes)
	}
	return b.lists[query], nil
}

// read reads a document as a worker does, which has it in memory.
func (b *bare) read(name string) ([]feeds.Item, error) {
	body, ok := b.bodies[name]
	if !ok {
		text, err := os.ReadFile(filepath.Join(b.documents, filepath.Base(name)))
		if err != nil {
			return nil, err
		}
		body = feeds.Body{Bytes: text, ContentType: "application/xml", URL: "http://127.0.0.1/", Parser: b.parser}
		b.bodies[name] = body
	}
	parsed, err := read.Read(&body)
	if err != nil {
		return nil, err
	}
	return parsed.Items, nil
}

// distinct is how many different lists there are for one size. The feeds take
// turns: making a list of its own for each would cost more than what is
// measured, and the text that a real one is copied from has just been parsed,
// so it is in the cache as these are.
const distinct = 4

// Lists are the lists of work ship, as a parser would have left them: strings
// that point into the text of a document.
type lists [distinct][]feeds.Item

// newLists makes lists of so many items with so many bytes of text each. All
// of it is that of one string: nothing is copied.
func newLists(items, bytes int) *lists {
	text := strings.Repeat("etaoin shrdlu cmfwyp vbgkqj ", bytes/28+4)
	var l lists
	for n := range l {
		list := make([]feeds.Item, items)
		for i := range list {
			list[i] = listItem(text[(n*items+i)%28:], bytes)
			binary.BigEndian.PutUint64(list[i].Key[:], uint64(n*items+i))
			list[i].Hash = feeds.ContentHash(&list[i])
		}
		l[n] = list
	}
	return &l
}

// listItem returns an item that has bytes of text, as far as there are enough
// for its shorter fields.
func listItem(text string, bytes int) feeds.Item {
	it := feeds.Item{Published: 1_700_000_000}
	for _, f := range []struct {
		field *string
		most  int
	}{
		{&it.GUID, 40}, {&it.Link, 60}, {&it.Title, 50}, {&it.Author, 15}, {&it.Summary, 150}, {&it.Content, 1 << 30},
	} {
		n := min(f.most, bytes)
		*f.field, bytes = text[:n], bytes-n
	}
	return it
}

// hashResult returns the hash of what a result is worth: its class and every
// field of its items. When and how long is not in it.
func hashResult(class feeds.Class, items []feeds.Item) uint64 {
	d := xxhash.New()
	fmt.Fprintln(d, class, len(items))
	for i := range items {
		fmt.Fprintln(d, items[i].Key, feeds.ContentHash(&items[i]))
	}
	return d.Sum64()
}

// A detoured refresher is one of goroutines, for the rungs between those and
// processes: its results are encoded and decoded at once, in memory, or go through
// a pipe to a goroutine that decodes them.
type detoured struct {
	refresh.Refresher
	probe ipc.Probe
	piped bool
}

// Run does jobs. That the detour failed shows in the results.
func (d *detoured) Run(ctx context.Context, jobs <-chan feeds.Job, emit func(feeds.Result)) {
	open := func(r io.Reader, w io.Writer) *ipc.Conn {
		conn := ipc.NewConn(r, w, ipc.Options{})
		conn.Probe(d.probe)
		return conn
	}
	var wire bytes.Buffer
	conn := open(&wire, &wire)
	var err error
	if d.piped {
		var r, w *os.File
		if r, w, err = os.Pipe(); err == nil {
			conn = open(r, w)
			var done sync.WaitGroup
			done.Go(func() {
				for err := error(nil); err == nil; {
					err = receive(conn, emit)
				}
				io.Copy(io.Discard, r) // a writer is never stuck
			})
			defer func() {
				w.Close() // which is how the reader ends
				done.Wait()
				r.Close()
			}()
		}
	}
	var mu sync.Mutex
	d.Refresher.Run(ctx, jobs, func(r feeds.Result) {
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			wire.Reset()
			err = conn.SendResult(&r)
		}
		if err == nil && !d.piped {
			err = receive(conn, emit)
		}
		if err != nil {
			emit(feeds.Result{ID: r.ID, Class: feeds.WorkerProtocol, Detail: err.Error()})
		}
	})
}

// receive takes the frames of one result and passes it on.
func receive(conn *ipc.Conn, emit func(feeds.Result)) error {
	var items []feeds.Item
	for {
		m, err := conn.Recv()
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *ipc.Items:
			items = append(items, m.Items...)
		case *ipc.Result:
			if len(items) > 0 {
				m.Items = append(items, m.Items...)
			}
			emit(m.Result)
			return nil
		default:
			return fmt.Errorf("%s where a result should be", ipc.Name(m))
		}
	}
}
