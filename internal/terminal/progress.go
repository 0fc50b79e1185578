package terminal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"feedmill/internal/feeds"
)

// plainEvery is how often a round says how far it is when its standard error
// is no terminal.
const plainEvery = 10 * time.Second

// A Progress shows on standard error how far a round is: a bar for each
// worker and one for all on a terminal, a plain line now and then elsewhere,
// nothing at all when it is quiet. Its methods may be called from several
// goroutines.
type Progress struct {
	out   io.Writer
	bars  *mpb.Progress // nil when out is no terminal
	lines chan struct{} // closed by close to end the plain lines
	ended sync.Once     // what close does
	wg    sync.WaitGroup

	mu      sync.Mutex // guards the fields below
	total   *mpb.Bar
	workers []*mpb.Bar
	size    []int // jobs of each worker's shard
	done    []int // jobs each worker has finished; may pass size, when it took over another's hosts
	all     int
	stored  int
	failed  int
}

// NewProgress returns a Progress on out, which says nothing when it is quiet, and
// plain lines only where people read all that there is. The caller closes it.
func NewProgress(out io.Writer, quiet, lines bool) *Progress {
	p := &Progress{out: out, lines: make(chan struct{})}
	switch {
	case quiet:
	case isTerminal(out) && os.Getenv("TERM") != "dumb": // one that cannot move its cursor
		p.bars = mpb.New(mpb.WithOutput(out), mpb.WithWidth(48))
	case lines:
		p.wg.Go(p.plain)
	}
	return p
}

// Over returns a writer for lines of result that keeps them above the bars
// when both are on a terminal, else w itself. After close they come below.
func (p *Progress) Over(w io.Writer) io.Writer {
	if p.bars != nil && isTerminal(w) {
		return &overBars{p.bars, w}
	}
	return w
}

// An overBars writes above the bars for as long as there are any.
type overBars struct {
	bars  *mpb.Progress
	after io.Writer
}

func (o *overBars) Write(b []byte) (int, error) {
	n, err := o.bars.Write(b)
	if errors.Is(err, mpb.ErrDone) {
		return o.after.Write(b)
	}
	return n, err
}

// Planned says how many jobs each worker was dealt. Where a run has several rounds
// each adds its own.
func (p *Progress) Planned(shards []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.size) < len(shards) {
		p.size = append(p.size, make([]int, len(shards)-len(p.size))...)
		p.done = append(p.done, make([]int, len(shards)-len(p.done))...)
	}
	for i, n := range shards {
		p.size[i] += n
		p.all += n
	}
	if p.bars == nil || p.all == 0 {
		return
	}
	if p.total != nil { // the bars are there
		for i, b := range p.workers {
			b.SetTotal(int64(p.size[i]), false)
		}
		p.total.SetTotal(int64(p.all), false)
		return
	}
	for i, n := range p.size {
		p.workers = append(p.workers, p.bar(fmt.Sprintf("worker %d", i), n))
	}
	p.total = p.bar("stored", p.all)
}

// bar adds a bar whose total may change and that ends only when close says so: a
// worker may end with less or more than its shard, and a round with less than all.
func (p *Progress) bar(name string, total int) *mpb.Bar {
	b := p.bars.AddBar(0, // the one total that does not stay what it is
		mpb.PrependDecorators(decor.Name(name, decor.WCSyncSpaceR)),
		mpb.AppendDecorators(decor.CountersNoUnit("%d / %d feeds", decor.WCSyncSpace), decor.Elapsed(decor.ET_STYLE_GO, decor.WCSyncSpace)),
	)
	b.SetTotal(int64(total), false)
	return b
}

// Finished says that a worker ended one job. One that was cancelled was not
// done, and no bar counts it.
func (p *Progress) Finished(worker int, class feeds.Class) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if worker < 0 || worker >= len(p.done) || class == feeds.Cancelled {
		return
	}
	p.done[worker]++
	if p.workers == nil {
		return
	}
	if n := p.done[worker]; n > p.size[worker] {
		p.workers[worker].SetTotal(int64(n), false)
	}
	p.workers[worker].Increment()
}

// Recorded says that a feed has been stored.
func (p *Progress) Recorded(class feeds.Class) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if class == feeds.Cancelled {
		return
	}
	p.stored++
	if !class.OK() {
		p.failed++
	}
	if p.total != nil {
		p.total.Increment()
	}
}

// plain prints a line every plainEvery until close.
func (p *Progress) plain() {
	tick := time.NewTicker(plainEvery)
	defer tick.Stop()
	for {
		select {
		case <-p.lines:
			return
		case <-tick.C:
			p.mu.Lock()
			if p.all > 0 { // the store may still be opened
				fmt.Fprintf(p.out, "refreshed %d of %d feeds, %d failed\n", p.stored, p.all, p.failed)
			}
			p.mu.Unlock()
		}
	}
}

// Close ends the bars where they stand and waits until the last frame is out. It
// may be called again.
func (p *Progress) Close() { p.ended.Do(p.end) }

func (p *Progress) end() {
	close(p.lines)
	p.wg.Wait()
	if p.bars == nil {
		return
	}
	p.mu.Lock()
	for _, b := range append(p.workers, p.total) {
		if b != nil {
			b.SetTotal(-1, true) // what it has is all that there was
		}
	}
	p.mu.Unlock()
	p.bars.Wait()
}
