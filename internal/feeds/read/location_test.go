package read

import "testing"

// TestReferencesAreResolved has the examples of RFC 3986, 5.4, and what it leaves
// open: what cannot stand in a URL is escaped, and a base may lack a part.
func TestReferencesAreResolved(t *testing.T) {
	const base = "http://a/b/c/d;p?q"
	for _, c := range []struct{ base, ref, want string }{
		{base, "g:h", "g:h"}, {base, "g", "http://a/b/c/g"}, {base, "./g", "http://a/b/c/g"}, {base, "g/", "http://a/b/c/g/"},
		{base, "/g", "http://a/g"}, {base, "//g", "http://g"}, {base, "?y", "http://a/b/c/d;p?y"}, {base, "g?y", "http://a/b/c/g?y"},
		{base, "#s", "http://a/b/c/d;p?q#s"}, {base, "g#s", "http://a/b/c/g#s"}, {base, "g?y#s", "http://a/b/c/g?y#s"},
		{base, ";x", "http://a/b/c/;x"}, {base, "g;x?y#s", "http://a/b/c/g;x?y#s"}, {base, "", "http://a/b/c/d;p?q"},
		{base, ".", "http://a/b/c/"}, {base, "./", "http://a/b/c/"}, {base, "..", "http://a/b/"}, {base, "../", "http://a/b/"},
		{base, "../g", "http://a/b/g"}, {base, "../..", "http://a/"}, {base, "../../", "http://a/"}, {base, "../../g", "http://a/g"},
		{base, "../../../g", "http://a/g"}, {base, "../../../../g", "http://a/g"}, {base, "/./g", "http://a/g"}, {base, "/../g", "http://a/g"},
		{base, "g.", "http://a/b/c/g."}, {base, ".g", "http://a/b/c/.g"}, {base, "g..", "http://a/b/c/g.."}, {base, "..g", "http://a/b/c/..g"},
		{base, "./../g", "http://a/b/g"}, {base, "./g/.", "http://a/b/c/g/"}, {base, "g/./h", "http://a/b/c/g/h"}, {base, "g/../h", "http://a/b/c/h"},
		{base, "g;x=1/./y", "http://a/b/c/g;x=1/y"}, {base, "g;x=1/../y", "http://a/b/c/y"},
		{base, "g?y/./x", "http://a/b/c/g?y/./x"}, {base, "g#s/../x", "http://a/b/c/g#s/../x"}, {base, "http:g", "http:g"},

		{base, "a b\"<>`\n?c d", "http://a/b/c/a%20b%22%3C%3E%60?c%20d"}, {base, "1:2", "http://a/b/c/1:2"}, {base, ":g", "http://a/b/c/:g"},
		{base, "a+b-c.d:e", "a+b-c.d:e"}, {base, "a_b:c", "http://a/b/c/a_b:c"}, {base, "Z1:x", "Z1:x"},
		{"http://a?q", "g", "http://a/g"}, {"http://a", "g", "http://a/g"}, {"http://a", "?y", "http://a?y"}, {"http://a#f/", "g", "http://a/g"},
		{" http://a/b#f ", "", "http://a/b"}, {"/b/c", "g", "/b/g"}, {"b/c", "../../g", "g"}, {"b", "g", "g"}, {"?q", "#s", "?q#s"}, {"urn:x", "g", "urn:g"},
		{"", "g h", "g h"}, {" ", "g h", "g h"},
	} {
		if got := string(locationOf([]byte(c.base)).appendTo(nil, []byte(c.ref))); got != c.want {
			t.Errorf("%q relative to %q is %q, want %q", c.ref, c.base, got, c.want)
		}
	}
}

// TestOnlyWhatABaseAddsIsGrowth: what the document has already is no reason to refuse it.
func TestOnlyWhatABaseAddsIsGrowth(t *testing.T) {
	m, base := new(maker), locationOf([]byte("http://a/b/"))
	if got := m.link(base, []byte("long-enough")); got != "http://a/b/long-enough" || m.grown != len("http://a/b/") {
		t.Errorf("got %s and growth by %d, want %d", got, m.grown, len("http://a/b/"))
	}
	if m.link(base, []byte("../../../../c")); m.grown != len("http://a/b/") {
		t.Errorf("got growth by %d of a link that is %d shorter, want none", m.grown-len("http://a/b/"), len("../../../../c")-len("http://a/c"))
	}
}
