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
	"internal/crash":              {},
	"internal/feeds":              {},
	"internal/feeds/fetch":        {"internal/feeds", "internal/feeds/read/date"},
	"internal/feeds/read":         {"internal/feeds", "internal/feeds/read/charset", "internal/feeds/read/date", "internal/feeds/read/gofeed", "internal/feeds/read/scan"},
	"internal/feeds/read/charset": {"internal/feeds"},
	"internal/feeds/read/date":    {},
	"internal/feeds/read/gofeed":  {"internal/feeds", "internal/feeds/read/scan"},
	"internal/feeds/read/scan":    {},
	"internal/feeds/subs":         {"internal/feeds"},
	"internal/sandbox":            {},
	"internal/origin":             {"internal/origin/authority", "internal/origin/hostile"},
	"internal/origin/authority":   {},
	"internal/origin/hostile":     {"internal/origin/authority"},
	"internal/ipc":                {"internal/crash", "internal/feeds"},
	"internal/ipc/memfd":          {},
	"internal/ipc/board":          {"internal/feeds", "internal/ipc", "internal/ipc/memfd"},
	"internal/ipc/manager":        {"internal/feeds", "internal/ipc"},
	"internal/ipc/carrier":        {"internal/feeds", "internal/ipc", "internal/ipc/board", "internal/ipc/manager", "internal/ipc/memfd"},
	"internal/store":              {"internal/crash", "internal/feeds"},
	"internal/store/sqlite":       {"internal/crash", "internal/feeds", "internal/store"},
	"internal/store/postgres":     {"internal/crash", "internal/feeds", "internal/store"},
	"internal/store/storetest":    {"internal/feeds", "internal/store"},
	"internal/export":             {"internal/feeds", "internal/store"},
	"internal/terminal":           {"internal/feeds"},
	"internal/version":            {},
	"internal/hooks":              {},
	"internal/page":               {"internal/export", "internal/store"},
	"internal/lease":              {"internal/feeds"},
	"internal/refresh":            {"internal/crash", "internal/feeds"},
	"internal/worker":             {"internal/crash", "internal/feeds", "internal/feeds/fetch", "internal/feeds/read", "internal/ipc", "internal/ipc/board", "internal/sandbox"},
	"internal/pool":               {"internal/crash", "internal/feeds", "internal/ipc", "internal/ipc/board", "internal/ipc/carrier", "internal/ipc/manager"},
	"internal/bench/stats":        {},
	"internal/bench/run": {"internal/bench/stats", "internal/feeds", "internal/feeds/read", "internal/ipc", "internal/ipc/board", "internal/ipc/carrier", "internal/ipc/manager",
		"internal/origin", "internal/pool", "internal/refresh", "internal/worker"},
	"internal/bench/analyse": {"internal/bench/run", "internal/bench/stats"},
	"internal/bench/report":  {"internal/bench/analyse", "internal/bench/run", "internal/bench/stats"},
	"cmd/coordinator": {"internal/crash", "internal/export", "internal/hooks", "internal/page", "internal/feeds", "internal/feeds/fetch", "internal/feeds/read", "internal/feeds/subs", "internal/ipc/board", "internal/ipc/carrier", "internal/ipc/manager", "internal/lease", "internal/origin", "internal/pool", "internal/refresh",
		"internal/sandbox", "internal/store", "internal/store/sqlite", "internal/store/postgres", "internal/terminal", "internal/worker", "internal/bench/run", "internal/bench/analyse", "internal/bench/report", "internal/profile", "internal/version"},
	"cmd/worker":       {"internal/feeds", "internal/feeds/fetch", "internal/feeds/read", "internal/ipc", "internal/ipc/board", "internal/ipc/carrier", "internal/ipc/manager", "internal/sandbox", "internal/worker", "internal/profile", "internal/version"},
	"internal/profile": {},
	"internal/pgtest":  {},
}

// testsMay is what tests may import besides: both ends of a conversation, or
// an origin to ask, which the package itself must not know.
var testsMay = map[string][]string{
	"internal":                {"internal/feeds", "internal/ipc"},
	"internal/bench/run":      {"internal/bench/analyse"},
	"internal/feeds/fetch":    {"internal/feeds/read", "internal/origin", "internal/origin/hostile"},
	"internal/feeds/read":     {"internal/origin"},
	"internal/export":         {"internal/feeds/read"},
	"internal/page":           {"internal/feeds", "internal/feeds/read"},
	"internal/origin/hostile": {"internal/origin"},
	"internal/pool":           {"internal/worker", "internal/origin"},
	"internal/refresh":        {"internal/feeds/fetch", "internal/feeds/read", "internal/origin"},
	"internal/worker":         {"internal/origin"},
	"cmd/coordinator":         {"internal/origin/hostile", "internal/pgtest"},
	"internal/store/sqlite":   {"internal/store/storetest"},
	"internal/store/postgres": {"internal/pgtest", "internal/store/sqlite", "internal/store/storetest"},
	"cmd/worker":              {"internal/pool", "internal/origin"},
}

// owners are the packages from outside that only some of ours may name. A
// pattern that ends in / stands for all below it.
var owners = []struct {
	pattern string
	mayName func(file string) bool
	why     string
}{
	{"github.com/vmihailenco/msgpack/", func(f string) bool { return f == "internal/ipc/options.go" },
		"only internal/ipc's options name the msgpack library"},
	{"modernc.org/sqlite/", func(string) bool { return false },
		"internal/store/sqlite has one way to SQLite"},
	{"zombiezen.com/go/sqlite/", func(f string) bool { return path.Dir(f) == "internal/store/sqlite" },
		"only internal/store/sqlite names SQLite"},
	{"database/sql/", func(string) bool { return false },
		"internal/store/sqlite has one way to SQLite"},
	{"github.com/jackc/", func(f string) bool { return path.Dir(f) == "internal/store/postgres" },
		"only internal/store/postgres names pgx"},
	{"github.com/mmcdole/gofeed/", func(f string) bool {
		return strings.HasPrefix(f, "internal/feeds/read/") || f == "internal/bench/run/killers.go"
	},
		"only internal/feeds/read names gofeed"},
	{"encoding/xml/", func(f string) bool {
		return strings.HasPrefix(f, "internal/feeds/") || strings.HasPrefix(f, "internal/export/") || f == "internal/bench/run/killers.go"
	}, "only internal/feeds reads feeds and OPML, and internal/export writes them"},
	{"github.com/microcosm-cc/bluemonday/", func(f string) bool { return strings.HasPrefix(f, "internal/export/") },
		"only internal/export sanitises HTML"},
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
			if name != "." && noneOfOurs(path.Base(name)) {
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
		if dir == "internal/store" || strings.HasPrefix(dir, "internal/store/") {
			problems = append(problems, "cmd/worker links "+dir+", and a worker knows no store")
		}
	}
	return problems, files, err
}

// noneOfOurs reports whether a folder of that name has none of the module's packages.
func noneOfOurs(name string) bool {
	return strings.HasPrefix(name, ".") || name == "testdata" || name == "bin"
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
		{"internal/ipc/items.go", `package ipc; import _ "github.com/vmihailenco/msgpack/v5"`, "options"},
		{"internal/refresh/x.go", `package refresh; import _ "github.com/mmcdole/gofeed"`, "names gofeed"},
		{"cmd/coordinator/x.go", `package main; import _ "modernc.org/sqlite"`, "SQLite"},
		{"internal/bench/run/x.go", `package run; import _ "zombiezen.com/go/sqlite"`, "SQLite"},
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
