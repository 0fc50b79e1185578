package origin

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
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

// files returns the names of the files in Options.Dir, sorted, without those
// that begin with a dot. What cannot be read is left out.
func (s *Server) files() []string {
	if s.root == nil {
		return nil
	}
	var names []string
	fs.WalkDir(s.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fs.SkipDir
		case name != "." && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
		case d.Type().IsRegular():
			names = append(names, name)
		}
		return nil
	})
	return names
}

// dirPath returns the path of the URL of a file in Options.Dir.
func dirPath(name string) string { return (&url.URL{Path: "/dir/" + name}).EscapedPath() }

// serveFile answers /dir/NAME with the bytes of that file, read anew each
// time, so that a file which was changed is seen.
func (s *Server) serveFile(w http.ResponseWriter, r *http.Request) {
	if s.root == nil {
		http.NotFound(w, r)
		return
	}
	k, err := s.parseKnobs(r.URL.RawQuery)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	name := r.PathValue("name")
	rep, err := s.readFile(name)
	if errors.Is(err, errNotServed) {
		http.NotFound(w, r)
		return
	} else if err != nil {
		// The name alone: where the folder is, is no business of a client.
		http.Error(w, "cannot read "+path.Base(name), http.StatusInternalServerError)
		return
	}
	rep.latency = k.latency
	rep.etag = k.validators
	s.answer(w, r, rep, k.choose(r.Header))
}

// errNotServed says that there is no such file in the folder, or none that
// could be served.
var errNotServed = errors.New("no such regular file")

// readFile reads a file below the folder; os.Root keeps it there.
func (s *Server) readFile(name string) (representation, error) {
	// Stat comes first: to open a named pipe would wait for its writer.
	info, err := s.root.Stat(name)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxFile {
		return representation{}, errNotServed
	}
	f, err := s.root.Open(name)
	if err != nil {
		return representation{}, fmt.Errorf("open served file: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		return representation{}, fmt.Errorf("read served file: %w", err)
	}
	sum := sha256.Sum256(data)
	contentType := fileTypes[strings.ToLower(path.Ext(name))]
	if contentType == "" {
		contentType = "application/octet-stream"
	}
	return representation{
		contentType: contentType,
		tag:         hex.EncodeToString(sum[:8]),
		body:        func(b []byte) []byte { return append(b, data...) },
	}, nil
}
