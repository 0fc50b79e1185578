package origin

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
)

func FuzzLogStringsKeepEveryByte(f *testing.F) {
	for _, s := range []string{"", `"a1"`, "W/\"x\\y\"", "caf\xe9\x00\xff\x7f", "日本\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var text string
		line, err := json.Marshal(characters(string(raw)))
		if err = errors.Join(err, json.Unmarshal(line, &text)); err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		var got []byte
		for _, r := range text {
			got = append(got, byte(r))
			if r > 255 {
				t.Fatalf("%q: got the character %q", raw, r)
			}
		}
		if !bytes.Equal(got, raw) {
			t.Fatalf("got %q, want %q", got, raw)
		}
	})
}

func FuzzEveryViewIsWellFormed(f *testing.F) {
	f.Add(uint64(0), uint32(0), uint8(0), uint16(0), uint8(20), uint16(1000))
	f.Add(uint64(1)<<63, uint32(maxFeeds-1), uint8(3), uint16(9999), uint8(0), uint16(1))
	f.Add(uint64(7), uint32(17), uint8(2), uint16(3), uint8(1), uint16(65535))
	f.Fuzz(func(t *testing.T, seed uint64, n uint32, which uint8, version uint16, items uint8, size uint16) {
		s := &content{generator: generator{seed: seed, newsEvery: 1, prose: newProse(seed % 4)}}
		v := view{number: int(n % maxFeeds), format: formats[which%4], version: int(version), items: int(items % 32), bytes: 1 + int(size)}
		doc := s.render(nil, v)
		if got := countItems(t, v.format, doc); got != v.items {
			t.Fatalf("%+v of seed %d: got %d items", v, seed, got)
		}
		if !bytes.Equal(doc, s.render(nil, v)) {
			t.Fatalf("%+v of seed %d: got other bytes the second time", v, seed)
		}
	})
}
