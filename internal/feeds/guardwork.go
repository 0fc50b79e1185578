package feeds

import "bytes"

// What a document would cost gofeed, estimated before gofeed sees it: links that
// are made absolute, elements of other vocabularies, text in pieces.

// rebase takes in an xml:base of e that is so many bytes long. Relative to one
// around it, it may become as long as both, and three times as long when it is
// escaped.
func (g *guard) rebase(e *element, size int) *Failure {
	if size > maxURL {
		return limit(LimitSize, "an xml:base longer than %d bytes", maxURL)
	}
	e.based += 3 * size
	g.base += 3 * size
	return nil
}

// weighLinks counts so many places where a link relative to the xml:base in
// scope may be.
func (g *guard) weighLinks(n int) *Failure {
	if g.baseWork += n * g.base; g.baseWork > maxBaseWork {
		return limit(LimitSize, "too many links relative to an xml:base of %d bytes", g.base/3)
	}
	return nil
}

// linkNames holds the attributes of HTML that gofeed makes absolute.
var linkNames = [][]byte{
	[]byte("action"), []byte("background"), []byte("cite"), []byte("codebase"), []byte("data"), []byte("href"),
	[]byte("poster"), []byte("profile"), []byte("scheme"), []byte("src"), []byte("uri"), []byte("usemap"),
}

// weighLinksIn counts the places in a piece of text of HTML. Only when there
// may be too many does it look for them.
func (g *guard) weighLinksIn(text []byte) *Failure {
	if n := (1 + len(text)/len("src ")) * g.base; g.baseGuess+n <= maxBaseWork {
		g.baseGuess += n
		return nil
	}
	text = bytes.ToLower(text)
	n := 1 + bytes.Count(text, []byte("&#")) // a name may go on in the next piece, or have such letters
	for _, name := range linkNames {
		n += bytes.Count(text, name)
	}
	return g.weighLinks(n)
}

// weigh adds what gofeed will keep of the foreign start tag that g stands on.
// The figures are the measured ones, rounded up.
func (g *guard) weigh() *Failure {
	g.foreign += 192
	if len(g.attrs) > 0 {
		g.foreign += 256 + 64*len(g.attrs)
	}
	if g.open[len(g.open)-1].role == roleForeign {
		g.foreign += 256
	}
	if g.foreign > maxForeign {
		return limit(LimitSize, "too many elements of other vocabularies")
	}
	return nil
}

// weighText counts a piece of text towards maxBaseWork and maxTextWork.
func (g *guard) weighText(text []byte) *Failure {
	if g.base > 0 {
		if err := g.weighLinksIn(text); err != nil {
			return err
		}
	}
	top, n := &g.open[len(g.open)-1], len(text)
	if top.role != roleForeign {
		return nil
	}
	if top.text > 0 {
		g.textWork += top.text + n
	}
	top.text += n
	if g.textWork > maxTextWork {
		return limit(LimitSize, "text in too many pieces")
	}
	return nil
}
