package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"feedmill/internal/feeds"
	"feedmill/internal/origin"
)

// faultRows is how many numbered faults docs/fault-cases.md has, and kitRows
// how many of them, the first ones, a server or a document brings. The others
// have an exit status where these have cases of the kit.
const (
	faultRows = 69
	kitRows   = 45
)

// TestFaultCasesAreShown holds docs/fault-cases.md to the code: every row is
// there once, in order, has classes that exist and a test, every test that the
// page names exists, and the cases of the kit stand in their rows, all of them.
func TestFaultCasesAreShown(t *testing.T) {
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "docs", "fault-cases.md"))
	if err != nil {
		t.Fatal(err)
	}
	known := testNames(t, root)
	names := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`")
	for _, m := range names.FindAllStringSubmatch(string(page), -1) {
		if !known[m[1]] {
			t.Errorf("the page names %s, and there is no such test", m[1])
		}
	}
	row := 0
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		n, err := strconv.Atoi(strings.TrimSpace(cells[0]))
		if err != nil {
			continue
		}
		if row++; n != row || len(cells) != 6 {
			t.Fatalf("row %d has %d cells, want row %d with 6", n, len(cells), row)
		}
		if !names.MatchString(cells[5]) {
			t.Errorf("row %d names no test", n)
		}
		classes := regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(cells[3], -1)
		if len(classes) == 0 && n <= kitRows {
			t.Errorf("row %d names no class", n)
		}
		for _, m := range classes {
			if !slices.Contains(feeds.Classes(), feeds.Class(m[1])) {
				t.Errorf("row %d: %s is no class", n, m[1])
			}
		}
		var kit []string
		for _, c := range origin.Hostile() {
			if c.Row == n {
				kit = append(kit, c.Name)
			}
		}
		if listed := strings.Fields(cells[4]); n <= kitRows && !slices.Equal(listed, kit) {
			t.Errorf("row %d lists the cases %v, want those of the kit: %v", n, listed, kit)
		}
	}
	if row != faultRows {
		t.Errorf("%d rows, want %d", row, faultRows)
	}
}

// testNames returns the tests and fuzz targets of the module.
func testNames(t *testing.T, root string) map[string]bool {
	t.Helper()
	known := make(map[string]bool)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil {
				known[f.Name.Name] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return known
}
