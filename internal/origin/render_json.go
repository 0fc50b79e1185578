package origin

import "strconv"

func (g *generator) renderJSON(b []byte, v view) []byte {
	home := home(v.number)
	d := dice(mix(g.seed, 7, uint64(v.number)))
	b = append(b, "{\n\"version\": \"https://jsonfeed.org/version/1.1\",\n\"title\": \""...)
	b = append(appendTitle(b, &d), "\",\n\"description\": \""...)
	b = append(appendTitle(b, &d), "\",\n\"home_page_url\": \""...)
	b = append(append(b, home...), "/\",\n\"items\": ["...)
	for i := range v.items {
		if i > 0 {
			b = append(b, ',')
		}
		e := g.entry(v, home, i)
		b = g.jsonItem(b, &e)
	}
	return append(b, "\n]\n}\n"...)
}

func (g *generator) jsonItem(b []byte, e *entry) []byte {
	end := len(b) + e.bytes
	b = append(e.id(append(b, "\n{\"id\": \""...)), "\",\n\"url\": \""...)
	b = append(e.link(b), "\",\n\"title\": \""...)
	b = append(appendTitle(b, &e.draw), "\",\n\"date_published\": \""...)
	b = append(isoDate(b, e.at), "\",\n"...)
	if e.rich {
		b = append(append(append(b, `"authors": [{"name": "`...), e.author...), "\"}],\n\"tags\": [\""...)
		b = append(b, e.topics[0]...)
		if e.topics[1] != "" {
			b = append(append(b, `", "`...), e.topics[1]...)
		}
		b = append(appendTitle(append(b, "\"],\n\"summary\": \""...), &e.draw), "\",\n"...)
	}
	if e.audio {
		b = e.media(append(b, `"attachments": [{"url": "`...))
		b = strconv.AppendInt(append(b, `", "mime_type": "audio/mpeg", "size_in_bytes": `...), e.serial*7, 10)
		b = append(b, "}],\n"...)
	}
	b = g.content(append(b, `"content_html": "`...), e, end-len("\"}"), inString)
	return append(b, "\"}"...)
}
