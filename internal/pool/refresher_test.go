//go:build unix

package pool_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"feedmill/internal/feeds"
)

// want returns the result of a job that goes well. It depends on the job
// alone, but for Link.
func want(j feeds.Job) feeds.Result {
	r := feeds.Result{ID: j.ID, Class: feeds.OK, Title: j.URL, Link: hostPID()}
	n, size := int(j.ID%4), 10
	fmt.Sscanf(j.URL, "items %d of %d", &n, &size)
	for i := range n {
		r.Items = append(r.Items, feeds.Item{GUID: fmt.Sprintf("%d/%d", j.ID, i), Content: strings.Repeat("c", size)})
	}
	return r
}

// hostPID returns the number that this process has for whoever does not share its
// namespace, as far as that is known.
func hostPID() string {
	pid, err := os.Readlink("/proc/self")
	if err != nil {
		return strconv.Itoa(os.Getpid())
	}
	return pid
}

// A refresher does jobs whose URL says what is to happen.
type refresher struct {
	parsing  atomic.Int64
	observer feeds.Observer
	ready    map[string][]feeds.Item // the lists of jobs that want the same again
}

// again returns the items that a job of this URL has, made only once.
func (r *refresher) again(url string) []feeds.Item {
	if r.ready == nil {
		r.ready = make(map[string][]feeds.Item)
	}
	if r.ready[url] == nil {
		r.ready[url] = want(feeds.Job{URL: url}).Items
	}
	return r.ready[url]
}

func (r *refresher) Observe(o feeds.Observer) { r.observer = o }

func (r *refresher) Run(ctx context.Context, jobs <-chan feeds.Job, emit func(feeds.Result)) {
	for j := range jobs {
		if ctx.Err() != nil {
			emit(feeds.Result{ID: j.ID, Class: feeds.Cancelled})
			continue
		}
		if url, early := strings.CutPrefix(j.URL, "fetch and "); early {
			misdeeds(ctx, url)
		}
		if url, again := strings.CutPrefix(j.URL, "again "); again {
			emit(feeds.Result{ID: j.ID, Class: feeds.OK, Items: r.again(url)})
			continue
		}
		r.parsing.Store(j.ID)
		r.observer.Guarding(j.ID, []byte("document of "+j.URL))
		r.observer.Parsing(j.ID)
		r.observer.Parsed(7)
		if url, lie := strings.CutPrefix(j.URL, "accuse the next and "); lie {
			r.observer.Guarding(j.ID+1, nil)
			misdeeds(ctx, url)
		}
		misdeeds(ctx, j.URL)
		r.observer.Read()
		r.parsing.Store(0)
		emit(want(j))
	}
}

// misdeeds does what a job of this URL does to its worker.
func misdeeds(ctx context.Context, url string) {
	if path, ok := strings.CutPrefix(url, "sole "); ok {
		sole(ctx, path)
	}
	switch url {
	case "burn":
		burn()
	case "sleep":
		time.Sleep(5 * time.Millisecond)
	case "wait":
		<-ctx.Done()
	case "spin":
		for n := 0; ; n++ {
		}
	case "spin and wait":
		for begun := time.Now(); time.Since(begun) < spinHang+time.Second/2; {
		}
		forever()
	case "grow":
		kept = bytes.Repeat([]byte("x"), 128<<20)
	case "panic":
		panic("parser: boom")
	case "overflow":
		debug.SetMaxStack(1 << 20)
		fmt.Fprint(io.Discard, overflow(1))
	case "memory":
		// What the runtime says when it gets no more. To really get there
		// takes a limit, which is the sandbox's business.
		fmt.Fprintln(os.Stderr, "fatal error: runtime: out of memory")
		os.Exit(2)
	case "exit":
		os.Exit(7)
	case "stop":
		syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		forever() // the other threads may stop a moment later
	case "kill":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "garbage":
		raw([]byte("\x94\x01garbage, and more of it than a header has"))
		forever()
	}
}

// kept is what a job has made its worker grow by.
var kept []byte

// overflow calls itself until the stack is full, if n is not 0.
func overflow(n int) int {
	if n == 0 {
		return 0
	}
	return overflow(n+1) + n
}

func (r *refresher) Close() {}
func (r *refresher) Status() feeds.Status {
	return feeds.Status{Parsing: r.parsing.Load()}
}
