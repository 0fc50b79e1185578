package internal_test

import (
	"errors"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mostBack bounds the pairs of files in a package of which the lower one names what
// the upper one declares.
const mostBack = 9

// TestFilesStandOnOneAnother: the files of a package can be put one above the other
// so that nearly all names that they take from each other come from below.
func TestFilesStandOnOneAnother(t *testing.T) {
	packages := 0
	err := filepath.WalkDir("..", func(dir string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || !d.IsDir():
			return err
		case dir != ".." && noneOfOurs(filepath.Base(dir)):
			return fs.SkipDir
		}
		files, names, err := namedBetween(dir)
		if err != nil || len(files) == 0 {
			return err
		}
		packages++
		back := runBack(files, names)
		if len(back) > mostBack {
			t.Errorf("%s: %d of its files name what stands above them, want %d at most:\n%s", dir, len(back), mostBack, strings.Join(back, "\n"))
		}
		return nil
	})
	if err != nil || packages < 20 {
		t.Errorf("%d packages read, %v; want all of the module", packages, err)
	}
}

type fromTo struct{ from, to string }

// namedBetween returns the files that a package has on Linux, and for each two of them
// what the first names of the second.
func namedBetween(dir string) (files []string, names map[fromTo][]string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	linux := build.Default
	linux.GOOS = "linux"
	set := token.NewFileSet()
	var parsed []*ast.File
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".go" || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		if here, err := linux.MatchFile(dir, e.Name()); err != nil || !here {
			continue
		}
		file, err := parser.ParseFile(set, filepath.Join(dir, e.Name()), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, nil, err
		}
		files, parsed = append(files, e.Name()), append(parsed, file)
	}
	info := &types.Info{Uses: make(map[*ast.Ident]types.Object)}
	config := types.Config{Importer: noImports{}, Error: func(error) {}} // names of other packages are not asked for
	pkg, _ := config.Check(dir, set, parsed, info)
	names = make(map[fromTo][]string)
	for id, object := range info.Uses {
		method, isFunc := object.(*types.Func)
		if object.Pkg() != pkg || object.Parent() != pkg.Scope() && !(isFunc && method.Signature().Recv() != nil) {
			continue
		}
		pair := fromTo{filepath.Base(set.Position(id.Pos()).Filename), filepath.Base(set.Position(object.Pos()).Filename)}
		if pair.from != pair.to && !slices.Contains(names[pair], object.Name()) {
			names[pair] = append(names[pair], object.Name())
		}
	}
	return files, names, nil
}

type noImports struct{}

func (noImports) Import(string) (*types.Package, error) { return nil, errors.New("not read") }

// runBack puts files in an order, those that name others first, by moving one at a
// time to where it does best, and returns the pairs that are against it.
func runBack(files []string, names map[fromTo][]string) (back []string) {
	against := func(above, below string) int {
		if len(names[fromTo{below, above}]) > 0 {
			return 1
		}
		return 0
	}
	for moved := true; moved; {
		moved = false
		for i, file := range files {
			best, at, gain := 0, i, 0
			for j := i - 1; j >= 0; j-- {
				if gain += against(files[j], file) - against(file, files[j]); gain > best {
					best, at = gain, j
				}
			}
			gain = 0
			for j := i + 1; j < len(files); j++ {
				if gain += against(file, files[j]) - against(files[j], file); gain > best {
					best, at = gain, j
				}
			}
			if at != i {
				files = slices.Insert(slices.Delete(files, i, i+1), at, file)
				moved = true
			}
		}
	}
	for i, above := range files {
		for _, below := range files[i+1:] {
			if against(above, below) > 0 {
				slices.Sort(names[fromTo{below, above}])
				back = append(back, below+" names of "+above+": "+strings.Join(names[fromTo{below, above}], " "))
			}
		}
	}
	return back
}

// TestFilesThatNameEachOtherAreFound: a check that never fails shows nothing.
func TestFilesThatNameEachOtherAreFound(t *testing.T) {
	names := map[fromTo][]string{{"a", "b"}: {"x"}, {"b", "c"}: {"y"}, {"c", "a"}: {"z"}, {"d", "a"}: {"x"}}
	if got := runBack([]string{"a", "b", "c", "d"}, names); len(got) != 1 {
		t.Errorf("three files in a circle and one above: got %q, want one against the order", got)
	}
	if got := runBack([]string{"c", "b", "a"}, map[fromTo][]string{{"a", "b"}: {"x"}, {"b", "c"}: {"y"}}); len(got) != 0 {
		t.Errorf("three files in a row: got %q, want none", got)
	}
}
