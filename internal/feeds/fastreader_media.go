package feeds

import (
	"bytes"
	"strings"
)

// A mediaTree holds the elements of Media RSS in an item that can give it an
// image, a description or files. Nodes are known by their index plus 1; 0 is
// none.
type mediaTree struct {
	nodes       []mediaNode
	first, last int // of those directly in the item
	open        int // the one whose children come now; 0: the item
}

// A mediaNode is one of them.
type mediaNode struct {
	kind                   mediaKind
	parent, next           int
	first, last            int // of its children
	url, typ, medium, size []byte
	text                   []byte // mediaDescription
}

type mediaKind uint8

const (
	mediaThumbnail mediaKind = iota
	mediaDescription
	mediaContent
	mediaGroup
)

// add adds a node to the open one.
func (t *mediaTree) add(n mediaNode) {
	n.parent = t.open
	t.nodes = append(t.nodes, n)
	id := len(t.nodes)
	first, last := &t.first, &t.last
	if n.parent != 0 {
		first, last = &t.nodes[n.parent-1].first, &t.nodes[n.parent-1].last
	}
	if *last == 0 {
		*first = id
	} else {
		t.nodes[*last-1].next = id
	}
	*last = id
}

// each calls f for each node of that kind among first and those after it.
func (t *mediaTree) each(first int, kind mediaKind, f func(*mediaNode)) {
	for id := first; id != 0; id = t.nodes[id-1].next {
		if n := &t.nodes[id-1]; n.kind == kind {
			f(n)
		}
	}
}

// inMedia takes in a child of a group or content of Media RSS. gofeed goes by
// its local name alone.
func (f *fastReader) inMedia(g *guard, e *element) { f.openMedia(g, string(e.name.local())) }

// openMedia takes in an element of Media RSS.
func (f *fastReader) openMedia(g *guard, local string) {
	t := &f.entry.media
	switch local {
	case "thumbnail":
		t.add(mediaNode{kind: mediaThumbnail, url: f.lastAttribute(g, "url")})
		f.startLeaf(g, fieldNone)
	case "description":
		t.add(mediaNode{kind: mediaDescription})
		f.startLeaf(g, fieldMediaDescription)
	case "content":
		t.add(mediaNode{
			kind: mediaContent, url: f.lastAttribute(g, "url"), typ: f.lastAttribute(g, "type"),
			medium: f.lastAttribute(g, "medium"), size: f.lastAttribute(g, "fileSize"),
		})
		f.enterMedia()
	case "group":
		if t.open != 0 {
			f.startLeaf(g, fieldNone)
			return
		}
		t.add(mediaNode{kind: mediaGroup})
		f.enterMedia()
	default:
		f.startLeaf(g, fieldNone)
	}
}

func (f *fastReader) enterMedia() {
	f.entry.media.open = len(f.entry.media.nodes)
	f.enter(scopeMedia)
}

// closeMedia ends the open node.
func (t *mediaTree) closeMedia() { t.open = t.nodes[t.open-1].parent }

// A mediaFinds is what converter's media is.
type mediaFinds struct {
	image       []byte
	description []byte
	files       []*mediaNode
}

// findMedia looks through the tree as converter's media does.
func (f *fastReader) findMedia() mediaFinds {
	t := &f.entry.media
	m := mediaFinds{files: f.files[:0]}
	f.takeMedia(&m, t.first)
	t.each(t.first, mediaGroup, func(n *mediaNode) { f.takeMedia(&m, n.first) })
	f.files = m.files
	return m
}

func (f *fastReader) takeMedia(m *mediaFinds, first int) {
	t := &f.entry.media
	t.each(first, mediaThumbnail, func(n *mediaNode) {
		if len(m.image) == 0 {
			m.image = n.url
		}
	})
	t.each(first, mediaDescription, func(n *mediaNode) {
		if len(m.description) == 0 {
			m.description = bytes.TrimSpace(n.text)
		}
	})
	t.each(first, mediaContent, func(n *mediaNode) {
		switch isImage := string(n.medium) == "image" || bytes.HasPrefix(n.typ, []byte("image/")); {
		case !isImage:
			m.files = append(m.files, n)
		case len(m.image) == 0:
			m.image = n.url
		}
		f.takeMedia(m, n.first)
	})
}

// illustrate sets the enclosures, the image, and what Media RSS gives where
// nothing else does.
func (f *fastReader) illustrate(it *Item) {
	e := &f.entry
	image := f.image()
	list := f.startEnclosures(len(e.files) + len(e.media.nodes))
	for i := range e.files {
		list = f.appendFile(list, f.fileURL(&e.files[i]), &e.files[i])
	}
	if len(e.media.nodes) > 0 {
		m := f.findMedia()
		if image == "" {
			image = f.keep(m.image)
		}
		if it.Summary == "" && it.Content == "" {
			it.Summary = f.characters(m.description)
		}
		if len(list) == 0 {
			for _, n := range m.files {
				list = f.appendFile(list, f.keep(n.url), &fastFile{kind: n.typ, length: n.size})
			}
		}
	}
	it.Image = strings.TrimSpace(image)
	it.Enclosures = f.endEnclosures(list)
}

// image returns the image that gofeed's translator finds.
func (f *fastReader) image() string {
	e := &f.entry
	if f.format == formatAtom {
		return ""
	}
	if e.itunesImage != "" {
		return e.itunesImage
	}
	for id := e.media.first; id != 0; id = e.media.nodes[id-1].next {
		n := &e.media.nodes[id-1]
		if n.kind == mediaContent && (bytes.Contains(n.typ, []byte("image")) || bytes.Contains(n.medium, []byte("image"))) {
			return f.keep(n.url)
		}
	}
	for i := range e.files {
		if bytes.HasPrefix(e.files[i].kind, []byte("image/")) {
			return f.keep(e.files[i].url)
		}
	}
	return ""
}

// fileURL returns where a file is.
func (f *fastReader) fileURL(file *fastFile) string {
	if f.format == formatAtom {
		return f.absolute(file.base, file.url)
	}
	return f.keep(file.url)
}
