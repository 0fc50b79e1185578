package internal_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "feedmill"

// layers is who may import whom, by folder. A folder that is not here may
// import nothing of ours, and one that is here need not exist yet.
var layers = map[string][]string{
	"internal/crash":   {},
	"internal/feeds":   {},
	"internal/sandbox": {},
	"internal/origin":  {},
	"internal/ipc":     {"internal/crash", "internal/feeds"},
	"internal/store":   {"internal/crash", "internal/feeds"},
	"internal/refresh": {"internal/crash", "internal/feeds"},
	"internal/worker":  {"internal/crash", "internal/feeds", "internal/ipc", "internal/sandbox"},
	"internal/pool":    {"internal/crash", "internal/feeds", "internal/ipc"},
	"internal/bench": {"internal/feeds", "internal/ipc", "internal/origin", "internal/pool",
		"internal/refresh", "internal/sandbox", "internal/worker"},
	"internal/bench/plot":   {},
	"internal/bench/report": {"internal/bench", "internal/bench/plot"},
	"cmd/coordinator": {"internal/crash", "internal/feeds", "internal/ipc", "internal/origin", "internal/pool", "internal/refresh",
		"internal/sandbox", "internal/store", "internal/worker", "internal/bench", "internal/bench/report", "internal/profile"},
	"cmd/worker":       {"internal/feeds", "internal/ipc", "internal/sandbox", "internal/worker", "internal/profile"},
	"internal/profile": {},
}

// testsMay is what tests may import besides: both ends of a conversation, or
// an origin to ask, which the package itself must not know.
var testsMay = map[string][]string{
	"internal/feeds":   {"internal/origin"},
	"internal/pool":    {"internal/worker", "internal/origin"},
	"internal/refresh": {"internal/origin", "internal/store"},
	"internal/worker":  {"internal/origin"},
	"cmd/worker":       {"internal/pool", "internal/origin"},
}

// owners are the packages from outside that only some of ours may name. A
// pattern that ends in / stands for all below it.
var owners = []struct {
	pattern string
	mayName func(file string) bool
	why     string
}{
	{"github.com/vmihailenco/msgpack/", func(f string) bool { return strings.HasPrefix(f, "internal/ipc/codec") },
		"only internal/ipc's codec names the msgpack library"},
	{"modernc.org/sqlite/", func(f string) bool { return path.Dir(f) == "internal/store" },
		"only internal/store names SQLite"},
	{"zombiezen.com/go/sqlite/", func(f string) bool { return path.Dir(f) == "internal/store" },
		"only internal/store names SQLite"},
	{"database/sql/", func(f string) bool { return path.Dir(f) == "internal/store" },
		"only internal/store speaks SQL"},
	{"github.com/mmcdole/gofeed/", func(f string) bool { return path.Dir(f) == "internal/feeds" },
		"only internal/feeds names gofeed"},
	{"encoding/xml/", func(f string) bool { return path.Dir(f) == "internal/feeds" },
		"only internal/feeds reads feeds and OPML"},
}

// emptyNames say nothing about what a package provides.
var emptyNames = []string{"util", "utils", "common", "types", "misc", "helper", "helpers", "base", "shared"}

// TestImportsRunOneWay holds the table above against the imports of the tree.
// It reads them in this process: what a child such as go list reads is unknown
// to the test cache, which would go on saying ok.
func TestImportsRunOneWay(t *testing.T) {
	problems, files, err := checkLayers(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	if files < 100 {
		t.Errorf("%d files read, want all of the module", files)
	}
	for _, p := range problems {
		t.Error(p)
	}
}

// checkLayers returns what is wrong with the imports of the module in root, and
// how many files it read.
func checkLayers(root fs.FS) (problems []string, files int, err error) {
	imports := make(map[string][]string) // of a folder's own code, ours only
	err = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if base := path.Base(name); name != "." && (strings.HasPrefix(base, ".") || base == "testdata" || base == "bin") {
				return fs.SkipDir
			}
			if slices.Contains(emptyNames, path.Base(name)) {
				problems = append(problems, fmt.Sprintf("%s: a package is named for what it provides", name))
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		src, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ImportsOnly)
		if err != nil {
			return err
		}
		files++
		problems = append(problems, checkFile(name, file, imports)...)
		return nil
	})
	for _, dir := range reachable(imports, "cmd/worker") {
		if dir == "internal/store" {
			problems = append(problems, "cmd/worker links internal/store, and with it SQLite")
		}
	}
	return problems, files, err
}

// checkFile returns what is wrong with one file's imports, and notes those of
// ours under its folder.
func checkFile(name string, file *ast.File, imports map[string][]string) (problems []string) {
	dir, isTest := path.Dir(name), strings.HasSuffix(name, "_test.go")
	for _, spec := range file.Imports {
		target, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser has checked it
		}
		if ours, ok := strings.CutPrefix(target, module+"/"); ok {
			if !isTest {
				imports[dir] = append(imports[dir], ours)
			}
			may := slices.Contains(layers[dir], ours) || ours == dir ||
				isTest && slices.Contains(testsMay[dir], ours)
			if !may {
				problems = append(problems, fmt.Sprintf("%s imports %s, which its layer does not allow", name, ours))
			}
			continue
		}
		for _, o := range owners {
			if strings.HasPrefix(target+"/", o.pattern) && !o.mayName(name) && !isTest {
				problems = append(problems, fmt.Sprintf("%s imports %s: %s", name, target, o.why))
			}
		}
	}
	return problems
}

// reachable returns the folders whose code is linked into from.
func reachable(imports map[string][]string, from string) []string {
	seen, todo := []string{from}, []string{from}
	for len(todo) > 0 {
		dir := todo[0]
		todo = todo[1:]
		for _, next := range imports[dir] {
			if !slices.Contains(seen, next) {
				seen, todo = append(seen, next), append(todo, next)
			}
		}
	}
	return seen
}

// TestPlantedViolationsAreFound: a check that never fails shows nothing.
func TestPlantedViolationsAreFound(t *testing.T) {
	for _, tt := range []struct {
		file, source, want string
	}{
		{"internal/pool/x.go", `package pool; import _ "feedmill/internal/store"`, "its layer does not allow"},
		{"internal/feeds/x.go", `package feeds; import _ "feedmill/internal/ipc"`, "its layer does not allow"},
		{"internal/feeds/x_test.go", `package feeds; import _ "feedmill/internal/store"`, "its layer does not allow"},
		{"internal/ipc/items.go", `package ipc; import _ "github.com/vmihailenco/msgpack/v5"`, "codec"},
		{"internal/refresh/x.go", `package refresh; import _ "github.com/mmcdole/gofeed"`, "names gofeed"},
		{"cmd/coordinator/x.go", `package main; import _ "modernc.org/sqlite"`, "SQLite"},
		{"internal/bench/x.go", `package bench; import _ "zombiezen.com/go/sqlite"`, "SQLite"},
		{"internal/origin/x.go", `package origin; import _ "encoding/xml"`, "reads feeds"},
		{"internal/util/x.go", `package util`, "named for what it provides"},
	} {
		problems, _, err := checkLayers(fstest.MapFS{tt.file: {Data: []byte(tt.source)}})
		if err != nil || len(problems) != 1 || !strings.Contains(problems[0], tt.want) {
			t.Errorf("%s with %q: got %q, %v, want one problem about %q", tt.file, tt.source, problems, err, tt.want)
		}
	}
	linked := fstest.MapFS{
		"cmd/worker/main.go":      {Data: []byte(`package main; import _ "feedmill/internal/worker"`)},
		"internal/worker/w.go":    {Data: []byte(`package worker; import _ "feedmill/internal/store"`)},
		"internal/store/store.go": {Data: []byte(`package store`)},
	}
	problems, _, err := checkLayers(linked)
	if err != nil || len(problems) != 2 {
		t.Errorf("a worker that links the store: got %q, %v, want both the import and the link", problems, err)
	}
}
