package store

import (
	"slices"
	"testing"
)

// TestPlainListsAreSpeltAsJSON holds the quick way to spell a list against the
// one that knows every escape.
func TestPlainListsAreSpeltAsJSON(t *testing.T) {
	plain := 0
	var bytes []string // each byte as a category of its own
	for c := range 256 {
		bytes = append(bytes, "a"+string([]byte{byte(c)})+"z")
	}
	lists := [][]string{{""}, {"news"}, {"news", "", "local & <b>"}, {"Überall"}, {"\u2028", "\u2029"}, {"a\x00b"}, {"\xff"}, bytes}
	for _, s := range bytes {
		lists = append(lists, []string{s}, []string{"plain", s})
	}
	for _, list := range lists {
		clean := slices.Clone(list)
		for i := range clean {
			clean[i] = readable(clean[i])
		}
		want := jsonText(clean)
		if got := categoriesJSON(list); got != want {
			t.Errorf("%q is spelt %q, want %q", list, got, want)
		}
		if _, ok := plainList(list); ok {
			plain++
		}
	}
	if least := 2 * 90; plain < least {
		t.Errorf("%d lists were taken for plain, want at least %d", plain, least)
	}
}
