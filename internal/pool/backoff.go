package pool

import "time"

const (
	backoffFirst = 50 * time.Millisecond
	backoffMost  = 3200 * time.Millisecond
)

// backoff returns how long to wait before the process that follows the k-th
// failure in a row is started, k counting from 0: 50 ms doubled k times, at most
// 3.2 s, of which random (in [0, 1)) takes away up to half. The jitter keeps
// workers that died together from coming back together.
func backoff(k int, random float64) time.Duration {
	d := backoffMost
	if k < 6 {
		d = backoffFirst << max(k, 0)
	}
	return d - time.Duration(random*float64(d)/2)
}
