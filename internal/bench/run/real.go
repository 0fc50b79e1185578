//go:build linux

package run

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cespare/xxhash/v2"
)

// hosts is how many hosts generated feeds are spread on: enough for no worker
// to wait for its turn with one.
const hosts = 100

// host returns the address of the host of feed i, given that of the first one,
// 127.0.0.1 and a port.
func host(first string, i int) string {
	_, port, _ := strings.Cut(first, ":")
	return fmt.Sprintf("127.0.0.%d:%s", 1+i%hosts, port)
}

// A lot is what a cell of the real program needs for an invocation: an origin,
// the list of its feeds, and where feeds were seen before a store that has them.
type lot struct {
	origin *served
	list   string // file
	store  string // file; empty for a new one each time
}

// lot returns the lot of a cell, made when it is asked for first. News are an
// origin's of its own: each refresh moves it on.
func (e *executor) lot(ctx context.Context, c *Cell) (l *lot, err error) {
	if l := e.lots[c.ID]; l != nil {
		return l, nil
	}
	l = &lot{origin: e.origin, list: filepath.Join(e.dir, fmt.Sprintf("list-%d", c.ID))}
	if c.Work == TenthNew {
		if l.origin, err = e.o.serve(ctx, "--news-every=10"); err != nil {
			return nil, err
		}
	}
	e.lots[c.ID] = l
	urls, err := e.urls(l.origin.addr, c)
	if err != nil {
		return nil, fmt.Errorf("read feeds: %w", err)
	}
	if err := os.WriteFile(l.list, []byte(strings.Join(urls, "\n")), 0o600); err != nil {
		return nil, fmt.Errorf("write list: %w", err)
	}
	if c.Work.again() {
		l.store = filepath.Join(e.dir, fmt.Sprintf("store-%d.db", c.ID))
		_, _, err = e.refresh(ctx, c, l.list, l.store)
	}
	return l, err
}

func (e *executor) urls(addr string, c *Cell) (urls []string, err error) {
	if c.Work.own() {
		files, err := os.ReadDir(e.o.Settings.Folder)
		for i, f := range files {
			if f.Type().IsRegular() {
				urls = append(urls, fmt.Sprintf("http://%s/dir/%s", host(addr, i), url.PathEscape(f.Name())))
			}
		}
		return urls, err
	}
	for i := range c.Feeds {
		format := []string{"rss", "atom"}[i/2%2]
		urls = append(urls, fmt.Sprintf("http://%s/feed/%d.%s?items=%d&bytes=%d&latency=%s", host(addr, i), i, format, c.Items, c.Bytes, c.Latency))
	}
	return urls, nil
}

// drop ends the origins of an invocation's lots and forgets their stores.
func (e *executor) drop() {
	for _, l := range e.lots {
		if l.origin != e.origin {
			l.origin.stop()
		}
		if l.store != "" {
			removeStore(l.store)
		}
	}
	clear(e.lots)
}

func removeStore(path string) {
	for _, end := range []string{"", "-wal", "-shm"} {
		os.Remove(path + end)
	}
}

// round takes a sample of the real program: the command that people type, from
// its start to its end.
func (e *executor) round(ctx context.Context, c *Cell) (s Sample, err error) {
	l, err := e.lot(ctx, c)
	if err != nil {
		return s, err
	}
	if c.Work == TenthNew {
		if _, err := ask(ctx, http.MethodPost, "http://"+l.origin.addr+"/-/epoch?add=1"); err != nil {
			return s, err
		}
	}
	store := l.store
	if store == "" {
		store = filepath.Join(e.dir, "new.db")
		defer removeStore(store)
	}
	s, t, err := e.refresh(ctx, c, l.list, store)
	if err == nil && t.failed > 0 && !c.Work.own() {
		err = fmt.Errorf("%d feeds failed", t.failed)
	}
	return s, err
}

// refresh runs coordinator refresh and returns what it took and what it did.
func (e *executor) refresh(ctx context.Context, c *Cell, list, store string, more ...string) (s Sample, t told, err error) {
	ctx, cancel := context.WithTimeout(ctx, sampleTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, e.o.Coordinator, append([]string{"refresh", "--db", store, "--list", list, "--force", "--json", "--quiet",
		"--mode", c.Mode, "--workers", strconv.Itoa(c.Workers), "--worker", e.o.Worker, "--allow-net", "127.0.0.0/8"}, more...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	begin := cmd.Start
	if c.OneCPU {
		begin = func() error { return startOnOneCPU(cmd) }
	}
	start := time.Now()
	if err = begin(); err == nil {
		err = cmd.Wait()
		s.Wall = time.Since(start)
		s.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok { // with the processes that it has waited for
			s.MinorFaults, s.Switches = r.Minflt, r.Nvcsw+r.Nivcsw
		}
	}
	t, readErr := s.took(out.Bytes())
	// Feeds of somebody's own, and hostile ones, may fail, as long as all modes
	// agree on which.
	if err != nil && !t.whole {
		return s, t, fmt.Errorf("refresh: %w: %s", err, lastLine(errs.String()))
	}
	return s, t, readErr
}

// told is what a refresh says of its round.
type told struct {
	answered, deaths, failed int
	whole                    bool // it came to its summary
}

// took reads what a refresh says of itself: every feed's fate, whose hash is that
// of the work, and the summary.
func (s *Sample) took(out []byte) (t told, err error) {
	var lines []string
	for line := range bytes.Lines(out) {
		var l struct {
			Type, URL, Class string
			New, Updated     int
			Workers          int64
			Peak             struct{ Coordinator, Worker int64 } `json:"peak_rss"`
			Deaths           int                                 `json:"worker_deaths"`
			Failed           int
		}
		if err := json.Unmarshal(line, &l); err != nil {
			return t, fmt.Errorf("read what refresh says: %w", err)
		}
		switch l.Type {
		case "feed":
			u, err := url.Parse(l.URL)
			if err != nil {
				return t, fmt.Errorf("read what refresh says: %w", err)
			}
			lines = append(lines, fmt.Sprint(u.Path, " ", l.Class, l.New, l.Updated))
		case "summary":
			s.Peak = l.Peak.Coordinator + l.Workers*l.Peak.Worker
			t = told{len(lines), l.Deaths, l.Failed, true}
		}
	}
	slices.Sort(lines)
	s.Hash = strconv.FormatUint(xxhash.Sum64String(strings.Join(lines, "\n")), 16)
	return t, nil
}

// kits has the real program read the project's own hostile documents.
func (e *executor) kits(ctx context.Context) error {
	if e.o.Coordinator == "" {
		return nil
	}
	text, err := ask(ctx, http.MethodGet, "http://"+e.origin.addr+"/hostile.txt")
	if err != nil {
		return fmt.Errorf("list hostile documents: %w", err)
	}
	list, store := filepath.Join(e.dir, "hostile"), filepath.Join(e.dir, "hostile.db")
	if err := os.WriteFile(list, text, 0o600); err != nil {
		return fmt.Errorf("write list: %w", err)
	}
	for _, mode := range []string{Goroutine, Pipe} {
		e.progress("hostile documents, %s", mode)
		_, t, err := e.refresh(ctx, &Cell{Mode: mode, Workers: e.o.Settings.Workers}, list, store, "--timeout", "2s")
		removeStore(store)
		if ctx.Err() != nil {
			return err
		}
		e.run.Kits = append(e.run.Kits, Kit{Mode: mode, Cases: len(strings.Fields(string(text))), Answered: t.answered, Deaths: t.deaths, Survived: t.whole})
	}
	return nil
}
