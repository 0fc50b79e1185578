package feeds

import (
	"strings"

	jsonfeed "github.com/mmcdole/gofeed/json"
)

// The objects of JSON Feed 1.0 and 1.1. Members that nothing is made of are
// read all the same, since a wrong type of theirs has all types repaired.

func (r *jsonReader) feed(f *jsonfeed.Feed) {
	var unused string
	r.object(func(key string) int {
		switch key {
		case "version":
			r.text(&f.Version)
			return 0
		case "title":
			r.text(&f.Title)
			return 1
		case "home_page_url":
			r.text(&f.HomePageURL)
			return 2
		case "feed_url":
			r.text(&f.FeedURL)
			return 3
		case "description":
			r.text(&f.Description)
			return 4
		case "user_comment":
			r.text(&unused)
			return 5
		case "next_url":
			r.text(&unused)
			return 6
		case "icon":
			r.text(&f.Icon)
			return 7
		case "favicon":
			r.text(&unused)
			return 8
		case "language":
			r.text(&f.Language)
			return 9
		case "author":
			f.Author = r.author()
			return 10
		case "authors":
			f.Authors = r.authors()
			return 11
		case "expired":
			r.skip() // of any type
			return 12
		case "items":
			f.Items = r.items()
			return 13
		}
		return -1
	})
}

// oneOrMore calls element for each element of a list, or for the value that is
// there instead of a list. It reports false when that is null.
func (r *jsonReader) oneOrMore(element func()) bool {
	switch r.kind() {
	case 'n':
		r.skip()
		return false
	case '[':
		r.list(element)
	default:
		r.repaired = true
		element()
	}
	return true
}

func (r *jsonReader) items() []*jsonfeed.Item {
	var items []*jsonfeed.Item
	r.oneOrMore(func() {
		if r.kind() != '{' {
			r.drop()
			return
		}
		it := new(jsonfeed.Item)
		r.item(it)
		items = append(items, it)
	})
	return items
}

func (r *jsonReader) item(it *jsonfeed.Item) {
	r.object(func(key string) int {
		switch key {
		case "id":
			r.id(&it.ID)
			return 0
		case "url":
			r.text(&it.URL)
			return 1
		case "external_url":
			r.text(&it.ExternalURL)
			return 2
		case "title":
			r.text(&it.Title)
			return 3
		case "content_html":
			r.text(&it.ContentHTML)
			return 4
		case "content_text":
			r.text(&it.ContentText)
			return 5
		case "summary":
			r.text(&it.Summary)
			return 6
		case "image":
			r.text(&it.Image)
			return 7
		case "banner_image":
			r.text(&it.BannerImage)
			return 8
		case "date_published":
			r.text(&it.DatePublished)
			return 9
		case "date_modified":
			r.text(&it.DateModified)
			return 10
		case "language":
			r.text(&it.Language)
			return 11
		case "author":
			it.Author = r.author()
			return 12
		case "authors":
			it.Authors = r.authors()
			return 13
		case "tags":
			it.Tags = r.tags()
			return 14
		case "attachments":
			it.Attachments = r.attachments()
			return 15
		}
		return -1
	})
}

// author reads an author: an object, the first of a list, or a name.
func (r *jsonReader) author() *jsonfeed.Author {
	switch r.kind() {
	case '{':
		return r.person()
	case '"':
		r.repaired = true
		return &jsonfeed.Author{Name: strings.TrimSpace(r.string())}
	case '[':
		r.repaired = true
		var a *jsonfeed.Author
		first := true
		r.list(func() {
			if first && r.kind() == '{' {
				a = r.person()
			} else {
				r.skip()
			}
			first = false
		})
		return a
	}
	r.drop()
	return nil
}

func (r *jsonReader) person() *jsonfeed.Author {
	a := new(jsonfeed.Author)
	r.object(func(key string) int {
		switch key {
		case "name":
			r.text(&a.Name)
			return 0
		case "url":
			r.text(&a.URL)
			return 1
		case "avatar":
			r.text(&a.Avatar)
			return 2
		}
		return -1
	})
	return a
}

func (r *jsonReader) authors() []*jsonfeed.Author {
	list := []*jsonfeed.Author{} // not nil: an empty list hides a lone author
	there := r.oneOrMore(func() {
		if a := r.author(); a != nil {
			list = append(list, a)
		}
	})
	if !there {
		return nil
	}
	return list
}

// withoutEmptyLists removes lists of no authors, as repairJSON does.
func withoutEmptyLists(f *jsonfeed.Feed) {
	if len(f.Authors) == 0 {
		f.Authors = nil
	}
	for _, it := range f.Items {
		if len(it.Authors) == 0 {
			it.Authors = nil
		}
	}
}

func (r *jsonReader) tags() (list []string) {
	r.oneOrMore(func() {
		switch r.kind() {
		case '{', '[', 'n':
			r.drop()
		default:
			var s string
			r.text(&s)
			list = append(list, s)
		}
	})
	return list
}

func (r *jsonReader) attachments() *[]jsonfeed.Attachments {
	var list []jsonfeed.Attachments
	r.oneOrMore(func() {
		if r.kind() != '{' {
			r.drop()
			return
		}
		var a jsonfeed.Attachments
		r.object(func(key string) int {
			switch key {
			case "url":
				r.text(&a.URL)
				return 0
			case "mime_type":
				r.text(&a.MimeType)
				return 1
			case "title":
				r.text(&a.Title)
				return 2
			case "size_in_bytes":
				r.integer(&a.SizeInBytes)
				return 3
			case "duration_in_seconds":
				r.integer(&a.DurationInSeconds)
				return 4
			}
			return -1
		})
		list = append(list, a)
	})
	return &list
}
