package sandbox

import (
	"fmt"
	"strings"
)

// A part is one of the means that a sandbox is made of.
type part string

// The parts.
const (
	partLandlock part = "landlock" // files, TCP ports, signals (Linux 5.13 and later)
	partPorts    part = "ports"    // the bound on TCP ports alone (Linux 6.7 and later)
	partSeccomp  part = "seccomp"  // system calls
	partRlimits  part = "rlimits"  // memory, file descriptors, core files
)

// A lack is a part that does not hold.
type lack struct {
	Part   part
	Reason string // for people, lower case, no full stop
}

// A Level says exactly what holds.
type Level struct {
	Mode Mode // what was asked for

	Landlock int  // the version of Landlock's interface that is in force; 0 when none
	Seccomp  bool // the deny-list of system calls is in force, in every thread
	Rlimits  bool // memory, file descriptors and core files are bounded

	DataLimit int64 // the bound on private writable memory, in bytes; 0 when there is none

	Missing []lack // what was asked for and does not hold; empty with Off
}

// String returns the parts that hold and then, in brackets, those that do not
// and why, such as "landlock:7 seccomp rlimits", "seccomp rlimits (no
// landlock: function not implemented)", "none (not built for darwin)" or
// "off".
func (l Level) String() string {
	if l.Mode == Off {
		return "off"
	}
	var held []string
	if l.Landlock > 0 {
		held = append(held, fmt.Sprintf("%s:%d", partLandlock, l.Landlock))
	}
	if l.Seccomp {
		held = append(held, string(partSeccomp))
	}
	if l.Rlimits {
		held = append(held, string(partRlimits))
	}
	if len(held) == 0 {
		held = append(held, "none")
		if reason := l.oneReason(); reason != "" {
			return "none (" + reason + ")"
		}
	}
	if len(l.Missing) == 0 {
		return strings.Join(held, " ")
	}
	lacks := make([]string, len(l.Missing))
	for i, m := range l.Missing {
		lacks[i] = fmt.Sprintf("no %s: %s", m.Part, m.Reason)
	}
	return strings.Join(held, " ") + " (" + strings.Join(lacks, "; ") + ")"
}

// oneReason returns the reason that all missing parts share, or nothing.
func (l Level) oneReason() string {
	if len(l.Missing) == 0 {
		return ""
	}
	for _, m := range l.Missing[1:] {
		if m.Reason != l.Missing[0].Reason {
			return ""
		}
	}
	return l.Missing[0].Reason
}

// lacks records that a part does not hold.
func (l *Level) lacks(what part, reason string) {
	l.Missing = append(l.Missing, lack{what, reason})
}

// An unavailableError says that a sandbox was required and which parts of it
// are not to be had.
type unavailableError struct {
	Missing []lack // at least one
}

// Error names the parts and the reasons.
func (e *unavailableError) Error() string {
	lacks := make([]string, len(e.Missing))
	for i, m := range e.Missing {
		lacks[i] = fmt.Sprintf("%s (%s)", m.Part, m.Reason)
	}
	return "sandbox not available: " + strings.Join(lacks, ", ")
}
