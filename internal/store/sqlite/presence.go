package sqlite

import (
	"errors"
	"io/fs"
	"os"
	"strconv"

	"zombiezen.com/go/sqlite"

	"feedmill/internal/store"
)

// A presence knows a store's file and its log, and sees when either is no longer
// what it was. To SQLite a file that was deleted, moved or replaced is as good as
// any: it goes on to write there, and all of it is gone with the last program that
// has the file open.
//
// Only names are looked at. To open the file, or the memory beside the log, and
// close it again would drop SQLite's locks on it.
type presence struct {
	path      string
	file, log fs.FileInfo // log is nil until something was committed
}

// see remembers the file at path, which is open by now.
func (p *presence) see(path string) (err error) {
	p.path = path
	p.file, err = os.Stat(path)
	return err
}

// check returns a *store.GoneError when the file or its log is gone or was cut. c
// has them open.
func (p *presence) check(c *sqlite.Conn) error {
	file, err := p.still(p.path, p.file)
	if err == nil && file.Size() < p.file.Size() {
		err = p.fileCut(c, file.Size())
	}
	if err != nil || p.log == nil {
		return err
	}
	log, err := p.still(p.path+"-wal", p.log)
	if err == nil && log.Size() < p.log.Size() {
		err = p.logCut(c, log.Size())
	}
	return err
}

// committed looks whether the files are those that they were, after a commit, and
// remembers them as that has left them.
func (p *presence) committed() (err error) {
	if p.file, err = p.still(p.path, p.file); err == nil {
		p.log, err = p.still(p.path+"-wal", p.log)
	}
	return err
}

// still returns what is at path. That must be what was there, if that is known.
func (p *presence) still(path string, was fs.FileInfo) (fs.FileInfo, error) {
	is, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &store.GoneError{Path: path, What: "deleted or moved"}
	case err == nil && was != nil && !os.SameFile(is, was):
		return nil, &store.GoneError{Path: path, What: "replaced by another file"}
	}
	return is, err
}

// fileCut decides whether a file that has become as short was cut: VACUUM makes it
// as short as its pages need.
func (p *presence) fileCut(c *sqlite.Conn, size int64) error {
	page, err := pragma(c, "page_size")
	if err != nil {
		return err
	}
	if pages, err := pragma(c, "page_count"); err != nil || size < pages*page {
		return &store.GoneError{Path: p.path, What: "cut short"}
	}
	return nil
}

// logCut decides whether a log that has become as short was cut: another program may
// have copied all of it into the file. SQLite knows how many pages it has, and
// copies them here as far as they are there.
func (p *presence) logCut(c *sqlite.Conn, size int64) error {
	page, err := pragma(c, "page_size")
	if err != nil {
		return err
	}
	const head, pageHead = 32, 24 // of the log, and of each page in it: sqlite.org/walformat.html
	pages := int64(0)
	err = query(c, "PRAGMA wal_checkpoint(PASSIVE)", func(s *sqlite.Stmt) error {
		pages = s.ColumnInt64(1)
		return nil
	})
	if err != nil || pages > 0 && size < head+pages*(pageHead+page) { // or it could not read what should be there
		return &store.GoneError{Path: p.path + "-wal", What: "cut short"}
	}
	return nil
}

// pragma returns what a setting of c has as a number.
func pragma(c *sqlite.Conn, name string) (int64, error) {
	text, err := ask(c, "PRAGMA "+name)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}
