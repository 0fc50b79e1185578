package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// printable returns s with everything that could move a terminal's cursor,
// change its colours or reorder its text made visible: what a feed says is
// shown, never obeyed.
func printable(s string) string {
	clean := func(r rune) bool {
		return unicode.IsPrint(r) && !unicode.Is(unicode.Cf, r) && r != unicode.ReplacementChar
	}
	if strings.IndexFunc(s, func(r rune) bool { return !clean(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case clean(r):
			b.WriteRune(r)
		case r == '\t' || r == '\n' || r == '\r' || unicode.IsSpace(r):
			b.WriteByte(' ')
		default:
			b.WriteRune(unicode.ReplacementChar)
		}
	}
	return b.String()
}

// printJSON writes v as a line of JSON. What could move a terminal's cursor or
// reorder its text, and JSON allows as it is, is spelled \u0000: C1 controls
// and the marks of direction.
func printJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // the & of a URL stays one
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(escapeControls(b.Bytes()))
	return err
}

// escapeControls returns JSON with its unprintable characters spelled out; all
// of them stand within strings.
func escapeControls(line []byte) []byte {
	hidden := func(r rune) bool { return r >= utf8.RuneSelf && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) }
	if bytes.IndexFunc(line, hidden) < 0 {
		return line
	}
	out := make([]byte, 0, len(line)+16)
	for _, r := range string(line) {
		switch {
		case !hidden(r):
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r) // as JSON knows what is above U+FFFF
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}

// printError returns the problem of results that could not be written: none
// when whoever read them has seen enough.
func printError(err error) error {
	if err == nil || errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return usage("", "print results: %w", err)
}

// clip shortens s to at most n runes, the last one an ellipsis.
func clip(s string, n int) string {
	runes := []rune(s)
	if len(runes) <= n {
		return s
	}
	return string(runes[:n-1]) + "…"
}
