package store

import (
	"slices"
	"testing"

	"feedmill/internal/feeds"
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
			clean[i] = Readable(clean[i])
		}
		want := JSON(clean)
		if got := CategoriesJSON(list); got != want {
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

// TestListsAreReadable: markup stays as it is, what is no text is replaced, and both
// lists come back.
func TestListsAreReadable(t *testing.T) {
	categories, enclosures := CategoriesJSON([]string{"é <b> & \xff"}), EnclosuresJSON([]feeds.Enclosure{{URL: "https://h/?a&b\x00"}, {Type: "x/y", Length: 7}})
	if want := `["é <b> & ` + "\uFFFD" + `"]`; categories != want {
		t.Errorf("got %s, want %s", categories, want)
	}
	if want := `[{"url":"https://h/?a&b` + "\uFFFD" + `"},{"url":"","type":"x/y","length":7}]`; enclosures != want {
		t.Errorf("got %s, want %s", enclosures, want)
	}
	for text, want := range map[string]string{"\x00a": "\uFFFDa", "a\x00\xff": "a\uFFFD", "\xffa": "\uFFFDa", "é": "é"} {
		if got := Readable(text); got != want {
			t.Errorf("%q is stored as %q, want %q", text, got, want)
		}
	}
	if CategoriesJSON(nil) != "" || EnclosuresJSON(nil) != "" {
		t.Error("a list of nothing is something")
	}
	var it, none Item
	if err := it.ReadLists([]byte(categories), []byte(enclosures)); err != nil || len(it.Categories) != 1 || len(it.Enclosures) != 2 || it.Enclosures[1].Length != 7 {
		t.Errorf("got %+v, %v", it, err)
	}
	if err := none.ReadLists([]byte("[]"), []byte("[]")); err != nil || none.Categories != nil || none.Enclosures != nil {
		t.Errorf("got %+v, %v of empty lists", none, err)
	}
	for _, broken := range [][2]string{{"x", "[]"}, {"[]", "x"}, {`[1]`, "[]"}} {
		if err := none.ReadLists([]byte(broken[0]), []byte(broken[1])); err == nil {
			t.Errorf("%q is read", broken)
		}
	}
}
