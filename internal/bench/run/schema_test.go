package run_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"feedmill/internal/bench/run"
)

var update = flag.Bool("update", false, "write docs/bench/run.schema.json anew")

var schemaFile = filepath.Join("..", "..", "..", "docs", "bench", "run.schema.json")

// A schema is as much of JSON Schema (https://json-schema.org/draft/2020-12) as
// run.json needs.
type schema struct {
	Schema      string             `json:"$schema,omitempty"`
	Title       string             `json:"title,omitempty"`
	Ref         string             `json:"$ref,omitempty"`
	Description string             `json:"description,omitempty"`
	Type        any                `json:"type,omitempty"` // a name or, with null, two
	Const       any                `json:"const,omitempty"`
	Enum        []string           `json:"enum,omitempty"`
	Format      string             `json:"format,omitempty"`
	Items       *schema            `json:"items,omitempty"`
	MinItems    int                `json:"minItems,omitempty"`
	MaxItems    int                `json:"maxItems,omitempty"`
	Properties  map[string]*schema `json:"properties,omitempty"`
	Required    []string           `json:"required,omitempty"`
	Additional  *bool              `json:"additionalProperties,omitempty"`
	Defs        map[string]*schema `json:"$defs,omitempty"`
}

// TestSchemaIsThatOfRun: docs/bench/run.schema.json is what the types of a Run
// and their comments say, and nobody has to remember to write it.
func TestSchemaIsThatOfRun(t *testing.T) {
	s := describe(t)
	got, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(schemaFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the types say; go test ./internal/bench/run -run Schema -update writes it. If a field went away or "+
			"means something else now, raise run.Schema, too", schemaFile)
	}
}

// TestTheRunInDocsFitsTheSchema, if it is of this version.
func TestTheRunInDocsFitsTheSchema(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(filepath.Dir(schemaFile), "run.json"))
	if err != nil {
		t.Skip("no run.json in docs/bench")
	}
	var of struct{ Schema int }
	if err := json.Unmarshal(text, &of); err != nil {
		t.Fatal(err)
	}
	if of.Schema < 3 {
		t.Skipf("the run in docs/bench is of schema %d", of.Schema)
	}
	for _, problem := range check(t, text) {
		t.Error(problem)
	}
}

// TestWhatDoesNotFitIsFound: a check that never fails shows nothing.
func TestWhatDoesNotFitIsFound(t *testing.T) {
	for _, tt := range []struct{ name, old, new, want string }{
		{"wrong type", `"cpus": 0`, `"cpus": "two"`, "environment.cpus"},
		{"fraction", `"invocations": 0`, `"invocations": 0.5`, "settings.invocations"},
		{"missing", `"seed": 0,`, ``, "settings: no seed"},
		{"unknown", `"seed": 0,`, `"seed": 0, "sead": 1,`, "settings.sead"},
		{"another schema", `"schema": 3`, `"schema": 4`, "schema"},
		{"not a time", `"0001-01-01T00:00:00Z"`, `"yesterday"`, "started"},
		{"work of another kind", `"work": "ship"`, `"work": "play"`, "cells[0].work"},
	} {
		var b bytes.Buffer
		if err := (&run.Run{Schema: 3, Cells: []run.Cell{{Work: run.Ship}}}).Write(&b); err != nil {
			t.Fatal(err)
		}
		if problems := check(t, b.Bytes()); len(problems) != 0 {
			t.Fatalf("an empty run does not fit: %q", problems)
		}
		planted := strings.Replace(b.String(), tt.old, tt.new, 1)
		if planted == b.String() {
			t.Errorf("%s: no %s in %s", tt.name, tt.old, planted)
		}
		problems := check(t, []byte(planted))
		if len(problems) != 1 || !strings.Contains(problems[0], tt.want) {
			t.Errorf("%s: got %q, want one problem with %q", tt.name, problems, tt.want)
		}
	}
}

// describe makes the schema of a Run from its types, with their comments.
func describe(t *testing.T) *schema {
	t.Helper()
	d := describer{comments: comments(t), defs: make(map[string]*schema)}
	root := d.object(reflect.TypeFor[run.Run]())
	root.Schema, root.Title, root.Defs = "https://json-schema.org/draft/2020-12/schema", "run.json of coordinator bench", d.defs
	root.Properties["schema"].Const = 3
	return root
}

type describer struct {
	comments map[string]string // by type, or type.field
	defs     map[string]*schema
}

func (d describer) object(typ reflect.Type) *schema {
	s := &schema{Type: "object", Description: d.comments[typ.Name()], Properties: make(map[string]*schema), Additional: new(bool)}
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, option, _ := strings.Cut(f.Tag.Get("json"), ",")
		p := d.value(f.Type)
		if c := d.comments[typ.Name()+"."+f.Name]; c != "" {
			p.Description = c
		}
		// A slice that is nil is null, unless it is left out.
		if f.Type.Kind() == reflect.Slice && option == "" {
			p.Type = []string{"array", "null"}
		}
		s.Properties[name] = p
		if option == "" {
			s.Required = append(s.Required, name)
		}
	}
	return s
}

func (d describer) value(typ reflect.Type) *schema {
	switch typ {
	case reflect.TypeFor[time.Time]():
		return &schema{Type: "string", Format: "date-time"}
	case reflect.TypeFor[run.Work]():
		return &schema{Type: "string", Enum: []string{string(run.AllNew), string(run.TenthNew), string(run.NothingNew), string(run.OwnNew), string(run.OwnSame), string(run.Parse), string(run.Ship)}}
	}
	switch typ.Kind() {
	case reflect.String:
		return &schema{Type: "string"}
	case reflect.Bool:
		return &schema{Type: "boolean"}
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return &schema{Type: "integer"}
	case reflect.Float64:
		return &schema{Type: "number"}
	case reflect.Pointer:
		return d.value(typ.Elem())
	case reflect.Slice:
		return &schema{Type: "array", Items: d.value(typ.Elem())}
	case reflect.Array:
		return &schema{Type: "array", Items: d.value(typ.Elem()), MinItems: typ.Len(), MaxItems: typ.Len()}
	case reflect.Struct:
		if d.defs[typ.Name()] == nil {
			d.defs[typ.Name()] = new(schema) // for a type that has itself in it
			*d.defs[typ.Name()] = *d.object(typ)
		}
		return &schema{Ref: "#/$defs/" + typ.Name()}
	}
	panic(fmt.Sprintf("no schema for %v", typ))
}

// comments are those of the package's types and of their fields.
func comments(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if g, ok := n.(*ast.GenDecl); ok && g.Tok == token.TYPE && len(g.Specs) == 1 {
				all[g.Specs[0].(*ast.TypeSpec).Name.Name] = oneLine(g.Doc.Text())
			}
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if body, ok := spec.Type.(*ast.StructType); ok {
				for _, f := range body.Fields.List {
					for _, field := range f.Names {
						all[spec.Name.Name+"."+field.Name] = oneLine(f.Doc.Text() + " " + f.Comment.Text())
					}
				}
			}
			return true
		})
	}
	return all
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// check returns where a run.json does not fit the schema that is in docs.
func check(t *testing.T, text []byte) []string {
	t.Helper()
	file, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	root := new(schema)
	decoder := json.NewDecoder(bytes.NewReader(file))
	decoder.DisallowUnknownFields() // a keyword that check does not know would hold nothing
	if err := decoder.Decode(root); err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	return fits(root, root, value, "run")
}

func fits(root, s *schema, value any, at string) (problems []string) {
	if name, ok := strings.CutPrefix(s.Ref, "#/$defs/"); ok {
		def := root.Defs[name]
		if def == nil {
			return []string{at + ": no definition of " + name}
		}
		return fits(root, def, value, at)
	}
	if !ofType(s.Type, value) {
		return []string{fmt.Sprintf("%s is %v, want %v", at, value, s.Type)}
	}
	if s.Const != nil && s.Const != value {
		problems = append(problems, fmt.Sprintf("%s is %v, want %v", at, value, s.Const))
	}
	switch v := value.(type) {
	case string:
		if s.Enum != nil && !slices.Contains(s.Enum, v) {
			problems = append(problems, fmt.Sprintf("%s is %q, want one of %q", at, v, s.Enum))
		}
		if _, err := time.Parse(time.RFC3339, v); s.Format == "date-time" && err != nil {
			problems = append(problems, fmt.Sprintf("%s is %q, want a time", at, v))
		}
	case []any:
		if s.MaxItems > 0 && (len(v) < s.MinItems || len(v) > s.MaxItems) {
			problems = append(problems, fmt.Sprintf("%s has %d items, want %d", at, len(v), s.MaxItems))
		}
		for i, item := range v {
			problems = append(problems, fits(root, s.Items, item, fmt.Sprintf("%s[%d]", at, i))...)
		}
	case map[string]any:
		for _, name := range s.Required {
			if _, ok := v[name]; !ok {
				problems = append(problems, at+": no "+name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			p := s.Properties[name]
			if p == nil {
				problems = append(problems, at+"."+name+" is not in the schema")
				continue
			}
			problems = append(problems, fits(root, p, v[name], at+"."+name)...)
		}
	}
	return problems
}

// ofType reports whether a decoded value is of a type of the schema, or of one
// of several.
func ofType(typ, value any) bool {
	if several, ok := typ.([]any); ok {
		return slices.ContainsFunc(several, func(one any) bool { return ofType(one, value) })
	}
	switch v := value.(type) {
	case nil:
		return typ == "null"
	case bool:
		return typ == "boolean"
	case string:
		return typ == "string"
	case float64:
		return typ == "number" || typ == "integer" && v == math.Trunc(v)
	case []any:
		return typ == "array"
	case map[string]any:
		return typ == "object"
	}
	return false
}
