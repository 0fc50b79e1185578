package pool

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestTailKeepsTheEndAndTheReason(t *testing.T) {
	var log bytes.Buffer
	w := &tail{log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	var all strings.Builder
	all.WriteString("starting\nfatal error: stack overflow\n")
	for i := range 200_000 {
		fmt.Fprintf(&all, "line %d\n", i)
	}
	all.WriteString("panic: later and not the cause\nno newline")
	for text := all.String(); text != ""; {
		n := min(len(text), 1+len(text)%7777)
		w.Write([]byte(text[:n]))
		text = text[n:]
	}
	w.end()
	if want := all.String()[all.Len()-tailBytes:]; w.text() != want {
		t.Errorf("kept %d bytes, want the last %d", len(w.text()), len(want))
	}
	if w.reason != "fatal error: stack overflow" || w.total != int64(all.Len()) {
		t.Errorf("reason %q after %d bytes, want the first one after %d", w.reason, w.total, all.Len())
	}
	if n := strings.Count(log.String(), "\n"); n != tailLogs+1 {
		t.Errorf("%d lines logged, want %d and a last word", n, tailLogs)
	}
	if cap(w.kept) > 8*tailBytes || cap(w.line) > 4*tailLine {
		t.Errorf("buffers grew to %d and %d bytes", cap(w.kept), cap(w.line))
	}
}

// TestAllOfAShortTailIsKept, the last line of which is what people are shown.
func TestAllOfAShortTailIsKept(t *testing.T) {
	for _, n := range []int{0, tailBytes, tailBytes + 1, 2 * tailBytes, 2*tailBytes + 1} {
		w := &tail{log: slog.New(slog.DiscardHandler)}
		all := strings.Repeat("x", n)
		w.Write([]byte(all[:n/2]))
		w.Write([]byte(all[n/2:]))
		if w.end(); len(w.text()) != min(n, tailBytes) || w.lines != min(n, 1) {
			t.Errorf("of %d bytes got %d in %d lines", n, len(w.text()), w.lines)
		}
	}
	long := strings.Repeat("é", 150)
	for text, want := range map[string]string{
		"": "", "\n \n": "", "one": "one", "one\ntwo\n\n ": "two", "a\n" + long: long[:200], "a\n-" + long: "-" + long[:198], "a\xffb": "ab",
	} {
		if got := lastLine(text); got != want {
			t.Errorf("%q ends in %q, want %q", text, got, want)
		}
	}
}

func TestOneEndlessLineIsBounded(t *testing.T) {
	w := &tail{log: slog.New(slog.DiscardHandler)}
	for range 1000 {
		w.Write(bytes.Repeat([]byte{'x'}, 10_000))
	}
	w.end()
	if len(w.text()) != tailBytes || cap(w.line) > 4*tailLine || w.lines != 1 {
		t.Errorf("kept %d bytes and %d of a line, %d lines", len(w.text()), cap(w.line), w.lines)
	}
}
