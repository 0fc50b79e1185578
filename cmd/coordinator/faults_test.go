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
	"feedmill/internal/origin/hostile"
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
		for _, c := range hostile.Cases() {
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

// TestFaultCasesAreToldByPromise: each promise of docs/architecture.md has rows of
// docs/fault-cases.md that try it, and each row is up against a promise.
func TestFaultCasesAreToldByPromise(t *testing.T) {
	docs := filepath.Join("..", "..", "docs")
	page, promised := string(readFile(t, filepath.Join(docs, "fault-cases.md"))), string(readFile(t, filepath.Join(docs, "architecture.md")))
	promise := regexp.MustCompile(`(?m)^\| (I\d+) \|.*\| ([^|]*) \|$`)
	rows := make(map[string]bool) // and whether a promise names it
	for _, m := range regexp.MustCompile(`(?m)^\| (\d+[a-z]?) \|`).FindAllStringSubmatch(page, -1) {
		rows[m[1]] = false
	}
	tried := make(map[string]bool)
	for _, m := range promise.FindAllStringSubmatch(page, -1) {
		tried[m[1]] = true
		for _, row := range strings.Fields(m[2]) {
			if _, ok := rows[row]; !ok {
				t.Errorf("%s names row %s, which is not there", m[1], row)
			}
			rows[row] = true
		}
	}
	for row, named := range rows {
		if !named {
			t.Errorf("no promise names row %s", row)
		}
	}
	all := promise.FindAllStringSubmatch(promised, -1)
	for _, m := range all {
		if !tried[m[1]] {
			t.Errorf("%s has no rows", m[1])
		}
		delete(tried, m[1])
	}
	if len(tried) > 0 || len(all) < 17 {
		t.Errorf("of %d promises these are none: %v", len(all), tried)
	}
}

// testNames returns the tests and fuzz targets of the module. What each engine of
// the store is tested with is TestName where it is said, and testName in storetest.
func testNames(t *testing.T, root string) map[string]bool {
	t.Helper()
	known := make(map[string]bool)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		everyEngine := filepath.Base(filepath.Dir(path)) == "storetest" && filepath.Ext(path) == ".go"
		if err != nil || !everyEngine && !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil {
				known[f.Name.Name] = true
				if name, ok := strings.CutPrefix(f.Name.Name, "test"); ok && everyEngine {
					known["Test"+name] = true
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return known
}
