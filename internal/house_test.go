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
	"strings"
	"testing"
	"testing/fstest"
)

// A house is the module's own code, tests left out: what each folder exports,
// and who names it.
type house struct {
	exports map[string][]string        // folder to its exported names; a method is Type.Name
	shown   map[string]map[string]bool // folder to the types that its exported names are made of
	kindOf  map[string]string          // a constant, as folder and name, to the type it is a value of
	named   map[string]map[string]bool // folder to what code elsewhere names of it, as import and selector
	fields  map[string]map[string]bool // selector name to the folders that say .Name
	asked   map[string]bool            // methods that some interface of ours or the language asks for

	files, lines, goroutines, mutexes, channels int
}

// callers are the methods that packages outside of this module call: those of
// fmt, io, errors, sort, flag, encoding and net/http.
var callers = []string{"String", "Error", "Unwrap", "Is", "As", "Read", "Write", "Close", "ReadByte", "WriteTo",
	"ServeHTTP", "RoundTrip", "Format", "Set", "Type", "Timeout", "Temporary",
	"MarshalText", "UnmarshalText", "MarshalJSON", "UnmarshalJSON", "EncodeMsgpack", "DecodeMsgpack", "Len", "Less", "Swap"}

// comparedByTests are names that only tests outside of their folder need: what
// stands at both ends of a process, which share no code.
var comparedByTests = []string{
	"internal/crash: CountSize", // the file that a test of the programs makes
	"internal/store: ErrNoFeed", // what storetest expects of every engine
}

// forTests are the packages that only tests import. They count as tests do.
var forTests = []string{"internal/pgtest", "internal/store/storetest"}

// TestEveryExportedNameHasACaller: a name that no other package needs is not
// part of the door. Tests do not count, except for the origin, which is there for
// them. A type needs no caller if an exported name is made of it, nor does
// one of several constants of a type that others name.
func TestEveryExportedNameHasACaller(t *testing.T) {
	h, err := readHouse(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	if h.files < 100 {
		t.Errorf("%d files read, want all of the module", h.files)
	}
	for _, name := range h.unused() {
		if slices.Contains(comparedByTests, name) {
			continue
		}
		t.Errorf("%s is exported, and no other package's code names it", name)
	}
}

// TestCountOfTheHouse prints the figures that docs/architecture.md quotes.
func TestCountOfTheHouse(t *testing.T) {
	h, err := readHouse(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	exported := 0
	for _, names := range h.exports {
		exported += len(names)
	}
	t.Logf("files %d, lines %d, exported names %d, goroutines begun at %d places, mutexes %d, channels made at %d places",
		h.files, h.lines, exported, h.goroutines, h.mutexes, h.channels)
}

// unused returns the exported names of internal folders that no code outside
// of their folder names.
func (h *house) unused() []string {
	var out []string
	for dir, names := range h.exports {
		if !strings.HasPrefix(dir, "internal/") || strings.HasPrefix(dir, "internal/origin") {
			continue
		}
		for _, name := range names {
			if _, method, ok := strings.Cut(name, "."); ok {
				if h.asked[method] || len(h.fields[method]) > 1 || len(h.fields[method]) == 1 && !h.fields[method][dir] {
					continue
				}
			} else if h.named[dir][name] || h.shown[dir][name] {
				continue
			} else if kind := h.kindOf[dir+"."+name]; kind != "" && (h.named[dir][kind] || h.shown[dir][kind]) {
				continue
			}
			out = append(out, dir+": "+name)
		}
	}
	slices.Sort(out)
	return out
}

// readHouse reads the module in root.
func readHouse(root fs.FS) (*house, error) {
	h := &house{
		exports: make(map[string][]string),
		shown:   make(map[string]map[string]bool),
		kindOf:  make(map[string]string),
		named:   make(map[string]map[string]bool),
		fields:  make(map[string]map[string]bool),
		asked:   make(map[string]bool),
	}
	for _, name := range callers {
		h.asked[name] = true
	}
	return h, fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && (noneOfOurs(path.Base(name)) || slices.Contains(forTests, name)) {
			return fs.SkipDir
		}
		if d.IsDir() || path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		src, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, src, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		h.files++
		h.lines += strings.Count(string(src), "\n")
		h.declared(path.Dir(name), file)
		h.mentioned(path.Dir(name), file)
		return nil
	})
}

// declared notes what a file exports.
func (h *house) declared(dir string, file *ast.File) {
	export := func(name string) {
		if ast.IsExported(name) && !slices.Contains(h.exports[dir], name) { // other systems have a twin
			h.exports[dir] = append(h.exports[dir], name)
		}
	}
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			on := ""
			if decl.Recv != nil {
				on = receiver(decl)
			}
			if !decl.Name.IsExported() || on != "" && !ast.IsExported(on) {
				continue
			}
			h.shows(dir, decl.Type)
			if on != "" {
				on += "."
			}
			export(on + decl.Name.Name)
		case *ast.GenDecl:
			h.declaredIn(dir, decl, export)
		}
	}
}

// declaredIn notes what a declaration of types, constants or variables exports.
func (h *house) declaredIn(dir string, decl *ast.GenDecl, export func(string)) {
	var kind string // of the constants of an enumeration, said once
	for _, spec := range decl.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			export(spec.Name.Name)
			if spec.Name.IsExported() {
				h.shows(dir, spec.Type)
			}
		case *ast.ValueSpec:
			if id, ok := spec.Type.(*ast.Ident); ok {
				kind = id.Name
			} else if spec.Type != nil || len(spec.Values) > 0 {
				kind = ""
			}
			for _, name := range spec.Names {
				export(name.Name)
				h.kindOf[dir+"."+name.Name] = kind
				if name.IsExported() && spec.Type != nil {
					h.shows(dir, spec.Type)
				}
			}
		}
	}
}

// shows notes the types of the same folder that an exported name is made of:
// of a struct its exported fields.
func (h *house) shows(dir string, n ast.Node) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.StructType:
			for _, field := range n.Fields.List {
				if len(field.Names) == 0 || slices.ContainsFunc(field.Names, (*ast.Ident).IsExported) {
					h.shows(dir, field.Type)
				}
			}
			return false
		case *ast.Ident:
			put(h.shown, dir, n.Name)
		}
		return true
	})
}

// receiver returns the name of a method's type.
func receiver(decl *ast.FuncDecl) string {
	on := decl.Recv.List[0].Type
	if star, ok := on.(*ast.StarExpr); ok {
		on = star.X
	}
	if generic, ok := on.(*ast.IndexExpr); ok {
		on = generic.X
	}
	if id, ok := on.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

// mentioned notes which names of other folders a file has, and counts what it
// starts and makes.
func (h *house) mentioned(dir string, file *ast.File) {
	folder := make(map[string]string) // name in this file to the folder imported under it
	for _, spec := range file.Imports {
		target := strings.Trim(spec.Path.Value, `"`)
		ours, ok := strings.CutPrefix(target, module+"/")
		if !ok {
			continue
		}
		as := path.Base(ours)
		if spec.Name != nil {
			as = spec.Name.Name
		}
		folder[as] = ours
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			put(h.fields, n.Sel.Name, dir)
			if id, ok := n.X.(*ast.Ident); ok {
				if ours, ok := folder[id.Name]; ok && ours != dir {
					put(h.named, ours, n.Sel.Name)
				}
				if id.Name == "sync" && strings.HasSuffix(n.Sel.Name, "Mutex") {
					h.mutexes++
				}
			}
			if n.Sel.Name == "Go" {
				h.goroutines++
			}
		case *ast.GoStmt:
			h.goroutines++
		case *ast.CallExpr:
			if id, ok := n.Fun.(*ast.Ident); ok && id.Name == "make" && len(n.Args) > 0 {
				if _, ok := n.Args[0].(*ast.ChanType); ok {
					h.channels++
				}
			}
		case *ast.InterfaceType:
			for _, m := range n.Methods.List {
				for _, name := range m.Names {
					h.asked[name.Name] = true
				}
			}
		}
		return true
	})
}

func put(m map[string]map[string]bool, key, value string) {
	if m[key] == nil {
		m[key] = make(map[string]bool)
	}
	m[key][value] = true
}

// TestPlantedNamesAreFound: a check that never fails shows nothing.
func TestPlantedNamesAreFound(t *testing.T) {
	h, err := readHouse(fstest.MapFS{
		"internal/a/a.go":      {Data: []byte("package a\ntype T struct{}\nfunc (T) Used() {}\nfunc (T) Alone() {}\nfunc New() T { return T{} }\nfunc Lost() {}\nconst Odd = 1")},
		"internal/a/a_test.go": {Data: []byte("package a\nfunc x() { Lost() }")},
		"cmd/x/main.go":        {Data: []byte("package main\nimport \"feedmill/internal/a\"\nvar t a.T = a.New()\nfunc main() { go t.Used() }")},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, want := h.unused(), []string{"internal/a: Lost", "internal/a: Odd", "internal/a: T.Alone"}
	if !slices.Equal(got, want) {
		t.Errorf("unused: got %q, want %q", got, want)
	}
	if fmt.Sprint(h.files, h.goroutines) != "2 1" {
		t.Errorf("files and goroutines: got %d and %d, want 2 and 1", h.files, h.goroutines)
	}
}
