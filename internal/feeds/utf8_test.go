package feeds

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzValidUTF8 compares ValidUTF8 with unicode/utf8, at every place in blocks
// of 32 bytes, at which the assembly looks.
func FuzzValidUTF8(f *testing.F) {
	for _, s := range []string{
		"", "a", "é", "日本語", "🚲", "\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xed\xbf\xbf", "\xef\xbf\xbf",
		"\xf0\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xe6\x97", "\xf0\x9f\x9a", "\xc3",
		strings.Repeat("é", 50), strings.Repeat("日", 50) + "\xe6\x97", strings.Repeat("🚲", 50) + "\x9a",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for before := range 34 {
			for _, after := range []string{"", "z", strings.Repeat("z", 31), strings.Repeat("é", 20)} {
				text := strings.Repeat("a", before) + s + after
				if got, want := ValidUTF8(text), utf8.ValidString(text); got != want {
					t.Fatalf("ValidUTF8(%q) is %v, want %v", text, got, want)
				}
			}
		}
	})
}
