package internal_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
)

// wire has the messages that each side receives, and where the code is that
// takes them in: a field is read when its name is selected there, outside of the
// codec and of tests.
var wire = []struct {
	receiver string
	types    []any
	in       []string
}{
	{"worker", []any{ipc.Hello{}, ipc.Shard{}, feeds.Job{}, feeds.Validators{}, feeds.Known{}, feeds.Options{}},
		[]string{"internal/worker", "internal/feeds", "internal/ipc/conn.go", "internal/ipc/errors.go"}},
	{"coordinator", []any{ipc.Hello{}, ipc.Items{}, ipc.Result{}, feeds.Result{}, feeds.Pacing{}, feeds.Cost{}, feeds.Item{}, feeds.Enclosure{}},
		[]string{"internal/pool", "internal/refresh", "internal/store", "internal/bench", "cmd/coordinator", "internal/ipc/conn.go", "internal/ipc/errors.go"}},
}

// only says who alone reads a field of a message that both sides send.
var only = map[string]string{"Hello.Sandbox": "coordinator", "Hello.Options": "worker"}

// TestEveryFieldOnTheWireIsReadByItsReceiver: what nobody reads is not sent.
func TestEveryFieldOnTheWireIsReadByItsReceiver(t *testing.T) {
	for _, w := range wire {
		read, err := selected(os.DirFS(".."), w.in)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range w.types {
			for _, f := range unread(reflect.TypeOf(v), w.receiver, read) {
				t.Errorf("%s is sent to the %s, and nothing in %s reads it", f, w.receiver, strings.Join(w.in, ", "))
			}
		}
	}
}

// unread returns the fields of a struct that travel and that are not in read.
func unread(t reflect.Type, receiver string, read map[string]bool) (list []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name := t.Name() + "." + f.Name
		if f.Anonymous || f.Tag.Get("msgpack") == "-" || only[name] != "" && only[name] != receiver {
			continue
		}
		if !read[f.Name] {
			list = append(list, name)
		}
	}
	return list
}

// selected returns the names that are selected in some files, as x.Name, but for
// those that are only assigned to.
func selected(root fs.FS, in []string) (map[string]bool, error) {
	read := make(map[string]bool)
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return err
		}
		if !slices.ContainsFunc(in, func(p string) bool { return name == p || strings.HasPrefix(name, p+"/") }) {
			return nil
		}
		src, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, src, 0)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		written := make(map[ast.Node]bool)
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for _, to := range n.Lhs {
					written[to] = n.Tok == token.ASSIGN || n.Tok == token.DEFINE
				}
			case *ast.SelectorExpr:
				if !written[n] {
					read[n.Sel.Name] = true
				}
			}
			return true
		})
		return nil
	})
	return read, err
}

// TestAFieldThatNobodyReadsIsFound: one that is only assigned to, or read in the
// codec or in a test, is not read.
func TestAFieldThatNobodyReadsIsFound(t *testing.T) {
	read, err := selected(fstest.MapFS{
		"internal/pool/x.go":      {Data: []byte(`package pool; func f(r R) { use(r.Class); r.Hint = "" }`)},
		"internal/pool/x_test.go": {Data: []byte(`package pool; func f(r R) { use(r.Status) }`)},
		"internal/ipc/fields.go":  {Data: []byte(`package ipc; func f(r R) { use(r.Title) }`)},
	}, []string{"internal/pool"})
	if err != nil {
		t.Fatal(err)
	}
	got := unread(reflect.TypeFor[struct {
		Class, Hint, Status, Title string
		Kept                       string `msgpack:"-"`
	}](), "coordinator", read)
	if want := []string{".Hint", ".Status", ".Title"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
