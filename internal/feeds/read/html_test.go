package read

import (
	"bytes"
	"fmt"
	"html"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	xhtml "golang.org/x/net/html"
)

// theirTags returns the start tags of text by x/net/html: where each ends, its name
// and its attributes.
func theirTags(text string) (tags []string) {
	z, at := xhtml.NewTokenizer(strings.NewReader(text)), 0
	for kind := z.Next(); kind != xhtml.ErrorToken; kind = z.Next() {
		at += len(z.Raw())
		if kind != xhtml.StartTagToken && kind != xhtml.SelfClosingTagToken {
			continue
		}
		if raw := text[at-len(z.Raw()) : at]; len(raw) > 9 && strings.EqualFold(raw[:9], "<noscript") {
			z.NextIsNotRawText()
		}
		name, more := z.TagName()
		tag := fmt.Sprintf("%d %s", at, name)
		for more {
			var key, value []byte
			key, value, more = z.TagAttr()
			tag += fmt.Sprintf(" %s=%q", key, value)
		}
		tags = append(tags, tag)
	}
	return tags
}

// ourTags is theirTags by htmlTags.
func ourTags(text string) (tags []string) {
	h := htmlTags{text: []byte(text)}
	for h.next() {
		var keys []string
		tag := " " + asciiLower(h.name)
		for h.attribute() {
			if key := asciiLower(h.key); !slices.Contains(keys, key) {
				keys = append(keys, key)
				value := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(h.value))
				tag += fmt.Sprintf(" %s=%q", key, html.UnescapeString(value))
			}
		}
		if !h.cut {
			tags = append(tags, fmt.Sprint(h.pos)+tag)
		}
	}
	return tags
}

func asciiLower(b []byte) string {
	return string(bytes.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, b))
}

// sameTags fails if the two find other tags in text.
func sameTags(t *testing.T, text string) {
	t.Helper()
	if ours, theirs := ourTags(text), theirTags(text); !slices.Equal(ours, theirs) {
		t.Errorf("%q: tags %q, by x/net/html %q", text, ours, theirs)
	}
}

// nested is a script within a comment within a script, of which htmlTags knows nothing.
var nested = regexp.MustCompile(`(?is)<script.*<!--.*<script`)

// TestTagsAreWhereABrowserSeesThem compares with x/net/html on pieces put together at
// random.
func TestTagsAreWhereABrowserSeesThem(t *testing.T) {
	pieces := []string{"<a", "<A ", "<img", "</a", "</script", "<script", "<style>", "</style ", "<title>", "</TITLE>", "<textarea", "<plaintext>",
		"<!--", "-->", "--!>", "<!-->", "-", "!", "<!", "<![CDATA[", "]]>", "<?", "</", "<", ">", "/>", "/", "=", " ", "\n", "\"", "'", "href", "src=", "href=x", "x", "é", "&amp;", "<noscript>", "</noscript>", "<xmp>"}
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 50_000 {
		var b strings.Builder
		for range 1 + rng.IntN(14) {
			b.WriteString(pieces[rng.IntN(len(pieces))])
		}
		text := b.String()
		if nested.MatchString(text) {
			continue
		}
		if sameTags(t, text); t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
