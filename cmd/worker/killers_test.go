//go:build unix

package main

import (
	"context"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mmcdole/gofeed/rss"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/fetch"
	"feedmill/internal/feeds/read"
	"feedmill/internal/worker"
)

// killersName is the name under which this test binary is the real worker, but
// for feeds whose URL asks for something else by a user's name, such as
// http://stack@host/feed. They are fetched like all others, and strike where
// their document would be parsed; with a password, as in http://memory:early@,
// they strike instead of being fetched, while other documents are read. No
// program that is not a test has this.
const killersName = "worker-with-killers"

// killersCPU is the budget of that worker for one document.
const killersCPU = "3s"

// killers are what a document can do to a worker that no guard stops. wire is
// where the worker's frames go.
var killers = map[string]func(wire *os.File){
	"stack":   func(*os.File) { parseUnguarded(strings.Repeat("<x:a>", 300_000)) },
	"memory":  func(*os.File) { eat() },
	"cpu":     func(*os.File) { spin() },
	"panic":   func(*os.File) { panic("not in the parser's own goroutine, say") },
	"throw":   func(*os.File) { new(sync.Mutex).Unlock() }, // nothing can recover from that
	"exit":    func(*os.File) { os.Exit(7) },
	"segv":    func(*os.File) { strike(syscall.SIGSEGV) },
	"stop":    func(*os.File) { strike(syscall.SIGSTOP) },
	"kill":    func(*os.File) { strike(syscall.SIGKILL) },
	"garbage": func(wire *os.File) { wire.WriteString("<rss>this is the feed itself, on the wire"); hang() },
}

// killerMain is main of the worker with killers.
func killerMain() {
	wire, err := takeStdout()
	if err != nil {
		panic(err)
	}
	refresher := func(o feeds.Options) (worker.Refresher, error) {
		r, err := fetch.New(o, read.Read)
		return &killing{Refresher: r, wire: wire}, err
	}
	os.Exit(run(append(os.Args[1:], "--parse-cpu", killersCPU), os.Stdin, wire, os.Stderr, refresher))
}

// A killing refresher is the real one, with killers planted by URL.
type killing struct {
	*fetch.Refresher
	wire *os.File
	kind sync.Map // of killer, by job

	early   atomic.Bool  // something strikes, or has, instead of being fetched
	overdue atomic.Int64 // the job that spins instead of being fetched
}

func (k *killing) Status() feeds.Status {
	s := k.Refresher.Status()
	s.Overdue = k.overdue.Load()
	return s
}

func (k *killing) Run(ctx context.Context, jobs <-chan feeds.Job, emit func(feeds.Result)) {
	noted := make(chan feeds.Job)
	go func() {
		defer close(noted)
		for j := range jobs {
			if u, err := url.Parse(j.URL); err == nil && killers[u.User.Username()] != nil {
				if _, early := u.User.Password(); early {
					if u.User.Username() == "cpu" {
						k.overdue.Store(j.ID) // as after its limits, and ten seconds more
					}
					go killers[u.User.Username()](k.wire)
					k.early.Store(true)
					continue
				}
				k.kind.Store(j.ID, u.User.Username())
			}
			noted <- j
		}
	}()
	k.Refresher.Run(ctx, noted, emit)
	if k.early.Load() {
		hang() // that job is under way for as long as the process lives
	}
}

func (k *killing) Observe(o feeds.Observer) { k.Refresher.Observe(&trigger{o, k}) }

// A trigger strikes when the document of a killer is there, and says that the
// guard let it through.
type trigger struct {
	feeds.Observer
	*killing
}

func (t *trigger) Guarding(job int64, body []byte) {
	t.Observer.Guarding(job, body)
	if kind, ok := t.kind.Load(job); ok {
		t.Observer.Parsing(job)
		killers[kind.(string)](t.wire)
	}
}

// parseUnguarded gives the parser what the guard is there to refuse.
func parseUnguarded(inside string) {
	doc := `<rss version="2.0" xmlns:x="urn:x"><channel>` + inside
	(&rss.Parser{}).Parse(strings.NewReader(doc))
}

// eat takes memory without end. Rejected: a document that makes the parser do
// it, and writing on what is taken. On a busy machine the collector's struggle,
// and the system's to find the pages, take longer than a document may take; the
// limit counts what is mapped.
func eat() {
	type link struct {
		next  *link
		bytes []byte
	}
	for chain := (*link)(nil); ; {
		chain = &link{chain, make([]byte, 32<<20)}
	}
}

func spin() {
	for n := 0; ; n++ {
	}
}

func strike(sig syscall.Signal) {
	syscall.Kill(os.Getpid(), sig)
	hang() // the signal may come a moment later
}

func hang() { time.Sleep(time.Minute) }
