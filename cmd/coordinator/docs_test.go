package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"feedmill/internal/export"
	"feedmill/internal/feeds"
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
		t.Errorf("%d tests are named, want one at least for each of 17 invariants", len(named))
	}
	for _, m := range named {
		if !known[m[1]] {
			t.Errorf("the page names %s, and there is no such test", m[1])
		}
	}
}

// TestOutputIsAsDocumented: docs/output.md names every field that a program can
// read, in the order in which they are printed, and every class.
func TestOutputIsAsDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "output.md"))
	if err != nil {
		t.Fatal(err)
	}
	section := func(title string) string {
		_, after, _ := strings.Cut(string(page), "\n## "+title+"\n")
		text, _, _ := strings.Cut(after, "\n## ")
		return text
	}
	for _, c := range []struct {
		title string
		lines []any
	}{
		{"refresh --json", []any{feedLine{MovedTo: "x"}, summaryLine{}}},
		{"feeds list --format jsonl", []any{feedJSON{}}},
		{"items --format jsonl", []any{export.Line{}}},
	} {
		text := section(c.title)
		for _, line := range c.lines {
			for _, name := range fieldNames(reflect.TypeOf(line)) {
				_, after, found := strings.Cut(text, "`"+name+"`")
				if !found {
					t.Errorf("%s: %q is not there, or not in its order", c.title, name)
					continue
				}
				text = after
			}
		}
	}
	classes := section("Classes")
	for _, class := range feeds.Classes() {
		if !strings.Contains(classes, "`"+string(class)+"`") {
			t.Errorf("class %s is not documented", class)
		}
	}
}

// fieldNames returns the names of a line's fields in JSON, each before those
// within it.
func fieldNames(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
		in := f.Type
		if in.Kind() == reflect.Slice {
			in = in.Elem()
		}
		if in.Kind() == reflect.Struct && in.PkgPath() == t.PkgPath() {
			names = append(names, fieldNames(in)...)
		}
	}
	return names
}

// TestRefreshLinesKeepTheirFields holds the fields that scripts rely on, by
// name and order.
func TestRefreshLinesKeepTheirFields(t *testing.T) {
	for _, c := range []struct {
		line any
		want string
	}{
		{feedLine{}, `{"type":"","url":"","class":"","detail":"","status":0,"new":0,"updated":0,"items":0,"bytes":0,"ms":0,"attempts":0,"fails":0}`},
		{summaryLine{}, `{"type":"","mode":"","workers":0,"feeds":0,"ok":0,"not_modified":0,"unchanged":0,"failed":0,"cancelled":0,"new":0,"updated":0,` +
			`"wall_ms":0,"cpu_ms":{"coordinator":0,"workers":0},"bytes":{"body":0,"sent":0,"received":0},` +
			`"peak_rss":{"coordinator":0,"worker":0},"readers":{"fast":0,"gofeed":0},"worker_deaths":0,"sandbox":"","seed":0,"db":""}`},
	} {
		got, err := json.Marshal(c.line)
		if err != nil || string(got) != c.want {
			t.Errorf("got\n%s, %v, want\n%s", got, err, c.want)
		}
	}
}
