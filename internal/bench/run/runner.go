//go:build linux

package run

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
	"feedmill/internal/ipc/carrier"
	"feedmill/internal/pool"
	"feedmill/internal/refresh"
)

// jobs returns the jobs of the cell.
func (t *task) jobs() []feeds.Job {
	c := &t.Cell
	jobs := make([]feeds.Job, c.Feeds)
	for i := range jobs {
		url := fmt.Sprintf("bench://ship/%d?items=%d&bytes=%d", i, c.Items, c.Bytes)
		if c.Work == Parse {
			url = fmt.Sprintf("bench://parse/%d?document=%s", i, t.Names[i%len(t.Names)])
		}
		jobs[i] = feeds.Job{ID: int64(i + 1), URL: url}
	}
	return jobs
}

// options are those of every refresher of every mode.
func (t *task) options() feeds.Options {
	o := feeds.Options{Ship: feeds.ShipAll}
	if t.Cell.Gofeed {
		o.Parser = feeds.ParserGofeed
	}
	return o
}

// runner returns the runner of the cell's mode, and the pool where there is
// one.
func (t *task) runner(c *clocks) (refresh.Runner, *pool.Pool, error) {
	g := &refresh.Goroutines{Workers: t.Cell.Workers, Options: t.options()}
	hops := map[string]func(ipc.Probe) func(func(feeds.Result)) (hop, error){Codec: openCodec, LocalPipe: openPipe}
	if open := hops[t.Cell.Mode]; open != nil || t.Cell.Mode == Goroutine {
		g.NewRefresher = func(o feeds.Options) (refresh.Refresher, error) {
			r := newBare(t.Documents, o.Parser, c)
			if open == nil {
				return r, nil
			}
			return &hopping{r, open(c.probe())}, nil
		}
		return g, nil, nil
	}
	e := errand{Documents: t.Documents, Plant: t.Plant, Clocked: t.Cell.Clocked}
	if t.Cell.Mode == ManyToMany {
		return &shared{t.Cell.Workers, func(ctx context.Context) *exec.Cmd {
			c := exec.CommandContext(ctx, t.Self[0], append(t.Self[1:len(t.Self):len(t.Self)], "share", e.told())...)
			c.Env = append(os.Environ(), "GOGC="+strconv.Itoa(t.GOGC), "GOMAXPROCS=1")
			c.Stderr = os.Stderr
			return c
		}}, nil, nil
	}
	p, err := pool.New(pool.Options{
		Path: t.Self[0], Args: e.args(t.Self), Env: []string{"GOGC=" + strconv.Itoa(t.GOGC)},
		Mode: carrier.Mode(t.Cell.Mode), Workers: t.Cell.Workers, Refresh: t.options(),
		RecycleAt: -1, Probe: c.probe,
	})
	return p, p, err
}
