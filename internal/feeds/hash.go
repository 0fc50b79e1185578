package feeds

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// ContentHash returns a hash of every stored field of it except Key and Hash.
// Each field goes in with its length, so that moving a byte from one field to
// its neighbour changes the hash. It is never 0, which a [Known] uses for an
// item that is to be left alone.
//
// The hash is xxHash64: it tells an edit from a repeat and is no protection
// against someone who wants two items to look alike.
func ContentHash(it *Item) uint64 {
	var h contentHash
	h.d.Reset()
	h.text(it.GUID)
	h.text(it.Link)
	h.text(it.Title)
	h.text(it.Author)
	h.text(it.Summary)
	h.text(it.Content)
	h.text(it.Image)
	h.number(uint64(it.Published))
	h.number(uint64(it.Updated))
	h.number(uint64(len(it.Categories)))
	for _, c := range it.Categories {
		h.text(c)
	}
	h.number(uint64(len(it.Enclosures)))
	for i := range it.Enclosures {
		e := &it.Enclosures[i]
		h.text(e.URL)
		h.text(e.Type)
		h.number(uint64(e.Length))
	}
	return max(h.d.Sum64(), 1)
}

// A contentHash feeds fields to a digest that lives on the stack.
type contentHash struct {
	d   xxhash.Digest
	buf [8]byte
}

func (h *contentHash) number(n uint64) {
	binary.LittleEndian.PutUint64(h.buf[:], n)
	h.d.Write(h.buf[:])
}

func (h *contentHash) text(s string) {
	h.number(uint64(len(s)))
	h.d.WriteString(s)
}
