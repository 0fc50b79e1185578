package export

import (
	"bufio"
	"html/template"
	"net/url"
	"regexp"
	"sync"

	"github.com/microcosm-cc/bluemonday"

	"feedmill/internal/store"
)

// textPolicy and imagePolicy are made when a page is, and not whenever a program
// starts. A policy is slow to make, and may be used by several at once.
var (
	textPolicy  = sync.OnceValue(func() *bluemonday.Policy { return policy(false) })
	imagePolicy = sync.OnceValue(func() *bluemonday.Policy { return policy(true) })
)

// Rejected: a lighter sanitiser. bluemonday's tables, most of them for CSS that is not
// used, take every command 3 ms (GODEBUG=inittrace=1); what does without them has a
// tokenizer of its own, and sees another page than browsers do.

// policy is what is left of feeds' HTML on a page: text, lists, tables and links that
// leave nothing behind; images, too, if they are wanted.
func policy(images bool) *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements("p", "br", "hr", "b", "i", "em", "strong", "u", "s", "del", "ins", "sub", "sup", "small", "mark", "abbr", "cite", "q",
		"code", "pre", "kbd", "samp", "var", "blockquote", "ul", "ol", "li", "dl", "dt", "dd", "h1", "h2", "h3", "h4", "h5", "h6",
		"table", "thead", "tbody", "tfoot", "tr", "th", "td", "caption", "figure", "figcaption", "details", "summary", "time", "div", "span")
	p.AllowAttrs("href").OnElements("a")
	p.AllowAttrs("colspan", "rowspan").Matching(regexp.MustCompile(`^[0-9]{1,3}$`)).OnElements("td", "th")
	p.AllowStandardURLs()
	p.AllowRelativeURLs(false)
	p.AllowURLSchemes("http", "https", "mailto")
	p.RequireNoReferrerOnLinks(true)
	p.RequireNoFollowOnLinks(true)
	if images {
		p.AllowAttrs("src", "alt", "title").OnElements("img")
		p.AllowAttrs("width", "height").Matching(regexp.MustCompile(`^[0-9]{1,4}$`)).OnElements("img")
	}
	return p
}

// Clean returns what an item says as HTML that a page may show: no script, no
// style, no form, nothing that loads anything by itself but images, if those are
// wanted.
func Clean(it *store.Item, images bool) template.HTML {
	policy := textPolicy
	if images {
		policy = imagePolicy
	}
	return template.HTML(policy().Sanitize(body(it)))
}

// SafeLink returns an item's link if a page may lead there, else nothing.
func SafeLink(it *store.Item) string {
	if u, err := url.Parse(it.Link); err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" {
		return it.Link
	}
	return ""
}

// A page writes one page of HTML that needs nothing else.
type page struct {
	out    *bufio.Writer
	images bool
}

func newPage(o Options) (Writer, error) {
	w := page{bufio.NewWriter(o.Out), o.Images}
	return w, pageParts().ExecuteTemplate(w.out, "head", o)
}

var pageParts = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("").Parse(`{{define "head"}}<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{{.Title}}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'{{if .Images}}; img-src http: https:{{end}}">
<style>
:root { color-scheme: light dark }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 44rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere }
article { border-top: 1px solid #8886; padding: .5rem 0 }
h2 { font-size: 1.1rem; margin: .5rem 0 } p.from { opacity: .75; font-size: .85rem; margin: 0 }
img { max-width: 100%; height: auto } pre { overflow-x: auto } table { display: block; overflow-x: auto }
</style></head><body><h1>{{.Title}}</h1>
{{end}}{{define "item"}}<article id="i{{.ID}}"><h2>{{if .Link}}<a href="{{.Link}}">{{.Title}}</a>{{else}}{{.Title}}{{end}}</h2>
<p class="from">{{.Feed}}{{with .Folder}} · {{.}}{{end}}{{with .Author}} · {{.}}{{end}} · <time datetime="{{.Date}}">{{.Day}}</time></p>
<div>{{.Body}}</div></article>
{{end}}{{define "tail"}}</body></html>
{{end}}`))
})

func (w page) Write(it *store.Item) error {
	at := DateOf(it)
	return pageParts().ExecuteTemplate(w.out, "item", map[string]any{
		"ID": it.ID, "Link": SafeLink(it), "Title": TitleOf(it), "Feed": FeedOf(it), "Folder": folder(it), "Author": it.Author,
		"Date": at.Format("2006-01-02T15:04:05Z"), "Day": at.Format("2 January 2006"), "Body": Clean(it, w.images),
	})
}

func (w page) Close() error {
	if err := pageParts().ExecuteTemplate(w.out, "tail", nil); err != nil {
		return err
	}
	return w.out.Flush()
}
