package ipc

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"

	"feedmill/internal/feeds"

	"github.com/vmihailenco/msgpack/v5"
)

// FuzzFrame: a stream of any bytes gives messages and then one error that says
// what happened, and what was decoded encodes to the very bytes that came.
func FuzzFrame(f *testing.F) {
	for _, s := range samples() {
		f.Add(frameOf(f, &s.m))
	}
	f.Add([]byte("text on the wire"))
	f.Add(claiming(1 << 31))
	f.Fuzz(func(t *testing.T, in []byte) {
		const limit = 1 << 20
		got, err := receive(bytes.NewReader(in), limit)
		_, protocol := errors.AsType[*ProtocolError](err)
		if err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) && !protocol {
			t.Fatalf("the stream ended with %T %v, want an end or a ProtocolError", err, err)
		}
		if len(got) > 0 && got[0].Hello != nil && got[0].Hello.Version != Version {
			return // of another version's Hello only the first two fields are read
		}
		if again := encode(t, got...); !bytes.HasPrefix(in, again) {
			t.Fatalf("%d messages encode to\n%x, want what came\n%x", len(got), again, in)
		}
	})
}

// FuzzMessage: a payload of any bytes under an honest header is refused or has
// exactly the one spelling, and costs memory in proportion to its length.
func FuzzMessage(f *testing.F) {
	for _, s := range samples() {
		k, err := s.m.kind()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(k), frameOf(f, &s.m)[headerSize:])
	}
	f.Fuzz(func(t *testing.T, k uint8, payload []byte) {
		in := frame(kind(k&0x7f), 0, payload)
		var got []*Message
		var err error
		// The largest growth is a list of empty strings: one byte each on the
		// wire, sixteen in memory; slabs and buffers come on top.
		bound := uint64(64*len(payload) + 1<<20)
		if spent := allocated(func() { got, err = receive(bytes.NewReader(in), 0) }); spent > bound {
			t.Errorf("%d bytes allocated for a payload of %d, want at most %d", spent, len(payload), bound)
		}
		if len(got) == 0 {
			if _, ok := errors.AsType[*ProtocolError](err); !ok {
				t.Fatalf("refused with %T %v, want a ProtocolError", err, err)
			}
			return
		}
		if h := got[0].Hello; h != nil && h.Version != Version {
			return // of another version's Hello only the first two fields are read
		}
		if again := frameOf(t, got[0]); !bytes.Equal(again, in) {
			t.Fatalf("%v encodes to\n%x, want what came\n%x", got[0], again, in)
		}
	})
}

// A libItem is an item as the msgpack library sees it.
type libItem struct {
	Key        []byte
	Hash       uint64
	GUID       string
	Link       string
	Title      string
	Author     string
	Summary    string
	Content    string
	Image      string
	Published  int64
	Updated    int64
	Categories []string
	Enclosures []libEnclosure
}

type libEnclosure struct {
	URL    string
	Type   string
	Length int64
}

func libItemOf(it *feeds.Item) libItem {
	l := libItem{
		Key: it.Key[:], Hash: it.Hash, GUID: it.GUID, Link: it.Link, Title: it.Title, Author: it.Author,
		Summary: it.Summary, Content: it.Content, Image: it.Image, Published: it.Published, Updated: it.Updated,
		Categories: append([]string{}, it.Categories...), Enclosures: []libEnclosure{},
	}
	for _, e := range it.Enclosures {
		l.Enclosures = append(l.Enclosures, libEnclosure{URL: e.URL, Type: e.Type, Length: e.Length})
	}
	return l
}

// FuzzItemsAgainstLibrary: what is written by hand reads the same through the
// msgpack library, and what the library writes reads the same by hand.
func FuzzItemsAgainstLibrary(f *testing.F) {
	f.Add("guid", "https://example.org/", "title", "content \xff\x00", "category", int64(1767225600), int64(-5), uint64(1<<63), uint8(3))
	f.Add("", "", "", "", "", int64(0), int64(0), uint64(0), uint8(0))
	f.Fuzz(func(t *testing.T, guid, link, title, content, category string, published, length int64, hash uint64, n uint8) {
		it := feeds.Item{Key: feeds.Key{n, 1, 2}, Hash: hash, GUID: guid, Link: link, Title: title, Content: content,
			Published: published, Updated: -published}
		for range n % 20 {
			it.Categories = append(it.Categories, category)
			it.Enclosures = append(it.Enclosures, feeds.Enclosure{URL: link, Type: title, Length: length})
		}
		byHand := appendItem(nil, &it)
		var read libItem
		if err := msgpack.Unmarshal(byHand, &read); err != nil {
			t.Fatalf("the library cannot read %x: %v", byHand, err)
		}
		if want := libItemOf(&it); !reflect.DeepEqual(read, want) {
			t.Fatalf("the library reads %+v, want %+v", read, want)
		}

		var buf bytes.Buffer
		enc := msgpack.NewEncoder(&buf)
		enc.UseCompactInts(true)
		enc.UseArrayEncodedStructs(true)
		if err := enc.Encode(read); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(buf.Bytes(), byHand) {
			t.Fatalf("the library writes\n%x, want\n%x", buf.Bytes(), byHand)
		}
	})
}
