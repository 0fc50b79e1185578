package ipc

import (
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"feedmill/internal/feeds"
)

var update = flag.Bool("update", false, "rewrite the golden bytes and the frames in docs/protocol.md")

// frameOf returns m as the first frame of a stream.
func frameOf(t testing.TB, m Message) []byte {
	t.Helper()
	return encode(t, m)
}

// TestGoldenBytes: what was once on the wire keeps its meaning for as long as
// the version stays. A difference is a new Version, or a mistake.
func TestGoldenBytes(t *testing.T) {
	for _, s := range samples() {
		path := filepath.Join("testdata", "golden", s.name+".hex")
		frame := frameOf(t, s.m)
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(wrapHex(frame)), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Errorf("%s: %v; make it with -update", s.name, err)
			continue
		}
		golden, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		got, err := receive(strings.NewReader(string(golden)), 0)
		if err != io.EOF || len(got) != 1 || !reflect.DeepEqual(got[0], s.m) {
			t.Errorf("%s: golden bytes decode to %v, %v, want %v", s.name, got, err, s.m)
		}
		if string(frame) != string(golden) {
			t.Errorf("%s: encodes to\n%swant\n%s", s.name, wrapHex(frame), text)
		}
	}
}

// wrapHex spells bytes in hexadecimal, 32 to a line.
func wrapHex(b []byte) string {
	var s strings.Builder
	for len(b) > 0 {
		n := min(len(b), 32)
		fmt.Fprintf(&s, "%x\n", b[:n])
		b = b[n:]
	}
	return s.String()
}

// TestProtocolDocument holds the frames in docs/protocol.md against those that
// are sent.
func TestProtocolDocument(t *testing.T) {
	const marker = "<!-- what follows is made by a test -->\n"
	path := filepath.Join("..", "..", "docs", "protocol.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, got, ok := strings.Cut(string(text), marker)
	if !ok {
		t.Fatalf("%s has no line %q", path, marker)
	}
	var want strings.Builder
	for _, s := range samples() {
		fmt.Fprintf(&want, "\n### %s\n\n```\n%s```\n", s.name, annotate(t, s.m))
	}
	if got == want.String() {
		return
	}
	if *update {
		if err := os.WriteFile(path, []byte(head+marker+want.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s does not show the frames that are sent; make it again with: go test ./internal/ipc -update", path)
}

// annotate spells a message's frame, one msgpack value a line, with the name
// of the field that each one is.
func annotate(t testing.TB, m Message) string {
	t.Helper()
	k := m.kind()
	a := &annotator{t: t, b: frameOf(t, m)}
	n := len(a.b) - headerSize
	a.line(1, 0, "a frame is an array of 4")
	a.line(1, 0, fmt.Sprintf("kind %d: %v", k, k))
	a.line(5, 0, "sequence 0")
	a.line(5, 0, "CRC-32C of the other bytes")
	a.line(5, 0, fmt.Sprintf("payload of %d bytes", n))
	v := reflect.ValueOf(m).Elem()
	if r, ok := m.(*Result); ok {
		v = reflect.ValueOf(&r.Result).Elem()
	}
	a.value(v, k.String(), 0)
	if len(a.b) > 0 {
		t.Fatalf("%d bytes of %v are no field of it", len(a.b), k)
	}
	return a.out.String()
}

// An annotator takes bytes from the front of b and says what they are.
type annotator struct {
	t   testing.TB
	b   []byte
	out strings.Builder
}

// line takes n bytes. Long ones are shown by their beginning.
func (a *annotator) line(n, depth int, what string) {
	if n > len(a.b) {
		a.t.Fatalf("%d bytes left, want %d for %s", len(a.b), n, what)
	}
	shown := fmt.Sprintf("% x", a.b[:min(n, 12)])
	if n > 12 {
		shown += " …"
	}
	fmt.Fprintf(&a.out, "%-38s %s%s\n", shown, strings.Repeat("  ", depth), what)
	a.b = a.b[n:]
}

// value takes one value and, if it is an array, all within. Structs are arrays
// with a value for each field, in the order of the fields.
func (a *annotator) value(v reflect.Value, name string, depth int) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			a.line(1, depth, name+": nil")
			return
		}
		v = v.Elem()
	}
	size := a.size()
	switch x := v.Interface().(type) {
	case feeds.Key:
		a.line(size, depth, fmt.Sprintf("%s: 16 bytes", name))
		return
	case []byte:
		a.line(size, depth, fmt.Sprintf("%s: %d bytes of the library's msgpack", name, len(x)))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		var travel []int
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("msgpack") != "-" {
				travel = append(travel, i)
			}
		}
		a.line(size, depth, fmt.Sprintf("%s: array of %d", name, len(travel)))
		for _, i := range travel {
			a.value(v.Field(i), v.Type().Field(i).Name, depth+1)
		}
	case reflect.Slice:
		a.line(size, depth, fmt.Sprintf("%s: array of %d", name, v.Len()))
		for i := range v.Len() {
			a.value(v.Index(i), fmt.Sprintf("%d", i), depth+1)
		}
	case reflect.String:
		a.line(size, depth, fmt.Sprintf("%s: %q", name, v.String()))
	case reflect.Uint64:
		a.line(size, depth, fmt.Sprintf("%s: %#x", name, v.Uint()))
	default:
		a.line(size, depth, fmt.Sprintf("%s: %v", name, plain(v)))
	}
}

// plain returns a number without the words that its type would print.
func plain(v reflect.Value) any {
	if v.CanInt() {
		return v.Int()
	}
	if v.CanUint() {
		return v.Uint()
	}
	return v.Interface()
}

// size returns the length of the next msgpack value, of an array's head only.
func (a *annotator) size() int {
	switch c := a.b[0]; {
	case c < 0x80, c >= 0xe0, c >= 0x90 && c <= 0x9f, c == 0xc0, c == 0xc2, c == 0xc3:
		return 1
	case c >= 0xa0 && c <= 0xbf:
		return 1 + int(c&0x1f)
	case c == 0xc4, c == 0xd9:
		return 2 + int(a.b[1])
	case c == 0xda:
		return 3 + int(binary.BigEndian.Uint16(a.b[1:]))
	case c == 0xcc, c == 0xd0:
		return 2
	case c == 0xcd, c == 0xd1, c == 0xdc:
		return 3
	case c == 0xce, c == 0xd2, c == 0xdd:
		return 5
	case c == 0xcf, c == 0xd3:
		return 9
	default:
		a.t.Fatalf("%#x begins no value that is used here", c)
		return 0
	}
}
