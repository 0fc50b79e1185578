//go:build unix

package pool_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/pool"
)

// coordinates is no worker but a coordinator, with workers that never end
// their work. It prints their numbers.
func coordinates() {
	self, _ := os.Executable()
	p, err := pool.New(pool.Options{Path: self, Workers: 4, Enclose: os.Getenv(envEnclose) != "", Env: []string{
		envBehaviour + "=" + cmp.Or(os.Getenv(envArg), "good"), envOffspring + "=" + os.Getenv(envOffspring)}})
	if err != nil {
		panic(err)
	}
	var asked [4]bool
	err = p.Run(context.Background(), func(ctx context.Context, w int) ([]feeds.Job, error) {
		if asked[w] {
			<-ctx.Done()
			return nil, nil
		}
		asked[w] = true
		id := int64(w + 1)
		return []feeds.Job{{ID: id, URL: "ok"}, {ID: id + 100, URL: "spin"}, {ID: id + 200, URL: "ok"}}, nil
	}, func(r feeds.Result) { fmt.Println(r.Link) })
	fmt.Fprintln(os.Stderr, "the run ended:", err)
}

// coordinatesSlowly is a coordinator of two workers that does not wait for them
// for long. It says when the first job is done, and at the end what came of all.
func coordinatesSlowly() {
	self, _ := os.Executable()
	p, err := pool.New(pool.Options{Path: self, Workers: 2, Env: []string{envBehaviour + "=good"}, Patience: pool.Patience{HangAfter: time.Second, StopGrace: 10 * time.Second}})
	if err != nil {
		panic(err)
	}
	odd := make(map[int64]string)
	for id := range int64(200) {
		odd[id+1] = "sleep"
	}
	r := newRound(jobs(200, odd), 2, 10)
	r.onEmit = func(feeds.Result) {
		if len(r.results) == 1 {
			fmt.Println("begun")
		}
	}
	err = p.Run(context.Background(), r.next, r.emit)
	fmt.Println(len(r.results), "jobs,", p.Stats().Deaths, "deaths,", err)
}
