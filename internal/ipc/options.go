package ipc

import (
	"bytes"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"

	"feedmill/internal/feeds"
)

// The options of a run go to each worker once, and come from the side that is
// trusted, so the msgpack library spells them by reflection: as a map of the
// names of feeds.Options. It is never given bytes of a worker, since it
// allocates whatever a count claims and recurses as deep as its input nests.

// EncodeOptions returns o as Hello carries it.
func EncodeOptions(o feeds.Options) []byte {
	b, err := msgpack.Marshal(&o)
	if err != nil { // they are plain data
		panic(fmt.Sprintf("encode options: %v", err))
	}
	return b
}

// DecodeOptions returns what EncodeOptions was given. A name that feeds.Options
// has not is an error. b must be the coordinator's.
func DecodeOptions(b []byte) (feeds.Options, error) {
	var o feeds.Options
	d := msgpack.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields(true)
	if err := d.Decode(&o); err != nil {
		return o, fmt.Errorf("decode options: %w", err)
	}
	return o, nil
}
