package bench

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
	"feedmill/internal/pool"
	"feedmill/internal/refresh"
	"feedmill/internal/worker"
)

// jobs returns the jobs of the cell.
func (t *task) jobs() []feeds.Job {
	c := &t.Cell
	jobs := make([]feeds.Job, c.Feeds)
	for i := range jobs {
		url := ""
		switch c.Work {
		case Round:
			format := []string{"rss", "atom"}[i/2%2]
			url = fmt.Sprintf("http://%s/feed/%d.%s?items=%d&bytes=%d&latency=%s", host(t.Origin, i), i, format, c.Items, c.Bytes, c.Latency)
		case Parse:
			url = fmt.Sprintf("bench://parse/%d?document=%s", i, t.Names[i%len(t.Names)])
		case Ship:
			url = fmt.Sprintf("bench://ship/%d?items=%d&bytes=%d", i, c.Items, c.Bytes)
		}
		jobs[i] = feeds.Job{ID: int64(i + 1), URL: url}
	}
	return jobs
}

// hosts is how many hosts the feeds are spread on: enough for no worker to wait
// for its turn with one.
const hosts = 100

// host returns the address of the host of feed i, given that of the first one.
func host(first string, i int) string {
	a, err := netip.ParseAddrPort(first)
	if err != nil {
		return first
	}
	ip := a.Addr().As4()
	ip[2], ip[3] = ip[2]+byte(i%hosts/250), ip[3]+byte(i%hosts%250)
	return netip.AddrPortFrom(netip.AddrFrom4(ip), a.Port()).String()
}

// options are those of every refresher of every mode.
func (t *task) options() feeds.Options {
	o := feeds.Options{Ship: feeds.ShipAll, AllowNet: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	if t.Cell.Gofeed {
		o.Parser = feeds.ParserGofeed
	}
	return o
}

// refresher returns what makes the refreshers of the cell's work.
func (t *task) refresher(c *clocks) func(feeds.Options) (worker.Refresher, error) {
	return newRefresher(t.Cell.Work, t.Documents, t.Seed, c)
}

// newRefresher returns what makes the refreshers of a kind of work.
func newRefresher(w Work, documents string, seed uint64, c *clocks) func(feeds.Options) (worker.Refresher, error) {
	return func(o feeds.Options) (worker.Refresher, error) {
		if w == Round {
			r, err := feeds.NewRefresher(o)
			if err != nil || c.off {
				return r, err
			}
			return &fetcher{r, c}, nil
		}
		return &bare{documents: documents, seed: seed, parser: o.Parser, clocks: c, probe: &probe{clocks: c}}, nil
	}
}

// runner returns the runner of the cell's mode, and the pool where there is
// one.
func (t *task) runner(c *clocks) (refresh.Runner, *pool.Pool, error) {
	make := t.refresher(c)
	g := &refresh.Goroutines{Workers: t.Cell.Workers, Options: t.options()}
	hops := map[string]func(ipc.Probe) func(func(feeds.Result)) (hop, error){Codec: openCodec, LocalPipe: openPipe}
	if open := hops[t.Cell.Mode]; open != nil || t.Cell.Mode == Goroutine {
		g.NewRefresher = func(o feeds.Options) (refresh.Refresher, error) {
			r, err := make(o)
			if err != nil || open == nil {
				return r, err
			}
			return &hopping{r, open(c.probe())}, nil
		}
		return g, nil, nil
	}
	o := pool.Options{
		Path: t.Self[0], Args: t.workerArgs(), Env: []string{"GOGC=" + strconv.Itoa(t.GOGC)},
		Mode: ipc.Mode(t.Cell.Mode), Workers: t.Cell.Workers, Refresh: t.options(),
		RecycleAt: -1, Probe: c.probe, Manager: t.manager,
	}
	if t.Cell.Shipped {
		o.Path, o.Args, o.Env = t.Worker, nil, nil
	}
	p, err := pool.New(o)
	return p, p, err
}

// workerArgs returns the arguments with which the program is a worker.
func (t *task) workerArgs() []string {
	plant, _ := json.Marshal(t.Plant)
	args := append(slices.Clone(t.Self[1:]), "worker",
		"--work", string(t.Cell.Work), "--documents", t.Documents, "--seed", strconv.FormatUint(t.Seed, 10), "--plant", string(plant))
	if t.Cell.Clocked {
		args = append(args, "--clocked")
	}
	return args
}

// A ballast is memory full of pointers that stays alive: what a collector has
// to look through beside the work.
type ballast struct {
	next *ballast
	_    [48]byte
}

// newBallast returns about so many bytes of it.
func newBallast(bytes int64) *ballast {
	var b *ballast
	for range bytes / 64 {
		b = &ballast{next: b}
	}
	return b
}
