//go:build !linux

package read

import "time"

// cpuOfThread returns 0: only Linux tells what one thread has used.
func cpuOfThread() time.Duration { return 0 }
