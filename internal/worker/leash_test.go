package worker_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
	"feedmill/internal/worker"
)

// leashed serves a worker on a leash of ten seconds, whose coordinator does with
// each heartbeat what answer says, and returns how long it lived and what Serve
// returned.
func leashed(t *testing.T, answer func(n int, h *ipc.Heartbeat, send func(at time.Duration))) (lived time.Duration, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		begun := time.Now()
		done := make(chan error, 1)
		go func() {
			done <- worker.Serve(context.Background(), ipc.NewConn(theirs, theirs, ipc.Options{}), worker.Options{
				NewRefresher: func(feeds.Options) (worker.Refresher, error) { return newRefresher(), nil },
			})
			lived = time.Since(begun)
			theirs.Close()
		}()
		c := ipc.NewConn(ours, ours, ipc.Options{})
		if _, err := c.Recv(); err != nil {
			t.Fatal(err)
		}
		c.Send(&ipc.Hello{Version: ipc.Version, Options: ipc.EncodeOptions(feeds.Options{Leash: 10 * time.Second})})
		for n := 1; ; n++ {
			m, err := c.Recv()
			if err != nil {
				break
			}
			answer(n, m.(*ipc.Heartbeat), func(at time.Duration) { c.Send(&ipc.Heartbeat{At: at}) })
		}
		ours.Close()
		err = <-done
	})
	return lived, err
}

func TestAWorkerWithoutAnswersEndsWithItsLeash(t *testing.T) {
	tests := []struct {
		name   string
		answer func(n int, h *ipc.Heartbeat, send func(time.Duration))
		lives  time.Duration
	}{
		{"no answer", func(int, *ipc.Heartbeat, func(time.Duration)) {}, 10 * time.Second},
		{"twenty answers", func(n int, h *ipc.Heartbeat, send func(time.Duration)) {
			if n <= 20 {
				send(h.At)
			}
		}, 30 * time.Second},
		{"answers that lay in the link", func(n int, h *ipc.Heartbeat, send func(time.Duration)) {
			send(2 * time.Second)
		}, 12 * time.Second},
		{"answers to what was not sent yet", func(n int, h *ipc.Heartbeat, send func(time.Duration)) {
			send(h.At + time.Hour)
		}, 10 * time.Second},
	}
	for _, tt := range tests {
		lived, err := leashed(t, tt.answer)
		if !errors.Is(err, worker.ErrUnanswered) || lived != tt.lives {
			t.Errorf("%s: lived for %v and ended with %v, want %v and %v", tt.name, lived, err, tt.lives, worker.ErrUnanswered)
		}
	}
}
