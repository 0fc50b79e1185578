package feeds

import "bytes"

// salvageXML makes a document of a feed that breaks after its items: what is
// there up to the end of the last of them, with everything closed that is open
// there. text is as the guard leaves it. Without an item there is nothing to
// salvage, and ok is false.
func salvageXML(text []byte, items []span) (whole []byte, ok bool) {
	for len(items) > 0 && items[len(items)-1].end < 0 {
		items = items[:len(items)-1] // the item that the fault is in
	}
	if len(items) == 0 {
		return nil, false
	}
	whole = bytes.Clone(text[:items[len(items)-1].end])
	var open [][]byte
	for s := (scanner{input: whole}); ; {
		switch s.next() {
		case tokenOpen:
			if !s.empty {
				open = append(open, s.name.full)
			}
		case tokenClose:
			for len(open) > 0 {
				top := open[len(open)-1]
				open = open[:len(open)-1]
				if bytes.Equal(top, s.name.full) {
					break
				}
			}
		case tokenEOF, tokenFault:
			for i := len(open) - 1; i >= 0; i-- {
				whole = append(append(append(whole, "</"...), open[i]...), '>')
			}
			return whole, true
		}
	}
}

// salvageJSON does the same for a JSON Feed, up to the last item that ends
// before fault, which is how many bytes were read when it was found.
func salvageJSON(text []byte, items []span, fault int) (whole []byte, ok bool) {
	for len(items) > 0 && items[len(items)-1].end >= fault {
		items = items[:len(items)-1]
	}
	if len(items) == 0 {
		return nil, false
	}
	return append(bytes.Clone(text[:items[len(items)-1].end]), "]}"...), true
}
