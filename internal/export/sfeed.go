package export

import (
	"bufio"
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"feedmill/internal/store"
)

// sfeed writes what sfeed's programs read (sfeed(5)): nine fields with a tab
// between two, the content with its line feeds, tabs and backslashes escaped, and
// a space for every control character of the others. The feed and its folder are
// the first two categories.
type sfeed struct{ out *bufio.Writer }

func newSfeed(o Options) (Writer, error) { return &sfeed{bufio.NewWriter(o.Out)}, nil }

var sfeedContent = strings.NewReplacer("\\", "\\\\", "\n", "\\n", "\t", "\\t", "\r", "")

func (w *sfeed) Write(it *store.Item) error {
	categories := append([]string{FeedOf(it)}, labels(it)...)
	for i, c := range categories {
		categories[i] = strings.ReplaceAll(c, "|", " ") // which stands between two
	}
	enclosure := ""
	if len(it.Enclosures) > 0 {
		enclosure = it.Enclosures[0].URL
	}
	fields := []string{strconv.FormatInt(DateOf(it).Unix(), 10), it.Title, it.Link, sfeedContent.Replace(body(it)), "html",
		cmp.Or(it.GUID, it.Link, strconv.FormatInt(it.ID, 10)), it.Author, enclosure, strings.Join(categories, "|")}
	for i := range fields {
		fields[i] = oneLine(fields[i])
	}
	_, err := fmt.Fprintln(w.out, strings.Join(fields, "\t"))
	return err
}

func (w *sfeed) Close() error { return w.out.Flush() }

// oneLine returns s with a space for each control character.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
