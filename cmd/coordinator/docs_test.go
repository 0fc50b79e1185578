package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestInvariantsNameTheirTests: docs/architecture.md says which tests hold each
// invariant, and every one of them exists.
func TestInvariantsNameTheirTests(t *testing.T) {
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	known := testNames(t, root)
	named := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(string(page), -1)
	if len(named) < 30 {
		t.Errorf("%d tests are named, want one at least for each of 16 invariants", len(named))
	}
	for _, m := range named {
		if !known[m[1]] {
			t.Errorf("the page names %s, and there is no such test", m[1])
		}
	}
}
