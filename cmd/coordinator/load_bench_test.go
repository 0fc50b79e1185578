package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mmcdole/gofeed"

	"feedmill/internal/origin"
)

// A load is the origin of a benchmark, in a process of its own so that what it
// costs is not counted as the reader's.
type load struct {
	urls []string
	list string // a file with them, one a line
	base string // http://host:port of the first host
	stop func() // ends the origin; the end of the benchmark does, too
}

// startLoad runs coordinator origin with args until the benchmark ends.
func startLoad(b testing.TB, args ...string) *load {
	b.Helper()
	cmd := exec.Command(filepath.Join(programs, "coordinator"), append([]string{"origin", "--addr", "127.0.0.1:0"}, args...)...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	stop := sync.OnceFunc(func() {
		cmd.Process.Signal(os.Interrupt)
		io.Copy(io.Discard, stdout)
		cmd.Wait()
	})
	b.Cleanup(stop)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(line) // serving http://… (…)
	// The port speaks plain HTTP, too.
	l := &load{base: strings.Replace(strings.TrimSuffix(fields[1], "/"), "https:", "http:", 1), stop: stop}
	resp, err := http.Get(l.base + "/list")
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	list, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatal(err)
	}
	l.take(b, strings.Fields(string(list)))
	return l
}

// take makes urls the load's feeds.
func (l *load) take(b testing.TB, urls []string) {
	l.urls = urls
	l.list = writeFile(b, "feeds.txt", strings.Join(urls, "\n"))
}

// moveOn begins the origin's next epoch: each feed has one new item.
func (l *load) moveOn(b testing.TB) {
	b.Helper()
	resp, err := http.Post(l.base+"/-/epoch?add=1", "", nil)
	if err != nil {
		b.Fatal(err)
	}
	resp.Body.Close()
}

// notModified returns how often the origin has answered 304.
func (l *load) notModified(b *testing.B) int64 {
	resp, err := http.Get(l.base + "/-/stats")
	if err != nil {
		b.Error(err)
		return -1
	}
	defer resp.Body.Close()
	var counts origin.Counts
	if err := json.NewDecoder(resp.Body).Decode(&counts); err != nil {
		b.Error(err)
		return -1
	}
	return counts.NotModified
}

// A bare is what a program without processes, store or manners does: a plain
// client that fetches in as many goroutines as two workers have fetches under
// way. It is generous: connections are kept and shared without bound.
type bare struct {
	urls  []string
	etags []string              // sent with the request of each URL; nil for none
	use   func(io.Reader) error // what is done with a body
}

// bareFetches is what two workers have under way together.
const bareFetches = 2 * 16

// round asks for every feed once.
func (c *bare) round(b *testing.B) cost {
	b.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: bareFetches}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	start, cpu := time.Now(), cpuTime()
	work := make(chan int)
	var wg sync.WaitGroup
	for range bareFetches {
		wg.Go(func() {
			for i := range work {
				if err := c.fetch(client, i); err != nil {
					b.Errorf("%s: %v", c.urls[i], err)
				}
			}
		})
	}
	for i := range c.urls {
		work <- i
	}
	close(work)
	wg.Wait()
	return cost{time.Since(start), cpuTime() - cpu}
}

func (c *bare) fetch(client *http.Client, i int) error {
	req, err := http.NewRequest(http.MethodGet, c.urls[i], nil)
	if err != nil {
		return err
	}
	want := http.StatusOK
	if c.etags != nil {
		req.Header.Set("If-None-Match", c.etags[i])
		want = http.StatusNotModified
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != want {
		return fmt.Errorf("%s, want %d", resp.Status, want)
	}
	return c.use(resp.Body)
}

// readOnly reads a body to its end.
func readOnly(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

// parseAlone reads a body with gofeed.
func parseAlone(r io.Reader) error {
	_, err := gofeed.NewParser().Parse(r)
	return err
}

// etagsOf asks for every feed and returns the ETags, which the origin's cache
// knows the bodies by from then on.
func etagsOf(b *testing.B, urls []string) []string {
	b.Helper()
	etags := make([]string, len(urls))
	for i, u := range urls {
		resp, err := http.Get(u)
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if etags[i] = resp.Header.Get("ETag"); etags[i] == "" {
			b.Fatalf("%s has no ETag", u)
		}
	}
	return etags
}

// A cost is what a round needed: time, and processor time of all its processes.
type cost struct{ wall, cpu time.Duration }

// An arm is one of the ways to do a round that a benchmark compares.
type arm struct {
	name  string
	round func() cost
}

// costs are what one round of each arm needed, by the arm's name, for each
// iteration.
type costs []map[string]cost

// inTurn does one round of each arm in every iteration, after an untimed
// before, and begins with another arm each time: on a machine that others use
// only what was measured side by side can be compared.
func inTurn(b *testing.B, before func(), arms ...arm) costs {
	var t costs
	for b.Loop() {
		before()
		round := make(map[string]cost)
		for i := range arms {
			a := arms[(len(t)+i)%len(arms)]
			round[a.name] = a.round()
		}
		t = append(t, round)
	}
	b.ReportMetric(0, "ns/op") // of all arms together: means nothing
	for _, a := range arms {
		b.ReportMetric(t.median(func(r map[string]cost) float64 { return r[a.name].wall.Seconds() * 1000 }), a.name+"-ms")
		b.ReportMetric(t.median(func(r map[string]cost) float64 { return r[a.name].cpu.Seconds() * 1000 }), a.name+"-cpu-ms")
	}
	return t
}

// median returns the median of a figure over all iterations.
func (t costs) median(figure func(map[string]cost) float64) float64 {
	var all []float64
	for _, r := range t {
		all = append(all, figure(r))
	}
	return median(all)
}

// report prints the median, over the iterations, of one arm's cost divided by
// another's, and returns that of the time. On a busy machine the time flatters
// whoever has more processes; the processor time does not.
func (t costs) report(b *testing.B, a, over string) (wall float64) {
	wall = t.median(func(r map[string]cost) float64 { return float64(r[a].wall) / float64(r[over].wall) })
	b.ReportMetric(wall, a+"/"+over)
	cpu := t.median(func(r map[string]cost) float64 { return float64(r[a].cpu) / float64(r[over].cpu) })
	b.ReportMetric(cpu, a+"/"+over+"-cpu")
	return wall
}

func median[T float64 | time.Duration](all []T) T {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}
