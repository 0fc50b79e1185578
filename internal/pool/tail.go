package pool

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
)

const (
	tailBytes = 64 << 10 // of stderr kept for reports
	tailLine  = 1 << 10  // of a line looked at or logged; the rest of it is only kept
	tailLogs  = 100      // lines of one process that are logged
)

// workerError begins the line with which a worker says why it ends.
const workerError = "worker: error: "

// fatalMarks begin the lines with which a worker, or the Go runtime in it, says
// why it ends.
var fatalMarks = []string{workerError, "fatal error: ", "runtime: goroutine stack exceeds ", "panic: ", "SIGSEGV: ", "SIGBUS: ", "unexpected fault address "}

// A tail keeps the end of what a process writes to stderr, and the first line
// that says why it ended: the traces that follow may be longer
// than what is kept. It has one writer, and is read when that is done.
type tail struct {
	log    *slog.Logger // for lines, at debug level
	kept   []byte
	total  int64
	line   []byte // begin of the line that is not complete
	lines  int    // complete lines
	reason string // the first fatal line
}

// Write keeps p. It never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.total += int64(len(p))
	for rest := p; len(rest) > 0; {
		line, after, complete := bytes.Cut(rest, []byte{'\n'})
		t.line = append(t.line, line[:min(len(line), tailLine-len(t.line))]...)
		if complete {
			t.endLine()
		}
		rest = after
	}
	if len(t.kept)+len(p) > 2*tailBytes {
		t.kept = append(t.kept[:0], t.kept[max(0, len(t.kept)-tailBytes):]...)
	}
	t.kept = append(t.kept, p[max(0, len(p)-tailBytes):]...)
	return len(p), nil
}

// endLine looks at a complete line.
func (t *tail) endLine() {
	t.lines++
	if t.reason == "" {
		for _, m := range fatalMarks {
			if strings.HasPrefix(string(t.line), m) {
				t.reason = string(t.line)
			}
		}
	}
	if t.lines <= tailLogs && t.log.Enabled(context.Background(), slog.LevelDebug) {
		t.log.Debug("worker stderr", "line", string(t.line))
	}
	t.line = t.line[:0]
}

// end says that nothing more will be written.
func (t *tail) end() {
	if len(t.line) > 0 {
		t.endLine()
	}
	if t.lines > tailLogs {
		t.log.Debug("worker stderr: further lines not shown", "lines", t.lines-tailLogs, "bytes", t.total)
	}
}

// text returns the last 64 KiB of what was written.
func (t *tail) text() string {
	return string(t.kept[max(0, len(t.kept)-tailBytes):])
}

// lastLine returns the last line of s that is not blank, at most 200 bytes of
// it.
func lastLine(s string) string {
	s = strings.TrimSpace(s)
	line := s[strings.LastIndexByte(s, '\n')+1:]
	return strings.ToValidUTF8(line[:min(len(line), 200)], "")
}
