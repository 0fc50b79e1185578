package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"zombiezen.com/go/sqlite"

	"feedmill/internal/store"
)

const (
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

	// checkedInFull is up to which size in bytes Open has SQLite check the
	// whole file, at about a millisecond a megabyte, and the indexes of the
	// feeds. Of a larger one it checks the feeds, if they are not more than
	// checkedFeeds, and counts whether their index knows as many. To check a
	// million takes 0.57 s of CPU time, to count them 0.03; what is damaged is
	// then seen where it is read.
	//
	// Rejected: the indexes of the items, too. That is most of the CPU time
	// of a run in which nothing is due; BeginRun does it once a day.
	checkedInFull = 32 << 20
	checkedFeeds  = 100_000
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
func Open(ctx context.Context, path string, o store.Options) (*DB, error) {
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
		err = db.openWriting(ctx, o.Beside)
	}
	if err != nil {
		if !o.ReadOnly && cannotOpen(err) { // SQLite does not say why
			if why := cannotMake(filepath.Dir(db.path)); why != nil {
				err = fmt.Errorf("%w: %w", err, why)
			}
		}
		return nil, fmt.Errorf("open store: %w", explain(db.path, err))
	}
	return db, nil
}

// cannotMake returns why no file can be made in dir, nil when one can: there may be
// no more room for names, or the file system may be for reading only.
func cannotMake(dir string) error {
	f, err := os.CreateTemp(dir, ".feedmill-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func (db *DB) openWriting(ctx context.Context, beside bool) (err error) {
	if err := os.MkdirAll(filepath.Dir(db.path), 0o700); err != nil {
		return err
	}
	db.path = resolve(db.path)
	if beside {
		if done, err := db.openBeside(ctx); done || err != nil {
			return err
		}
	}
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
	if err = db.lock.holdStore(db.path); err != nil {
		return err
	}

	// Even closing a connection that may write can change a file, by copying
	// its log in. What the file is, one that only reads finds out.
	db.readMode = "mode=ro"
	version, err := db.inspect(ctx)
	if cannotOpen(err) {
		// A new file whose maker was killed before it used a log.
		if err := rollBack(db.path); err != nil {
			return err
		}
		version, err = db.inspect(ctx)
	}
	if err != nil {
		return err
	}
	if err = db.openWriter(ctx, version); err != nil {
		return err
	}
	db.copier = newCopier(db.path)
	db.readers, err = openReaders(db.path, db.readMode)
	if err == nil {
		if err = db.files.see(db.path); err != nil {
			db.readers.Close()
		}
	}
	if err != nil {
		err = errors.Join(err, db.copier.close(), db.w.conn.Close())
	}
	return err
}

// openBeside opens a store that needs nothing done to it, without the lock. It
// reports whether it did.
func (db *DB) openBeside(ctx context.Context) (done bool, err error) {
	if _, err := os.Stat(db.path); err != nil {
		return false, nil // whoever makes it finds out why
	}
	if err := db.openReadOnly(ctx); err != nil {
		if old, ok := errors.AsType[*store.SchemaError](err); ok && old.Have < old.Want || cannotOpen(err) {
			return false, nil
		}
		return false, err
	}
	err = db.openWriter(ctx, latestVersion)
	if err == nil {
		if err = db.files.see(db.path); err != nil {
			db.w.conn.Close()
		}
	}
	if err != nil {
		db.readers.Close()
	}
	return true, err
}

// rollBack has SQLite undo a transaction that was cut off, which a connection
// that only reads cannot.
func rollBack(path string) error {
	c, err := openConn(path)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = column(c, "SELECT name FROM sqlite_schema")
	return err
}

// inspect returns the version of the tables in db's file, once it is known to
// be a sound store or a new file. It writes nothing.
func (db *DB) inspect(ctx context.Context) (version int, err error) {
	return version, db.apart(ctx, func(c *sqlite.Conn) (err error) {
		if version, err = identify(c, db.path); err == nil {
			err = checkAtOpen(c, db.path, version)
		}
		return err
	})
}

// apart calls f with a connection of its own that only reads, and which ctx
// interrupts: the error is then its cause.
func (db *DB) apart(ctx context.Context, f func(c *sqlite.Conn) error) error {
	c, err := openReader(db.path, db.readMode)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetInterrupt(ctx.Done())
	if err = f(c); err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return err
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
	db.w = &writer{conn: c, waits: store.Normal} // as configure left it
	return nil
}

// configure makes c the writing connection of a store. Its commits do not wait
// for the disk yet: new tables are nothing that anybody was told of, and the
// first commit that waits has them there, too.
func configure(c *sqlite.Conn, path string) error {
	if err := synchronous(c, store.Normal); err != nil {
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
	size, err := pragma(c, "page_size") // of a file that was there, as it was made
	if err != nil {
		return err
	}
	return script(c, fmt.Sprintf("PRAGMA wal_autocheckpoint = %d", logBytes/size))
}

// indexSoundSQL has a row when the index by which due feeds are found lacks some:
// they would never be asked again.
const indexSoundSQL = `SELECT 'index feeds_due lacks feeds' WHERE
	(SELECT count(*) FROM feeds NOT INDEXED) <> (SELECT count(*) FROM feeds INDEXED BY feeds_due)`

// checkAtOpen looks for damage as far as that is quick.
func checkAtOpen(c *sqlite.Conn, path string, version int) error {
	if version == 0 {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	checks := []string{"PRAGMA quick_check(10)", "PRAGMA integrity_check(feeds)"}
	if info.Size() > checkedInFull {
		checks = []string{indexSoundSQL}
		many, err := column(c, fmt.Sprintf("SELECT 'many' FROM (SELECT count(*) n FROM feeds) WHERE n > %d", checkedFeeds))
		if err != nil {
			return err
		}
		if many == nil {
			checks = append(checks, "PRAGMA quick_check(feeds)")
		}
	}
	return sound(c, path, checks...)
}

// checkItems compares the items with their indexes, where that is quick and no run
// of the last day, to its end, has begun with it. Rejected: each run; of a round of
// 2,000 feeds that have not changed that was a quarter of the coordinator's CPU time.
func checkItems(c *sqlite.Conn, path string, now int64) error {
	info, err := os.Stat(path)
	if err != nil || info.Size() > checkedInFull {
		return err
	}
	last, err := column(c, "SELECT started / 86400 FROM runs WHERE finished IS NOT NULL AND id = (SELECT max(id) FROM runs)")
	if err != nil || len(last) == 1 && last[0] == strconv.FormatInt(now/86400, 10) {
		return err
	}
	return sound(c, path, "PRAGMA integrity_check(items)")
}

// sound returns a *store.CorruptError when one of the checks has more to say than
// that all is well.
func sound(c *sqlite.Conn, path string, checks ...string) error {
	for _, text := range checks {
		problems, err := column(c, text)
		if err == nil {
			err = damage(path, problems)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (db *DB) openReadOnly(ctx context.Context) (err error) {
	if _, err := os.Stat(db.path); err != nil {
		return err
	}
	db.path = resolve(db.path)
	// Even a reader of the log needs its shared memory beside the file. Where
	// that cannot be made and there is no log, nobody is writing.
	for _, db.readMode = range []string{"mode=ro", "mode=ro&immutable=1"} {
		if db.readers, err = openReaders(db.path, db.readMode); err == nil {
			if err = db.read(ctx, "", db.readable); err == nil {
				return nil
			}
			db.readers.Close()
		}
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

// readable returns nil when c's file has the tables of this program.
func (db *DB) readable(c *sqlite.Conn) error {
	version, err := identify(c, db.path)
	if err == nil && version < latestVersion {
		err = &store.SchemaError{Path: db.path, Have: version, Want: latestVersion}
	}
	return err
}

// resolve follows symbolic links, so that a store that is reached by two names
// has one lock.
func resolve(path string) string {
	if p, err := filepath.EvalSymlinks(path); err == nil {
		return p
	}
	return path // does not exist yet
}
