//go:build !linux

package feeds

import "time"

// threadCPU returns 0: only Linux tells what one thread has used.
func threadCPU() time.Duration { return 0 }
