// Package sandbox makes a process give up, for good, what it does not need to
// fetch and parse feeds: files, programs, other processes, most of the kernel,
// and memory without end.
//
// It refuses to do less than it was asked to in silence: what holds
// afterwards, and what does not and why, is in the [Level] that it returns.
package sandbox

import (
	"cmp"
	"fmt"
	"runtime/debug"
	"time"
)

// A Mode says what to do when a part of the sandbox is not to be had.
type Mode uint8

// The modes.
const (
	BestEffort Mode = iota // take what there is and report the rest
	Require                // all of it, or an error
	Off                    // nothing but other processes: it starts none where the system can refuse that
)

var modeNames = [...]string{BestEffort: "best-effort", Require: "require", Off: "off"}

// String returns the word that ParseMode understands.
func (m Mode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return fmt.Sprintf("Mode(%d)", uint8(m))
}

// ParseMode returns the mode spelled s: best-effort, require or off.
func ParseMode(s string) (Mode, error) {
	for m, name := range modeNames {
		if s == name {
			return Mode(m), nil
		}
	}
	return BestEffort, fmt.Errorf("unknown sandbox mode %q: it is best-effort, require or off", s)
}

// What a process keeps whatever its policy is.
const (
	// maxStack bounds one goroutine's stack, in bytes. Beyond it the Go runtime
	// ends the process with exit code 2 and "stack overflow" on stderr.
	maxStack = 32 << 20
	// mostFiles bounds the numbers of file descriptors. It is raised to what is open
	// already and spareFiles more, enough for some requests under way.
	mostFiles, spareFiles = 1024, 64
)

// A Policy says what a process keeps. Its zero value is the policy of a
// worker that may connect to any port.
type Policy struct {
	Mode Mode

	// DataLimit is the hard bound on private writable memory, RLIMIT_DATA, in
	// bytes. 0 means DefaultDataLimit; what a parent already limited further
	// stays so. At the bound the Go runtime ends the process with exit code 2
	// and "out of memory" on stderr.
	//
	// Rejected: RLIMIT_AS. It counts addresses that are only reserved, of
	// which every Go program has most of a gigabyte (golang.org/issue/38010).
	DataLimit int64

	// MemoryLimit is where the garbage collector begins to work harder,
	// GOMEMLIMIT, in bytes. 0 means 60 % of the DataLimit in force.
	MemoryLimit int64

	// ConnectPorts are the ports that TCP may connect to, besides 53 for name
	// lookups; where the system can tell, UDP may then send to port 53 alone.
	// nil means any port, and a proxy's port must be among them too.
	ConnectPorts []uint16
}

// check reports a policy that makes no sense.
func (p Policy) check() error {
	if int(p.Mode) >= len(modeNames) {
		return fmt.Errorf("sandbox: no such mode: %v", p.Mode)
	}
	if p.DataLimit < 0 || p.MemoryLimit < 0 {
		return fmt.Errorf("sandbox: negative limit in policy: data %d, memory %d", p.DataLimit, p.MemoryLimit)
	}
	return nil
}

// Apply makes the calling process, all its threads included, give up all that
// p does not keep. There is no way back, so it is called once, before the
// first byte that is not trusted, and costs about a millisecond.
//
// With Require it returns an *unavailableError when a part is missing. What is
// known to be missing is found before anything is given up; should a part fail
// later than that, the process is left half restricted, and must end. With
// BestEffort missing parts are no error: the Level names them.
//
// The bounds on the garbage collector and on stacks are the Go runtime's own
// and hold on every system, in every mode but Off.
//
// Rejected: reading the system's certificates first, so that their files
// could be closed too. That takes 15 to 35 ms for the 144 of Debian, in every
// worker, also in one that never speaks TLS; they are public, and stay
// readable instead.
func Apply(p Policy) (Level, error) {
	if err := p.check(); err != nil {
		return Level{}, err
	}
	if p.Mode == Off {
		_ = stayAlone() // where there is no seccomp nothing is lost that was promised
		return Level{Mode: Off}, nil
	}
	p.DataLimit = cmp.Or(p.DataLimit, DefaultDataLimit)
	if p.Mode == Require {
		if l := probe(p); len(l.Missing) > 0 {
			return Level{Mode: Require}, &unavailableError{Missing: l.Missing}
		}
	}

	_, _ = time.Now().Zone() // reads TZ or /etc/localtime, once for good

	l := restrict(p)
	l.Mode = p.Mode
	if p.MemoryLimit == 0 {
		p.MemoryLimit = cmp.Or(l.DataLimit, p.DataLimit) / 10 * 6
	}
	debug.SetMemoryLimit(p.MemoryLimit)
	debug.SetMaxStack(maxStack)

	if p.Mode == Require && len(l.Missing) > 0 {
		return l, &unavailableError{Missing: l.Missing}
	}
	return l, nil
}

// Probe returns the level that Apply would reach here with the zero Policy,
// as far as that can be told without restricting the caller. Where the system
// takes the request and then fails it, Apply reports less.
func Probe() Level {
	return probe(Policy{DataLimit: DefaultDataLimit})
}
