package read

import (
	"bytes"
	"math"

	"feedmill/internal/feeds"
)

// tellEvery is how many bytes are read before the next word of it.
const tellEvery = 4 << 10

// A position is how far reading has got, for whoever watches it.
type position struct {
	observer feeds.Observer // nil for nobody
	untold   int            // where to speak up next
}

// tell says that reading is at pos, and puts the next time off.
func (p *position) tell(pos int) {
	if p.observer == nil {
		p.untold = math.MaxInt
		return
	}
	p.untold = pos + tellEvery
	p.observer.Parsed(int64(pos))
}

// lineOf returns the number of the line that text[at:] begins in.
func lineOf(text []byte, at int) int { return 1 + bytes.Count(text[:at], []byte("\n")) }
