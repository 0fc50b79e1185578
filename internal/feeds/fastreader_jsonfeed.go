package feeds

import jsonfeed "github.com/mmcdole/gofeed/json"

// The objects of JSON Feed 1.0 and 1.1. Members that nothing is made of are
// read all the same: gofeed must have a look when they have another type.

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

func (r *jsonReader) items() []*jsonfeed.Item {
	if r.null() {
		return nil
	}
	items := []*jsonfeed.Item{}
	r.list(func() {
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
			r.text(&it.ID)
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

func (r *jsonReader) author() *jsonfeed.Author {
	if r.null() {
		return nil
	}
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
	if r.null() {
		return nil
	}
	list := []*jsonfeed.Author{} // not nil: an empty list hides a lone author
	r.list(func() {
		a := r.author()
		if a == nil {
			r.giveUp()
		}
		list = append(list, a)
	})
	return list
}

func (r *jsonReader) tags() []string {
	if r.null() {
		return nil
	}
	list := []string{}
	r.list(func() { list = append(list, r.string()) })
	return list
}

func (r *jsonReader) attachments() *[]jsonfeed.Attachments {
	if r.null() {
		return nil
	}
	list := []jsonfeed.Attachments{}
	r.list(func() {
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
