package feeds

import (
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// htmlSeeds are pieces of HTML, most of which the parser of HTML changes.
var htmlSeeds = []string{
	"plain 'text' & \"more\" < 3 <3 a<", "  <p>x</p> y ", " \n&#32;x", "<p>One<br>two<br/>three<hr>", "<p>a<p>b", "<div><p>a</div>", "<ul><li>a<li>b</ul>",
	"<ul><li>a</li>\n<li><p>b</p></li></ul>", "<ol><li><ul><li>x</li></ul></li></ol>", "<li>x</li>", "<dl><dt>a</dt><dd>b</dd></dl>", "<dl><dt>a<dd>b</dl>",
	"<a href='x?a=1&b=2&amp;c'>y</a>", "<a title=\"b\" href=\"/a\" HREF=c id=d>y</a>", "<a href='1'><a href='2'>x</a></a>", "<b><i>x</b></i>", "<b><b><b><b><b>x</b></b></b></b></b>y",
	"<b><p>x</b>y</p>", "<em class='z' id='a'>x</em>", "<span class='z' id='a'>x</span>", "<pre>\nx</pre>", "<pre>x\n</pre>", "<pre><code>\nx</code></pre>", "<h1>x<h2>y</h2></h1>", "<h2>x</h2>",
	"<img src=a.png alt='x'>", "<img src='a.png' alt/>", "<IMG SRC='a.png'>", "<img src='//h/a&copy=2'>", "<img src='a b'>", "<iframe src='x'></iframe>", "<iframe src='x'>y</iframe>", "<iframe>",
	"&rsquo;&rsquo x&notit; &#39 &#x27; &#0; &nGt; &amp;lt; &unknown; &", "x\r\ny\rz", "<table><tr><td>x</table>", "<script>x</script>", "<!-- c --><p>x</p>", "<p>x<!-- c --></p>", "<svg><p>x</p></svg>",
	"<p/>x", "</p>x", "<p>x</p", "<p", "<p x='", "<x:y>z</x:y>", "<p:a>", "<p>x</P >", "<p>x</p y>", "<div><div>x</div></div>", "<div>x</div><div>y</div>", " <div class='c'> x <p>y</p> </div> ", "<div>x</div>y",
	"<blockquote cite='q'><p>x</p></blockquote>", "<video src='v' poster='p'><source src='s'></video>", "<figure><img src='i'><figcaption>c</figcaption></figure>", "<div", "<div>x", "<p><span><div>x</div></span></p>",
}

// FuzzRenderer promises that what is rendered without a tree is what the parser
// and the renderer of golang.org/x/net/html make of it.
func FuzzRenderer(f *testing.F) {
	for _, s := range htmlSeeds {
		f.Add(s)
	}
	base, err := url.Parse("https://b.example/d/e?f")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var r fastReader
		if got, want := string(r.unwrap([]byte(s))), unwrapDiv(s); got != want {
			t.Fatalf("%q without its div: got %q, want %q", s, got, want)
		}
		if got, want := r.resolve(base, []byte(s)), resolveHTML(base, s); got != want {
			t.Fatalf("%q: got %q, want %q", s, got, want)
		}
	})
}

// TestRendererKnowsCommonMarkup holds which of the seeds need no tree.
func TestRendererKnowsCommonMarkup(t *testing.T) {
	for s, want := range map[string]bool{
		"plain 'text' & \"more\"": true, "<p>One<br>two</p>\n<p>three": true, "<ul><li>a</li>\n<li><p>b</p></li></ul>": true, "<a href='x?a=1&b=2' rel='y'>z</a>": true,
		"<div class='c'><h2>x</h2><pre><code>y</code></pre><hr/></div>": true, "<iframe src='x'></iframe>": true, "<b><i>x</i></b>&nbsp;&rsquo;": true,
		"<p>a<p>b": false, "<ul><li>a<li>b</ul>": false, "<b><p>x</b></p>": false, "<table></table>": false, "<!-- c -->": false, "<pre>\nx</pre>": false, "<a><a></a></a>": false,
	} {
		var r renderer
		if got := r.render([]byte(s)); got != want {
			t.Errorf("%q: got %v, want %v", s, got, want)
		}
	}
}

// TestRendererOnRandomMarkup holds it against the parser on markup that is put
// together at random, nested properly for the most part.
func TestRendererOnRandomMarkup(t *testing.T) {
	base, err := url.Parse("https://b.example/d/")
	if err != nil {
		t.Fatal(err)
	}
	names := slices.Sorted(maps.Keys(knownTags))
	texts := []string{"x", " ", "\n", "&amp;", "&lt;b&gt;", "'\"", "é&nbsp;", "<3 "}
	attrs := []string{"", "", "", " href='a/b?c=1&d=2'", ` src="//h/x" class="k" alt`, " b=1", " title='&quot;' Title=''"}
	const rounds = 4_000
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	pick := func(list []string) string { return list[random.IntN(len(list))] }
	rendered := 0
	for range rounds {
		var b strings.Builder
		var open []string
		for range 1 + random.IntN(12) {
			switch random.IntN(8) {
			case 0, 1:
				b.WriteString(pick(texts))
			case 2, 3, 4:
				if len(open) > 0 {
					b.WriteString("</" + open[len(open)-1] + ">")
					open = open[:len(open)-1]
				}
			case 5:
				if random.IntN(6) == 0 {
					b.WriteString("</" + pick(names) + ">")
				}
			default:
				name := pick(names)
				b.WriteString("<" + name + pick(attrs) + ">")
				if k := knownTags[name].kind; k != tagVoid && k != tagRule {
					open = append(open, name)
				}
			}
		}
		s := b.String()
		var r fastReader
		if got, want := string(r.unwrap([]byte(s))), unwrapDiv(s); got != want {
			t.Fatalf("seed %d: %q without its div: got %q, want %q", seed, s, got, want)
		}
		if got, want := r.resolve(base, []byte(s)), resolveHTML(base, s); got != want {
			t.Fatalf("seed %d: %q: got %q, want %q", seed, s, got, want)
		}
		if r.renderer.reset(base); r.renderer.render([]byte(s)) {
			rendered++
		}
	}
	if rendered < rounds/10 {
		t.Errorf("%d of %d rendered without a tree, want at least a tenth", rendered, rounds)
	}
}
