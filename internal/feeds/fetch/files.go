package fetch

import (
	"context"
	"errors"
	"slices"
	"sync"
	"syscall"
	"time"

	"feedmill/internal/feeds"
)

// How the file descriptors of a process are shared out.
const (
	unknownFiles = 256 // where the system does not say how many there are

	// restFiles are for everything that is neither connection nor name lookup:
	// the file of trusted certificates, those of the resolver, and ten that a store
	// in this process opens as it goes, and waits for in vain while connections
	// have them.
	restFiles = 16

	// lookupFiles are what a name lookup has open beside the descriptor of the
	// connection that it is for: Go's resolver asks for A and AAAA at once.
	lookupFiles = 2

	maxLookups = 64 // under way at a time
)

// files are the descriptors that this process may have for connections. There
// is one count for all Refreshers, as there is one limit for the process.
var files = sync.OnceValue(func() *fileCount { return newFileCount(fileRoom(unknownFiles)) })

// maxKept bounds the connections that wait for another job of their host, which comes
// when the coordinator has seen the answer to the last one: some hundred other answers
// later. A kept one costs some 35 KB, and the hosts of most feeds have no other.
const maxKept = 128

// A fileCount keeps connections and name lookups within the limit on file
// descriptors. Each channel holds a token for what is open.
type fileCount struct {
	connections chan struct{}
	lookups     chan struct{}

	mu      sync.Mutex
	kept    []*connection // that nobody uses now, oldest first
	waiting int           // who wait for a token
}

// newFileCount shares out room descriptors. However few there are, one
// connection and one lookup may be tried.
func newFileCount(room int) *fileCount {
	room -= restFiles
	lookups := min(max(room/8, 1), maxLookups)
	return &fileCount{
		connections: make(chan struct{}, min(max(room-lookupFiles*lookups, 1), 1<<16)),
		lookups:     make(chan struct{}, lookups),
	}
}

// tryTake takes a token for a connection if there is one, or one is kept that
// can make room.
func (f *fileCount) tryTake() bool {
	for {
		select {
		case f.connections <- struct{}{}:
			return true
		default:
		}
		if !f.drop(nil, f.spare()) {
			return false
		}
	}
}

// spare returns how many kept connections there are without the oldest.
func (f *fileCount) spare() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return max(len(f.kept)-1, 0)
}

// take waits for a token for a connection. Nothing is kept meanwhile.
func (f *fileCount) take(ctx context.Context) error {
	f.wait(+1)
	defer f.wait(-1)
	f.drop(nil, 0)
	return take(ctx, f.connections)
}

func (f *fileCount) wait(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting += n
}

func (f *fileCount) giveBack() { <-f.connections }

// keep keeps a connection for another request, for a while.
func (f *fileCount) keep(c *connection) {
	f.mu.Lock()
	wanted := f.waiting > 0
	if !wanted {
		f.kept = append(f.kept, c)
	}
	f.mu.Unlock()
	if wanted {
		c.close()
		return
	}
	f.drop(nil, maxKept)
}

// reuse returns a kept connection of t, or nil.
func (f *fileCount) reuse(t *transport, origin string) *connection {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := len(f.kept) - 1; i >= 0; i-- {
		c := f.kept[i]
		if c.by != t || c.origin != origin {
			continue
		}
		f.kept = slices.Delete(f.kept, i, i+1)
		if c.http.Reserve() == nil {
			c.reused = true
			return c
		}
		defer c.close()
	}
	return nil
}

// keeps reports whether a connection to host is kept.
func (f *fileCount) keeps(host string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.kept, func(c *connection) bool { return c.host == host })
}

// drop closes the oldest of the kept connections, or of those of one transport,
// until at most n are left, and reports whether it closed any.
func (f *fileCount) drop(of *transport, n int) bool {
	var old []*connection
	f.mu.Lock()
	over := len(f.kept) - n
	f.kept = slices.DeleteFunc(f.kept, func(c *connection) bool {
		if len(old) >= over || of != nil && c.by != of {
			return false
		}
		old = append(old, c)
		return true
	})
	f.mu.Unlock()
	for _, c := range old {
		c.close()
	}
	return len(old) > 0
}

// take waits for a token of c.
func take(ctx context.Context, c chan struct{}) error {
	select {
	case c <- struct{}{}:
		return nil
	default:
	}
	select {
	case c <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// A shortage is something of this machine's that a connection needs and that was
// not to be had. It is nobody's fault out there.
type shortage struct {
	what, remedy string
	err          error
}

func (l *shortage) Error() string { return l.what }
func (l *shortage) Unwrap() error { return l.err }

// shortageOf returns what this machine lacked when err came about, or nil. Over
// IPv6 a missing local address only says that there is no IPv6 here.
func shortageOf(err error, ipv6 bool) *shortage {
	if l, ok := errors.AsType[*shortage](err); ok {
		return l
	}
	errno, ok := errors.AsType[syscall.Errno](err)
	if !ok {
		return nil
	}
	switch {
	case errno == syscall.EMFILE:
		return &shortage{"no file descriptor is left for this process", "raise its limit: ulimit -n", err}
	case errno == syscall.ENFILE:
		return &shortage{"no file descriptor is left on this machine", "raise fs.file-max", err}
	case errno == syscall.ENOBUFS || errno == syscall.ENOMEM:
		return &shortage{"no memory is left for a socket", "raise net.ipv4.tcp_mem, or have fewer --fetches", err}
	case errno == syscall.EADDRNOTAVAIL && !ipv6:
		return &shortage{"no local port is left", "widen net.ipv4.ip_local_port_range, or have fewer --fetches", err}
	}
	return nil
}

// How long a connection waits for what this machine lacks.
const (
	lackPause    = 10 * time.Millisecond // before the second try; doubled for each other
	lackPauseMax = time.Second
	lackPatience = 15 * time.Second
)

// cancelled returns the failure of a job that gave up waiting for it: the feed
// is still due.
func (l *shortage) cancelled() *feeds.Failure {
	return &feeds.Failure{Class: feeds.Cancelled, Detail: l.what, Hint: l.remedy, Err: l}
}
