package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	_ "modernc.org/sqlite" // registers the driver
	sqlitelib "modernc.org/sqlite/lib"
	"zombiezen.com/go/sqlite"
)

const (
	// oldestLibrary is the first SQLite whose write-ahead log survives a
	// checkpoint and a write at the same moment (sqlite.org/wal.html,
	// "WAL-reset bug").
	oldestLibrary = "3.51.3"

	// pageSize is the size of a new file's pages in bytes. An item takes one
	// or two kilobytes: with SQLite's own 4 KiB a fifth of a page stays empty
	// and four times as many are written, one by one, first into the log and
	// then into the file. With 32 KiB a round of news for a tenth of 12,000
	// feeds took 1.06 of the time: where little changes, more is written.
	pageSize = 16384

	// logBytes is after how much the log begins anew, as soon as all of it is in
	// the file, which is the copier's work where items are new, and else the
	// writer's: memory that is written again need not be found, placed on the
	// disk and given back. With 32 MB a round of 20,000 feeds that have not
	// changed took 1.03 of the time, and so did one of 12,000 of which a tenth
	// had news.
	logBytes = 6 << 20

	// readerConns bounds the connections that read.
	readerConns = 4

	// busyTimeout is how long a write waits for a program that holds the
	// file without the lock, such as the sqlite3 shell.
	busyTimeout = 10 * time.Second

	// checkedInFull is up to which size in bytes Open has SQLite check the
	// whole file, at about a millisecond a megabyte. Of a larger one it
	// checks the feeds.
	checkedInFull = 32 << 20
)

// writerPragmas tune the writing connection. The cache holds a group commit, so
// that no page is written twice; more would only be more memory to fault in, and
// with five times as much a round of 36,515 feeds took as long.
var writerPragmas = []string{
	"PRAGMA foreign_keys = ON",
	"PRAGMA cell_size_check = ON", // notices damage before it is acted on
	"PRAGMA temp_store = MEMORY",
	"PRAGMA cache_size = -6144",
	"PRAGMA journal_size_limit = 67108864",
}

// Open opens the store at path. Unless o.ReadOnly is set it creates directory
// and file when they are missing, readable by their owner only, takes the
// lock, brings the tables to the latest version and checks the file. The
// caller must Close the DB.
//
// It returns a *LockedError when another run holds the store, a *SchemaError
// when a newer program made it, a *ForeignError when the file is something
// else, and a *CorruptError when it is damaged; none of these files is
// changed. With o.ReadOnly and no file the error wraps fs.ErrNotExist.
//
// Rejected: refusing network file systems. Whether their locks and shared
// memory work cannot be told from their names.
func Open(ctx context.Context, path string, o Options) (*DB, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	db := &DB{path: path, now: o.Now, durability: o.Durability}
	if o.ReadOnly {
		err = db.openReadOnly(ctx)
	} else {
		err = db.openWriting(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("open store: %w", explain(db.path, err))
	}
	if db.jobs, err = db.readers.PrepareContext(ctx, jobsSQL); err != nil {
		err = errors.Join(err, db.Close())
		return nil, fmt.Errorf("open store: %w", explain(db.path, err))
	}
	return db, nil
}

func (db *DB) openWriting(ctx context.Context) (err error) {
	if err := os.MkdirAll(filepath.Dir(db.path), 0o700); err != nil {
		return err
	}
	db.path = resolve(db.path)
	if db.lock, err = lockFile(db.path); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			db.lock.release()
		}
	}()
	// SQLite would make it readable by everyone, and URLs can hold passwords.
	f, err := os.OpenFile(db.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		err = f.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}

	// Even closing a connection that may write can change a file, by copying
	// its log in. What the file is, one that only reads finds out.
	db.readMode = "mode=ro"
	if db.readers, err = openReaders(db.path, db.readMode); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			db.readers.Close()
		}
	}()
	version, err := db.inspect(ctx)
	if cannotOpen(err) {
		// A new file whose maker was killed before it used a log.
		if err := rollBack(ctx, db.path); err != nil {
			return err
		}
		version, err = db.inspect(ctx)
	}
	if err != nil {
		return err
	}
	return db.openWriter(ctx, version)
}

// rollBack has SQLite undo a transaction that was cut off, which a connection
// that only reads cannot.
func rollBack(ctx context.Context, path string) error {
	pool, err := sql.Open("sqlite", dataSource(path, "mode=rw"))
	if err != nil {
		return err
	}
	defer pool.Close()
	_, err = column(ctx, pool, "SELECT name FROM sqlite_schema")
	return err
}

// inspect returns the version of the tables in db's file, once it is known to
// be a sound store or a new file. It writes nothing.
func (db *DB) inspect(ctx context.Context) (version int, err error) {
	c, err := db.readers.Conn(ctx)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if err := checkLibrary(ctx, c); err != nil {
		return 0, err
	}
	if version, err = identify(ctx, c, db.path); err != nil {
		return 0, err
	}
	return version, checkAtOpen(ctx, c, db.path, version)
}

// openWriter opens the writing connection to a file of the given version and
// brings its tables to the latest.
func (db *DB) openWriter(ctx context.Context, version int) (err error) {
	c, err := openConn(db.path)
	if err != nil {
		return err
	}
	c.SetInterrupt(ctx.Done())
	if err = configure(c, db.path); err == nil {
		err = migrate(c, version)
	}
	c.SetInterrupt(nil) // see write
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx) // SQLite only says that it was interrupted
		}
		c.Close()
		return err
	}
	if db.w, err = newWriter(c); err != nil {
		return err
	}
	db.copier = newCopier(db.path)
	return nil
}

// configure makes c the writing connection of a store. Its commits do not wait
// for the disk yet: new tables are nothing that anybody was told of, and the
// first commit that waits has them there, too.
func configure(c *sqlite.Conn, path string) error {
	if err := synchronous(c, Normal); err != nil {
		return err
	}
	// Only a new file takes it.
	if err := script(c, "PRAGMA page_size = "+strconv.Itoa(pageSize)); err != nil {
		return fmt.Errorf("set page size: %w", err)
	}
	mode, err := ask(c, "PRAGMA journal_mode = WAL")
	if err != nil {
		return fmt.Errorf("set journal mode: %w", err)
	}
	if mode != "wal" {
		return fmt.Errorf("set journal mode: the file system of %s cannot share memory between programs", path)
	}
	for _, p := range writerPragmas {
		if err := script(c, p); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
	}
	if err := boundLog(c); err != nil {
		return fmt.Errorf("bound the log: %w", err)
	}
	return nil
}

// boundLog has the log of c begin anew after logBytes.
func boundLog(c *sqlite.Conn) error {
	text, err := ask(c, "PRAGMA page_size") // of a file that was there, as it was made
	if err != nil {
		return err
	}
	size, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	return script(c, fmt.Sprintf("PRAGMA wal_autocheckpoint = %d", logBytes/size))
}

// checkAtOpen looks for damage as far as that is quick.
func checkAtOpen(ctx context.Context, c *sql.Conn, path string, version int) error {
	if version == 0 {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	check := "PRAGMA quick_check(10)"
	if info.Size() > checkedInFull {
		check = "PRAGMA quick_check(feeds)"
	}
	problems, err := column(ctx, c, check)
	if err != nil {
		return err
	}
	return damage(path, problems)
}

func (db *DB) openReadOnly(ctx context.Context) (err error) {
	if _, err := os.Stat(db.path); err != nil {
		return err
	}
	db.path = resolve(db.path)
	// Even a reader of the log needs its shared memory beside the file. Where
	// that cannot be made and there is no log, nobody is writing.
	for _, db.readMode = range []string{"mode=ro", "mode=ro&immutable=1"} {
		if db.readers, err = openReaders(db.path, db.readMode); err != nil {
			return err
		}
		if err = db.readable(ctx); err == nil {
			return nil
		}
		db.readers.Close()
		if _, walErr := os.Stat(db.path + "-wal"); !cannotOpen(err) || walErr == nil {
			break
		}
	}
	if cannotOpen(err) { // SQLite does not say why
		f, why := os.Open(db.path)
		if why != nil {
			return why
		}
		f.Close()
	}
	return err
}

// readable returns nil when db's file has the tables of this program.
func (db *DB) readable(ctx context.Context) error {
	c, err := db.readers.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := checkLibrary(ctx, c); err != nil {
		return err
	}
	version, err := identify(ctx, c, db.path)
	if err == nil && version < latestVersion {
		err = &SchemaError{Path: db.path, Have: version, Want: latestVersion}
	}
	return err
}

// openReaders returns a pool of connections that only read.
func openReaders(path, mode string) (*sql.DB, error) {
	pool, err := sql.Open("sqlite", dataSource(path, mode+"&_query_only=1"))
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(readerConns)
	pool.SetMaxIdleConns(readerConns)
	return pool, nil
}

// dataSource returns the driver's name for the file at path.
func dataSource(path, query string) string {
	return fileURI(path, query+
		"&_busy_timeout="+strconv.FormatInt(busyTimeout.Milliseconds(), 10)+"&_dqs=0&_defensive=1&_error_rc=1")
}

// fileURI returns SQLite's name for the file at path.
func fileURI(path, query string) string {
	p := filepath.ToSlash(path)
	if !strings.HasPrefix(p, "/") {
		p = "/" + p // C:/x on Windows
	}
	u := url.URL{Scheme: "file", Path: p, RawQuery: query}
	return u.String()
}

// resolve follows symbolic links, so that a store that is reached by two names
// has one lock.
func resolve(path string) string {
	if p, err := filepath.EvalSymlinks(path); err == nil {
		return p
	}
	return path // does not exist yet
}

// checkLibrary refuses an SQLite with a known way to damage files.
func checkLibrary(ctx context.Context, c *sql.Conn) error {
	var version string
	if err := c.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version); err != nil {
		return err
	}
	if olderThan(version, oldestLibrary) {
		return fmt.Errorf("this program was built with SQLite %s, which can damage files; it needs %s", version, oldestLibrary)
	}
	return nil
}

// olderThan compares versions such as 3.51.3.
func olderThan(a, b string) bool {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		x, _ := strconv.Atoi(as[i]) // a part that is no number counts as 0
		y, _ := strconv.Atoi(bs[i])
		if x != y {
			return x < y
		}
	}
	return len(as) < len(bs)
}

// cannotOpen reports whether SQLite could not open a file.
func cannotOpen(err error) bool {
	switch resultCode(err) {
	case sqlitelib.SQLITE_CANTOPEN, sqlitelib.SQLITE_READONLY:
		return true
	}
	return false
}
