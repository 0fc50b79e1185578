// Package page makes a static site of items: by day, by folder and by feed, with an
// Atom feed and an OPML file beside. It needs no server and runs no script. It
// refuses to touch a file that it has not made: a folder that has something else in
// it is left alone.
package page

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"feedmill/internal/export"
	"feedmill/internal/store"
)

// Options say how a site is made. The zero value of each field means its default.
type Options struct {
	Title  string         // default "feedmill"
	Self   string         // the URL at which the site will be found; its Atom feed names it
	Images bool           // pages may load images from where items have them
	Zone   *time.Location // in which a day is a day; default UTC
}

// A Made says what became of the files of a site.
type Made struct{ Written, Kept, Removed int }

// manifest is the file that names all files of a site, each on a line.
const manifest = ".feedmill-page"

// newest is how many items the first page and the Atom feed have at most.
const newest = 100

//go:embed site.html
var source embed.FS

// site is not parsed by programs that make none.
var site = sync.OnceValue(func() *template.Template { return template.Must(template.ParseFS(source, "site.html")) })

// A ForeignError says that a folder holds something else than a site that Write
// has made.
type ForeignError struct{ Dir, Name string }

func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s has %s in it, which is not of a page made before", e.Dir, e.Name)
}

// Write makes the site of items, the newest first, in dir, which is made when it is
// not there; opml writes the list of all subscribed feeds. Files that would say what
// they say already are left as they are, and those of an earlier site that this one
// does not have are removed. It returns a *ForeignError, and has done nothing, when
// there is another file. An error of opml is returned as it is.
func Write(dir string, items []store.Item, opml func(io.Writer) error, o Options) (Made, error) {
	o.Title = cmp.Or(o.Title, "feedmill")
	o.Zone = cmp.Or(o.Zone, time.UTC)
	before, err := known(dir)
	if err != nil {
		return Made{}, err
	}
	s := &maker{o: o, items: items}
	s.group()
	s.plan(opml)
	return s.save(dir, before)
}

// known returns the files of the site that is in dir.
func known(dir string) (names []string, err error) {
	b, err := os.ReadFile(filepath.Join(dir, manifest))
	if err == nil {
		for name := range strings.Lines(string(b)) {
			if name = strings.TrimSpace(name); filepath.IsLocal(name) {
				names = append(names, name)
			}
		}
		return names, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	there, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if len(there) > 0 {
		return nil, &ForeignError{dir, there[0].Name()}
	}
	return nil, nil
}

// A maker makes the files of one site.
type maker struct {
	o                    Options
	items                []store.Item
	days, folders, feeds []group
	files                map[string]func(io.Writer) error // that write them
}

// A group is items that have a page of their own.
type group struct {
	Name, Short, File string
	Items             []*store.Item
}

// plan says which files there are. One after the other is made, when it is written:
// a site is larger than its items, and a list of feeds may be larger still.
func (s *maker) plan(opml func(io.Writer) error) {
	latest := make([]*store.Item, min(len(s.items), newest))
	for i := range latest {
		latest[i] = &s.items[i]
	}
	s.files = map[string]func(io.Writer) error{
		"index.html": func(w io.Writer) error { return s.page(w, "index.html", "What is new", latest) },
		"atom.xml":   func(w io.Writer) error { return s.atom(w, latest) },
		"feeds.opml": opml,
	}
	for _, g := range slices.Concat(s.days, s.folders, s.feeds) {
		s.files[g.File] = func(w io.Writer) error { return s.page(w, g.File, g.Name, g.Items) }
	}
}

// atom writes the Atom feed.
func (s *maker) atom(out io.Writer, items []*store.Item) error {
	o := export.Options{Out: out, Title: s.o.Title, Updated: time.Unix(0, 0)}
	if len(items) > 0 {
		o.Updated = items[0].FirstSeen
	}
	if s.o.Self != "" {
		o.Self = strings.TrimSuffix(s.o.Self, "/") + "/atom.xml"
	}
	w, err := export.New("atom", o)
	for _, it := range items {
		if err == nil {
			err = w.Write(it)
		}
	}
	if err != nil {
		return err
	}
	return w.Close()
}

// group sorts the items into days, folders and feeds.
func (s *maker) group() {
	days, folders, feeds := grouping{at: make(map[string]int)}, grouping{at: make(map[string]int)}, grouping{at: make(map[string]int)}
	for i := range s.items {
		it := &s.items[i]
		day := it.FirstSeen.In(s.o.Zone)
		days.add(group{Name: day.Format(dayName), Short: day.Format("Mon 2 Jan"), File: "day/" + day.Format(time.DateOnly) + ".html"}, it)
		for _, path := range export.Folders(it) {
			folders.add(group{Name: path, File: folderFile(path)}, it)
		}
		feeds.add(group{Name: export.FeedOf(it), File: feedFile(it.FeedID)}, it)
	}
	byName := func(a, b group) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(a.File, b.File))
	}
	s.days, s.folders, s.feeds = days.groups, folders.groups, feeds.groups
	slices.SortFunc(s.folders, byName)
	slices.SortFunc(s.feeds, byName)
}

// A grouping is groups by their file, in the order in which they first came.
type grouping struct {
	groups []group
	at     map[string]int
}

func (g *grouping) add(to group, it *store.Item) {
	i, there := g.at[to.File]
	if !there {
		i = len(g.groups)
		g.at[to.File], g.groups = i, append(g.groups, to)
	}
	g.groups[i].Items = append(g.groups[i].Items, it)
}

const dayName = "Monday, 2 January 2006"

func feedFile(id int64) string        { return fmt.Sprintf("feed/%d.html", id) }
func folderFile(folder string) string { return "folder/" + slug(folder) + ".html" }

// slug returns a file's name for a folder, which no other folder has.
func slug(name string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	short := strings.Join(words, "-")
	sum := sha256.Sum256([]byte(name))
	return fmt.Sprintf("%s-%x", short[:min(len(short), 40)], sum[:4])
}

// A link leads to a page of the site.
type link struct{ Name, File string }

// An entry is an item on a page.
type entry struct {
	ID                                  int64
	Title, Link, Feed, FeedFile, Author string
	Folders                             []link
	Date, Day                           string
	Body                                template.HTML
	Files                               []string
}

// page writes one page. The first one alone lists all feeds: on each of them a list
// that grows with the feeds would make the site grow with their square.
func (s *maker) page(w io.Writer, file, heading string, items []*store.Item) error {
	root := ""
	if strings.Contains(file, "/") {
		root = "../"
	}
	type day struct {
		Name  string
		Items []entry
	}
	var days []day
	for _, it := range items {
		name := it.FirstSeen.In(s.o.Zone).Format(dayName)
		if len(days) == 0 || days[len(days)-1].Name != name {
			days = append(days, day{Name: name})
		}
		d := &days[len(days)-1]
		d.Items = append(d.Items, s.entry(it))
	}
	return site().ExecuteTemplate(w, "page", map[string]any{
		"Title": s.o.Title, "Heading": heading, "Root": root, "File": file, "Days": days, "AllDays": s.days, "Folders": s.folders, "Feeds": s.feeds, "Images": s.o.Images,
	})
}

func (s *maker) entry(it *store.Item) entry {
	at := export.DateOf(it)
	e := entry{
		ID: it.ID, Title: export.TitleOf(it), Link: export.SafeLink(it), Feed: export.FeedOf(it), FeedFile: feedFile(it.FeedID),
		Author: it.Author, Date: at.Format(time.RFC3339), Day: at.In(s.o.Zone).Format("2 Jan 2006"), Body: export.Clean(it, s.o.Images),
	}
	for _, path := range export.Folders(it) {
		e.Folders = append(e.Folders, link{path, folderFile(path)})
	}
	for _, f := range it.Enclosures {
		if strings.HasPrefix(f.URL, "https://") || strings.HasPrefix(f.URL, "http://") {
			e.Files = append(e.Files, f.URL)
		}
	}
	return e
}

// save writes what has changed and removes what is no longer there. The manifest
// goes first, with the files of both sites, so that a site that was cut off is
// known as one.
func (s *maker) save(dir string, before []string) (m Made, err error) {
	names := slices.Sorted(maps.Keys(s.files))
	both := slices.Concat(names, before)
	slices.Sort(both)
	if _, err := replace(filepath.Join(dir, manifest), lines(slices.Compact(both))); err != nil {
		return m, err
	}
	for _, name := range names {
		changed, err := replace(filepath.Join(dir, filepath.FromSlash(name)), s.files[name])
		if err != nil {
			return m, err
		}
		if changed {
			m.Written++
		} else {
			m.Kept++
		}
	}
	for _, name := range before {
		if s.files[name] != nil {
			continue
		}
		if err := os.Remove(filepath.Join(dir, filepath.FromSlash(name))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return m, fmt.Errorf("write page: %w", err)
		}
		m.Removed++
	}
	_, err = replace(filepath.Join(dir, manifest), lines(names))
	return m, err
}

// lines returns what writes names, each on a line.
func lines(names []string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, strings.Join(names, "\n")+"\n")
		return err
	}
}

// replace makes a file what write writes, as a whole, so that a server never shows
// half of one, and reports whether it was something else.
func replace(path string, write func(io.Writer) error) (changed bool, err error) {
	tmp := path + ".new"
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return false, fmt.Errorf("write page: %w", err)
	}
	f, err := os.Create(tmp)
	if err != nil {
		return false, fmt.Errorf("write page: %w", err)
	}
	defer os.Remove(tmp) // unless it is renamed
	out := bufio.NewWriter(f)
	unmade := write(out)
	err = errors.Join(out.Flush(), f.Close()) // of the disk, and then the cause of the other
	if err == nil && unmade != nil {
		return false, unmade
	}
	if err == nil && !bytes.Equal(digest(path), digest(tmp)) {
		changed, err = true, os.Rename(tmp, path)
	}
	if err != nil {
		return false, fmt.Errorf("write page: %w", err)
	}
	return changed, nil
}

// digest returns what tells a file from others; nil when it cannot be read.
func digest(path string) []byte {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return nil
	}
	return h.Sum(nil)
}
