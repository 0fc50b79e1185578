package sandbox

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// dataRoom is how much private memory a process must have left under its
// limit to be worth limiting: with less, the runtime dies at its next arena.
const dataRoom = 32 << 20

// limit bounds memory, file descriptors and core files, hard and for good.
//
// Rejected: RLIMIT_NPROC, which counts all threads of the user; RLIMIT_FSIZE,
// which kills a process whose stderr is a file; RLIMIT_CPU, which counts for a
// process's whole life and not for one feed.
func limit(p Policy, l *Level) {
	data, err := dataLimit(p)
	if err == nil {
		if err = lower(unix.RLIMIT_DATA, uint64(data)); err == nil {
			l.DataLimit = data
		}
	}
	files, ferr := fileLimit()
	if ferr == nil {
		ferr = lower(unix.RLIMIT_NOFILE, files)
	}
	if err := errors.Join(err, ferr, lower(unix.RLIMIT_CORE, 0)); err != nil {
		l.lacks(partRlimits, strings.ReplaceAll(err.Error(), "\n", "; "))
		return
	}
	l.Rlimits = true
}

// lower sets both limits of a resource to max.
func lower(resource int, max uint64) error {
	if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: max, Max: max}); err != nil {
		return fmt.Errorf("set limit %d: %w", resource, err)
	}
	return nil
}

// hardLimit returns the bound of a resource that a parent set.
func hardLimit(resource int) (uint64, error) {
	var r unix.Rlimit
	if err := unix.Getrlimit(resource, &r); err != nil {
		return 0, fmt.Errorf("get limit %d: %w", resource, err)
	}
	return r.Max, nil
}

// dataLimit returns the bound on private memory that p can have here, in
// bytes.
func dataLimit(p Policy) (int64, error) {
	hard, err := hardLimit(unix.RLIMIT_DATA)
	if err != nil {
		return 0, err
	}
	data := int64(min(hard, uint64(p.DataLimit)))
	used, err := dataUsed()
	if err != nil {
		return 0, err
	}
	if used+dataRoom > data {
		return 0, fmt.Errorf("the process has %d MiB of data already, its limit would be %d MiB", used>>20, data>>20)
	}
	return data, nil
}

// dataUsed returns how many bytes of the process count towards RLIMIT_DATA:
// the sixth field of /proc/self/statm, in pages, see proc_pid_statm(5).
func dataUsed() (int64, error) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, fmt.Errorf("read memory in use: %w", err)
	}
	fields := strings.Fields(string(text))
	if len(fields) < 6 {
		return 0, fmt.Errorf("read memory in use: %d fields in /proc/self/statm", len(fields))
	}
	pages, err := strconv.ParseInt(fields[5], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read memory in use: %w", err)
	}
	return pages * int64(os.Getpagesize()), nil
}

// fileLimit returns the bound on file descriptors that there can be here.
func fileLimit() (uint64, error) {
	hard, err := hardLimit(unix.RLIMIT_NOFILE)
	if err != nil {
		return 0, err
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0, fmt.Errorf("list open files: %w", err)
	}
	want := uint64(mostFiles)
	for _, e := range entries {
		if fd, err := strconv.ParseUint(e.Name(), 10, 32); err == nil {
			want = max(want, fd+1+spareFiles)
		}
	}
	return min(hard, want), nil
}
