//go:build unix

package pool

import "syscall"

// resources returns what there is room for here.
func resources() room {
	r := room{memory: memoryLimit()}
	var files syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files) == nil {
		r.files = uint64(files.Cur)
	}
	return r
}
