//go:build linux

package run

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// sampleTime is how long one sample may take. Past it the process is killed and
// the sample has failed.
const sampleTime = time.Minute

// An executor takes samples: each in a process of its own, one at a time.
type executor struct {
	o      *Options
	run    *Run
	rand   *rand.Rand
	dir    string // for documents and the article's program
	origin *served
	names  map[string][]string // documents by size
	lots   map[int]*lot        // of rounds of the real program, by cell

	done, all time.Duration // what was expected of what is done, and of everything
}

// served is an origin in a process of its own, from start to stop.
type served struct {
	addr  string
	cmd   *exec.Cmd
	stdin io.Closer
}

// A lot is what a cell of the real program needs for an invocation: an origin,
// the list of its feeds, and where feeds were seen before a store that has them.
type lot struct {
	origin *served
	list   string // file
	store  string // file; empty for a new one each time
}

// command returns the program as one of the experiment's children.
func (o *Options) command(ctx context.Context, args ...string) *exec.Cmd {
	args = append(o.Self[1:len(o.Self):len(o.Self)], args...)
	c := exec.CommandContext(ctx, o.Self[0], args...)
	c.Stderr = os.Stderr
	return c
}

// serve starts an origin.
func (o *Options) serve(ctx context.Context, args ...string) (*served, error) {
	c := o.command(ctx, append([]string{"origin", "--folder", o.Settings.Folder}, args...)...)
	stdin, err := c.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start origin: %w", err)
	}
	stdout, err := c.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start origin: %w", err)
	}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("start origin: %w", err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	s := &served{addr: strings.TrimSpace(line), cmd: c, stdin: stdin}
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("start origin: %w", err)
	}
	return s, nil
}

// stop ends the origin and waits for it.
func (s *served) stop() {
	s.stdin.Close()
	s.cmd.Wait()
}

// documentsOfSize is how many different documents one size of feed has.
const documentsOfSize = 8

// documents returns the names of the documents of a size in the executor's
// folder, where they are put when they are asked for first.
func (e *executor) documents(ctx context.Context, items, size int) ([]string, error) {
	key := fmt.Sprintf("%d-%d", items, size)
	if names := e.names[key]; names != nil {
		return names, nil
	}
	var names []string
	for i := range documentsOfSize {
		ext := []string{"rss", "atom"}[i%2]
		url := fmt.Sprintf("http://%s/feed/%d.%s?items=%d&bytes=%d&enc=identity", e.origin.addr, i, ext, items, size)
		body, err := ask(ctx, http.MethodGet, url)
		if err != nil {
			return nil, fmt.Errorf("fetch document: %w", err)
		}
		name := fmt.Sprintf("%s-%d.%s", key, i, ext)
		if err := os.WriteFile(filepath.Join(e.dir, name), body, 0o600); err != nil {
			return nil, fmt.Errorf("keep document: %w", err)
		}
		names = append(names, name)
	}
	e.names[key] = names
	return names, nil
}

// ask makes a request of an origin.
func ask(ctx context.Context, method, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return nil, errors.New(resp.Status)
	}
	return io.ReadAll(resp.Body)
}

func newExecutor(o *Options, run *Run, dir string) *executor {
	return &executor{
		o: o, run: run, dir: dir, names: make(map[string][]string), lots: make(map[int]*lot), all: Estimate(o),
		rand: rand.New(rand.NewPCG(o.Settings.Seed, 0x6f72646572)),
	}
}

// save hands the run on as far as it is.
func (e *executor) save() error {
	e.run.Elapsed = time.Since(e.run.Started)
	if e.o.Save == nil {
		return nil
	}
	return e.o.Save(e.run)
}

// step counts what was expected of something that is done.
func (e *executor) step(d time.Duration) { e.done += d }

// progress says what is going on and how long it will take, as far as the past
// tells.
func (e *executor) progress(what string) {
	left := e.all
	if e.done > 0 {
		left = time.Duration(float64(time.Since(e.run.Started)) * max(0, float64(e.all-e.done)) / float64(e.done))
	}
	if e.o.Progress != nil {
		e.o.Progress(fmt.Sprintf("%s; about %v left", what, left.Round(time.Second)))
	}
}

// lastLine returns the last line of s that is not blank.
func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}
