package internal_test

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// architecture returns docs/architecture.md, and the module's folder.
func architecture(t *testing.T) (page string, root fs.FS) {
	t.Helper()
	root = os.DirFS("..")
	b, err := fs.ReadFile(root, "docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b), root
}

// TestEveryFileOnTheMapIsThere: a walk that leads to a file which has moved leads
// nowhere. Paths are told from internal/, or from internal/feeds/.
func TestEveryFileOnTheMapIsThere(t *testing.T) {
	page, root := architecture(t)
	names := regexp.MustCompile("`([a-z]+/[a-z0-9_/]*(?:\\.go|\\.md|\\.json)?)`").FindAllStringSubmatch(page, -1)
	if len(names) < 50 {
		t.Fatalf("%d paths found on the page, want all of its walk and its map", len(names))
	}
	for _, m := range names {
		name, there := strings.TrimSuffix(m[1], "/"), false
		for _, from := range []string{".", "internal", "internal/feeds"} {
			_, err := fs.Stat(root, path.Join(from, name))
			there = there || err == nil
		}
		if !there {
			t.Errorf("%s is on the page, and not in the house", m[1])
		}
	}
}

// TestEveryRoomIsOnTheMap: each folder with code has its row, which says whom it
// imports and what it refuses.
func TestEveryRoomIsOnTheMap(t *testing.T) {
	page, _ := architecture(t)
	for dir := range layers {
		room := strings.TrimPrefix(dir, "internal/")
		if _, err := os.Stat(path.Join("..", dir)); err != nil {
			continue // it need not exist yet
		}
		if !regexp.MustCompile("(?m)^\\| (`[a-z/]+`, )?`" + room + "`").MatchString(page) {
			t.Errorf("%s has no row in the table of who imports whom", room)
		}
	}
}

// TestWordsOfTheGlossaryAreSpoken: a word that a newcomer looks for in the code is
// found there, in more than one file.
func TestWordsOfTheGlossaryAreSpoken(t *testing.T) {
	page, root := architecture(t)
	_, table, _ := strings.Cut(page, "| word | meaning |\n| --- | --- |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	count := make(map[string]int)
	for row := range strings.Lines(table) {
		words, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), " |")
		for word := range strings.SplitSeq(words, ", ") {
			count[word] = 0
		}
	}
	if len(count) < 20 {
		t.Fatalf("%d words found, want all of the glossary", len(count))
	}
	err := fs.WalkDir(root, "internal", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return err
		}
		b, err := fs.ReadFile(root, name)
		text := strings.ToLower(string(b))
		for word := range count {
			if strings.Contains(text, word) {
				count[word]++
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for word, files := range count {
		if files < 3 {
			t.Errorf("%q is explained, and %d files say it", word, files)
		}
	}
}
