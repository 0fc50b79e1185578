package version

import "testing"

// TestTheTagIsTheVersion, where it is one.
func TestTheTagIsTheVersion(t *testing.T) {
	defer func(before string) { tag = before }(tag)
	for in, want := range map[string]string{"v1.2.3": "1.2.3", "1.2.3": "1.2.3", "v1.2.3-4-gabcdef0": next, "": next} {
		if tag = in; Release() != want {
			t.Errorf("tag %q: got %s, want %s", in, Release(), want)
		}
	}
	if tag = "v1.2.3-4-gabcdef0"; Build() != "1.2.3-4-gabcdef0" {
		t.Errorf("the build of %s is %s", tag, Build())
	}
}
