package ipc

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"testing"

	"github.com/vmihailenco/msgpack/v5"

	"feedmill/internal/feeds"
)

// What jobs and items look like on the wire is what the msgpack library makes
// of their structs. The tests here hold the codec that is written by hand to
// that, in both directions: from values, and from bytes.

// byLibrary returns what the library writes for v, a pointer to a struct.
func byLibrary(t *testing.T, v any) []byte {
	t.Helper()
	withoutNil(reflect.ValueOf(v).Elem())
	var b bytes.Buffer
	enc := msgpack.NewEncoder(&b)
	enc.UseCompactInts(true)
	enc.UseArrayEncodedStructs(true)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// withoutNil makes every nil slice below v an empty one: they are one on the
// wire, where the library would write a nil of its own.
func withoutNil(v reflect.Value) {
	switch v.Kind() {
	case reflect.Slice:
		if v.IsNil() {
			v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		}
		if v.Type().Elem().Kind() == reflect.Struct {
			for i := range v.Len() {
				withoutNil(v.Index(i))
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			withoutNil(v.Field(i))
		}
	}
}

// payloadOf returns what of m the library would write.
func payloadOf(m Message) any {
	if r, ok := m.(*Result); ok {
		return &r.Result
	}
	return m
}

// agree fails the test unless the library reads payload, which is of kind k, as
// the same as it is read by hand, and writes it with the same bytes.
func agree(t *testing.T, k kind, payload []byte) {
	t.Helper()
	m, err := decodeMessage(k, payload)
	if err != nil {
		return // whatever is refused by hand is nobody's spelling; see FuzzMessage
	}
	got := payloadOf(m)
	withoutNil(reflect.ValueOf(got).Elem())
	want := reflect.New(reflect.TypeOf(got).Elem())
	dec := msgpack.NewDecoder(bytes.NewReader(payload))
	if err := dec.Decode(want.Interface()); err != nil {
		t.Fatalf("by hand %x is a %v, the library cannot read it: %v", payload, k, err)
	}
	withoutNil(want.Elem())
	if !reflect.DeepEqual(got, want.Interface()) {
		t.Fatalf("the library reads %x as\n%+v, by hand it is\n%+v", payload, want.Elem(), got)
	}
	if again := byLibrary(t, got); !bytes.Equal(again, payload) {
		t.Fatalf("the library writes\n%x, by hand it is\n%x", again, payload)
	}
	if rest, _ := io.ReadAll(dec.Buffered()); len(rest) > 0 {
		t.Fatalf("the library leaves %d bytes of %x", len(rest), payload)
	}
}

// FuzzPayloadAgainstLibrary: any bytes that are accepted by hand are accepted by
// the library, mean the same to it and are what it would have written.
func FuzzPayloadAgainstLibrary(f *testing.F) {
	for _, s := range samples() {
		f.Add(uint8(s.m.kind()), frameOf(f, s.m)[headerSize:])
	}
	f.Fuzz(func(t *testing.T, k uint8, payload []byte) {
		switch kind(k) {
		case kindShard, kindResult, kindItems:
			agree(t, kind(k), payload)
		}
	})
}

// TestLibraryWritesWhatIsSpelledByHand: of values in which every field is set.
func TestLibraryWritesWhatIsSpelledByHand(t *testing.T) {
	var n int64
	for _, m := range []Message{new(Shard), new(Result), new(Items)} {
		v := payloadOf(m)
		fill(t, reflect.ValueOf(v).Elem(), &n)
		payload := frameOf(t, m)[headerSize:]
		if got := byLibrary(t, v); !bytes.Equal(got, payload) {
			t.Errorf("%v: the library writes\n%x, by hand it is\n%x", m, got, payload)
		}
	}
}

// FuzzItemsAgainstLibrary: of any values, what is written by hand is what the
// library writes, and both read it as what it was.
func FuzzItemsAgainstLibrary(f *testing.F) {
	f.Add("guid", "https://example.org/", "title", "content \xff\x00", "category", int64(1767225600), int64(-5), uint64(1<<63), uint8(3))
	f.Add("", "", "", "", "", int64(0), int64(0), uint64(0), uint8(0))
	f.Fuzz(func(t *testing.T, guid, link, title, content, category string, published, length int64, hash uint64, n uint8) {
		it := feeds.Item{Key: feeds.Key{n, 1, 2}, Hash: hash, GUID: guid, Link: link, Title: title, Author: category, Summary: link,
			Content: content, Image: guid, Published: published, Updated: -published}
		for range n % 20 {
			it.Categories = append(it.Categories, category)
			it.Enclosures = append(it.Enclosures, feeds.Enclosure{URL: link, Type: title, Length: length})
		}
		sent := &Items{ID: published, Items: []feeds.Item{it, {}, it}}
		byHand := frameOf(t, sent)[headerSize:]
		written := byLibrary(t, sent)
		if !bytes.Equal(written, byHand) {
			t.Fatalf("the library writes\n%x, by hand it is\n%x", written, byHand)
		}
		m, err := decodeMessage(kindItems, written)
		if err != nil {
			t.Fatalf("what the library writes cannot be read by hand: %v\n%x", err, written)
		}
		withoutNil(reflect.ValueOf(m).Elem())
		if !reflect.DeepEqual(m, Message(sent)) {
			t.Fatalf("by hand it is read as %+v, want %+v", m, sent)
		}
		agree(t, kindItems, byHand)
	})
}

// TestLibraryReadsAFrame: a frame as a whole is msgpack that anybody can read.
func TestLibraryReadsAFrame(t *testing.T) {
	for _, s := range samples() {
		b := frameOf(t, s.m)
		list, err := msgpack.NewDecoder(bytes.NewReader(b)).DecodeSlice()
		if err != nil || len(list) != 4 {
			t.Fatalf("%s: the library reads %d elements of its frame and %v, want 4", s.name, len(list), err)
		}
		if payload, ok := list[3].([]byte); !ok || !bytes.Equal(payload, b[headerSize:]) {
			t.Errorf("%s: the payload is read as %T", s.name, list[3])
		}
		if k := s.m.kind(); fmt.Sprint(list[0]) != fmt.Sprint(uint8(k)) {
			t.Errorf("%s: the kind is read as %v, want %d", s.name, list[0], k)
		}
	}
}
