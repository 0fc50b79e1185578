// Command mutate changes a package in one place after the other and runs its
// tests: a change that they do not notice is a promise that they do not hold.
//
//	go run ./.ci/mutate [-n 40] [-seed N] [-run REGEXP] ./internal/ipc [more packages whose tests may notice]
//
// It writes nothing to the tree: a mutant is an overlay. Whether a survivor is
// equivalent, or only costs time, is for people to say.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	n := flag.Int("n", 40, "how many mutants")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "which ones")
	only := flag.String("run", "", "run only the tests that match")
	timeout := flag.Duration("timeout", 2*time.Minute, "of the tests of a mutant; one that hangs is killed")
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*n, *seed, *only, *timeout, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(n int, seed uint64, only string, timeout time.Duration, packages []string) error {
	files, err := filepath.Glob(filepath.Join(packages[0], "*.go"))
	if err != nil {
		return err
	}
	var all []mutant
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") || skipped(f) {
			continue
		}
		found, err := mutants(f)
		if err != nil {
			return err
		}
		all = append(all, found...)
	}
	r := rand.New(rand.NewPCG(seed, 0))
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	dir, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	killed, tried := 0, 0
	for _, m := range all {
		if tried == n {
			break
		}
		verdict, err := m.try(dir, only, timeout, packages)
		if err != nil {
			return err
		}
		if verdict == "does not build" {
			continue
		}
		tried++
		if verdict == "killed" {
			killed++
			continue
		}
		fmt.Printf("survived  %s: %s\n", m.at, m.what)
	}
	fmt.Printf("%d of %d mutants killed (%d places, seed %d)\n", killed, tried, len(all), seed)
	return nil
}

// skipped reports whether a file is for another system.
func skipped(name string) bool {
	return strings.HasSuffix(name, "_other.go") || strings.HasSuffix(name, "_windows.go") || strings.HasSuffix(name, "_darwin.go")
}

// A mutant is one change of one file.
type mutant struct {
	file, what string
	at         token.Position
	source     []byte
}

// try builds and tests the mutant.
func (m *mutant) try(dir, only string, timeout time.Duration, packages []string) (string, error) {
	changed, overlay := filepath.Join(dir, "mutant.go"), filepath.Join(dir, "overlay.json")
	path, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]map[string]string{"Replace": {path: changed}})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(changed, m.source, 0o600); err != nil {
		return "", err
	}
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		return "", err
	}
	if exec.Command("go", "vet", "-overlay", overlay, packages[0]).Run() != nil {
		return "does not build", nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout+time.Minute)
	defer cancel()
	args := []string{"test", "-overlay", overlay, "-failfast", "-timeout", timeout.String(), "-run", only}
	if exec.CommandContext(ctx, "go", append(args, packages...)...).Run() != nil {
		return "killed", nil
	}
	return "survived", nil
}

// swaps are the operators that take each other's place.
var swaps = map[token.Token][]token.Token{
	token.LSS: {token.LEQ}, token.LEQ: {token.LSS}, token.GTR: {token.GEQ}, token.GEQ: {token.GTR},
	token.EQL: {token.NEQ}, token.NEQ: {token.EQL}, token.LAND: {token.LOR}, token.LOR: {token.LAND},
	token.ADD: {token.SUB}, token.SUB: {token.ADD},
}

// mutants returns all changes of a file: another operator, a condition that
// never holds, a call that is not made, an assignment that is not.
func mutants(file string) (all []mutant, err error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	add := func(n ast.Node, what string, do, undo func()) {
		do()
		defer undo()
		var b bytes.Buffer
		if err := format.Node(&b, fset, f); err == nil {
			all = append(all, mutant{file, what, fset.Position(n.Pos()), bytes.Clone(b.Bytes())})
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			for _, op := range swaps[n.Op] {
				was := n.Op
				add(n, fmt.Sprintf("%s for %s", op, was), func() { n.Op = op }, func() { n.Op = was })
			}
		case *ast.IfStmt:
			was := n.Cond
			never := &ast.BinaryExpr{X: &ast.ParenExpr{X: was}, Op: token.LAND, Y: ast.NewIdent("false")}
			add(n, "if never", func() { n.Cond = never }, func() { n.Cond = was })
		case *ast.BlockStmt:
			for i, s := range n.List {
				call, ok := s.(*ast.ExprStmt)
				if !ok {
					continue
				}
				add(call, "no call", func() { n.List[i] = &ast.EmptyStmt{} }, func() { n.List[i] = call })
			}
		}
		return true
	})
	return all, nil
}
