package origin

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"strings"
)

// maxFile is the most bytes of one file that are served.
const maxFile = 256 << 20

// fileTypes are the content types of served files. Whatever is not here is
// application/octet-stream, so that nothing depends on the machine's own list.
var fileTypes = map[string]string{
	".rss":  "application/rss+xml",
	".atom": "application/atom+xml",
	".rdf":  "application/rdf+xml",
	".json": "application/feed+json",
	".xml":  "text/xml",
	".html": "text/html",
	".txt":  "text/plain",
	".opml": "text/x-opml",
}

// A folder is Options.Dir, whose files are served; its root is nil when there
// is none.
type folder struct{ root *os.Root }

// files returns the names of its files, sorted, without those that begin with a
// dot. What cannot be read is left out.
func (d folder) files() []string {
	if d.root == nil {
		return nil
	}
	var names []string
	fs.WalkDir(d.root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fs.SkipDir
		case name != "." && strings.HasPrefix(e.Name(), "."):
			if e.IsDir() {
				return fs.SkipDir
			}
		case e.Type().IsRegular():
			names = append(names, name)
		}
		return nil
	})
	return names
}

// dirPath returns the path of the URL of a file in Options.Dir.
func dirPath(name string) string { return (&url.URL{Path: "/dir/" + name}).EscapedPath() }

// errNotServed says that there is no such file in the folder, or none that
// could be served.
var errNotServed = errors.New("no such regular file")

// readFile reads a file below the folder; os.Root keeps it there.
func (d folder) readFile(name string) (representation, error) {
	// Stat comes first: to open a named pipe would wait for its writer.
	info, err := d.root.Stat(name)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxFile {
		return representation{}, errNotServed
	}
	f, err := d.root.Open(name)
	if err != nil {
		return representation{}, fmt.Errorf("open served file: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		return representation{}, fmt.Errorf("read served file: %w", err)
	}
	sum := sha256.Sum256(data)
	return representation{
		contentType: cmp.Or(fileTypes[strings.ToLower(path.Ext(name))], "application/octet-stream"),
		tag:         hex.EncodeToString(sum[:8]),
		body:        func(b []byte) []byte { return append(b, data...) },
	}, nil
}
