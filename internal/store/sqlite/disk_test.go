package sqlite

import (
	"cmp"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"modernc.org/libc"
	sqlitelib "modernc.org/sqlite/lib"
)

// A diskOp is what SQLite had done to a file: bytes written, a new size, what
// was written so far made durable, or the file removed.
type diskOp struct {
	file string // base name
	kind diskKind
	at   int64  // where bytes were written, or the new size
	data []byte // that were written
}

type diskKind uint8

const (
	diskWrite diskKind = iota
	diskTruncate
	diskSync
	diskDelete
	diskRead // is not logged
)

// A diskLog holds what SQLite did to the files of one folder, in order.
type diskLog struct {
	dir string

	full  atomic.Bool               // the disk takes no more of the file: making it durable fails
	fault atomic.Pointer[diskFault] // nil: none

	mu  sync.Mutex
	ops []diskOp
}

// A diskFault is a disk that fails an operation, of those that it knows of.
type diskFault struct {
	code  [5]int32 // of SQLite, by kind of operation; 0: such an operation goes well
	stays bool     // all later ones fail, too
	after atomic.Int64
}

// of returns what SQLite is told of an operation that fails, and 0 for one that does
// not.
func (f *diskFault) of(kind diskKind) int32 {
	if f == nil || f.code[kind] == 0 {
		return 0
	}
	if n := f.after.Add(-1); n < 0 && (n == -1 || f.stays) {
		return f.code[kind]
	}
	return 0
}

func (l *diskLog) add(o diskOp) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ops = append(l.ops, o)
}

// len returns how many operations there were so far.
func (l *diskLog) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.ops)
}

// A lostPower says what of that which was not durable yet is on the disk
// after the power failed.
type lostPower uint8

const (
	keptNothing lostPower = iota
	keptAll               // as if only the process had died
	keptSome              // some writes, and of some of them some sectors
)

// after returns what the disk has in its files when the power fails after n
// operations. That a file is gone is durable once the folder is, which SQLite
// sees to when it makes a new journal or log durable for the first time: see
// UNIXFILE_DIRSYNC in its os_unix.c.
func (l *diskLog) after(n int, lost lostPower, r *rand.Rand) map[string][]byte {
	durable, waiting := make(map[string][]byte), make(map[string][]diskOp)
	known := make(map[string]bool) // files that the folder has for good
	for _, o := range l.ops[:n] {
		switch {
		case o.kind == diskSync:
			for _, w := range waiting[o.file] {
				apply(durable, w)
			}
			delete(waiting, o.file)
			if !known[o.file] && o.file != "feeds.db" {
				for name, ops := range waiting {
					if ops[len(ops)-1].kind == diskDelete {
						delete(durable, name)
						delete(waiting, name)
					}
				}
			}
			known[o.file] = true
		default:
			waiting[o.file] = append(waiting[o.file], o)
			known[o.file] = known[o.file] && o.kind != diskDelete
		}
	}
	const sector = 512
	for _, ops := range waiting {
		for _, o := range ops {
			switch {
			case lost == keptNothing, lost == keptSome && r.IntN(2) == 0:
			case lost == keptSome && o.kind == diskWrite && r.IntN(2) == 0:
				for from := 0; from < len(o.data); from += sector {
					if r.IntN(2) == 0 {
						part := o.data[from:min(from+sector, len(o.data))]
						apply(durable, diskOp{file: o.file, kind: diskWrite, at: o.at + int64(from), data: part})
					}
				}
			default:
				apply(durable, o)
			}
		}
	}
	return durable
}

// apply does o to files.
func apply(files map[string][]byte, o diskOp) {
	b := files[o.file]
	switch o.kind {
	case diskWrite:
		if end := int(o.at) + len(o.data); end > len(b) {
			b = append(b, make([]byte, end-len(b))...)
		}
		copy(b[o.at:], o.data)
		files[o.file] = b
	case diskTruncate:
		files[o.file] = append(b[:min(int(o.at), len(b)):len(b)], make([]byte, max(int(o.at)-len(b), 0))...)
	case diskDelete:
		delete(files, o.file)
	}
}

// watchDisk logs what SQLite does to the files in dir from now on.
func watchDisk(t *testing.T, dir string) *diskLog {
	t.Helper()
	if slowly {
		t.Skip("the race detector checks every pointer, and those of this VFS are SQLite's")
	}
	spies.install.Do(installSpies)
	if spies.open == nil {
		t.Skip("this build of SQLite has no file system to spy on")
	}
	l := &diskLog{dir: dir}
	spies.mu.Lock()
	spies.logs = append(spies.logs, l)
	spies.mu.Unlock()
	t.Cleanup(func() {
		spies.mu.Lock()
		defer spies.mu.Unlock()
		spies.logs = slices.DeleteFunc(spies.logs, func(o *diskLog) bool { return o == l })
	})
	return l
}

// The functions of SQLite's file system that are spied on, as their Go
// translation has them: sqlite.org/c3ref/vfs.html and io_methods.html.
type (
	openFunc     func(tls *libc.TLS, vfs, name, file uintptr, flags int32, out uintptr) int32
	readFunc     func(tls *libc.TLS, file, data uintptr, n int32, at int64) int32
	deleteFunc   func(tls *libc.TLS, vfs, name uintptr, sync int32) int32
	writeFunc    func(tls *libc.TLS, file, data uintptr, n int32, at int64) int32
	truncateFunc func(tls *libc.TLS, file uintptr, size int64) int32
	syncFunc     func(tls *libc.TLS, file uintptr, flags int32) int32
)

// spies stand between SQLite and the default file system, for the whole process
// once they were installed. Files that nobody watches pass them unseen.
var spies struct {
	install sync.Once
	open    openFunc // the file system's own
	remove  deleteFunc

	mu      sync.Mutex // guards the fields below
	logs    []*diskLog
	files   map[uintptr]spiedFile                      // by SQLite's handle; of one that was closed until it is used again
	methods map[uintptr]*sqlitelib.Tsqlite3_io_methods // ours, by the file system's own
}

// A spiedFile is an open file that is watched.
type spiedFile struct {
	log  *diskLog
	name string
	own  *sqlitelib.Tsqlite3_io_methods // the file system's
}

// Go's functions are kept here for as long as SQLite may call them.
var spyOpen, spyDelete, spyRead, spyWrite, spyTruncate, spySync = openFunc(spiedOpen), deleteFunc(spiedDelete),
	readFunc(spiedRead), writeFunc(spiedWrite), truncateFunc(spiedTruncate), syncFunc(spiedSync)

// functionOf returns the Go function of a C function's pointer, and pointerTo
// the other way round.
func functionOf[F any](p uintptr) F { return *(*F)(unsafe.Pointer(&p)) }

func pointerTo[F any](f *F) uintptr { return *(*uintptr)(unsafe.Pointer(f)) }

// at returns what SQLite has at p.
func at[T any](p uintptr) *T { return *(**T)(unsafe.Pointer(&p)) }

func installSpies() {
	tls := libc.NewTLS()
	defer tls.Close()
	vfs := sqlitelib.Xsqlite3_vfs_find(tls, 0)
	if vfs == 0 {
		return
	}
	spies.files = make(map[uintptr]spiedFile)
	spies.methods = make(map[uintptr]*sqlitelib.Tsqlite3_io_methods)
	v := at[sqlitelib.Tsqlite3_vfs](vfs)
	spies.open, spies.remove = functionOf[openFunc](v.FxOpen), functionOf[deleteFunc](v.FxDelete)
	v.FxOpen, v.FxDelete = pointerTo(&spyOpen), pointerTo(&spyDelete)
}

// watched returns who watches the file whose name SQLite has at p.
func watched(p uintptr) (l *diskLog, name string) {
	if p == 0 {
		return nil, "" // a temporary file
	}
	path := libc.GoString(p)
	for _, l := range spies.logs {
		if filepath.Dir(path) == l.dir {
			return l, filepath.Base(path)
		}
	}
	return nil, ""
}

func spiedOpen(tls *libc.TLS, vfs, name, file uintptr, flags int32, out uintptr) int32 {
	rc := spies.open(tls, vfs, name, file, flags, out)
	f := at[sqlitelib.Tsqlite3_file](file)
	spies.mu.Lock()
	defer spies.mu.Unlock()
	delete(spies.files, file)
	l, base := watched(name)
	if rc != sqlitelib.SQLITE_OK || l == nil || f.FpMethods == 0 {
		return rc
	}
	own := at[sqlitelib.Tsqlite3_io_methods](f.FpMethods)
	ours := spies.methods[f.FpMethods]
	if ours == nil {
		ours = new(sqlitelib.Tsqlite3_io_methods)
		*ours = *own
		ours.FxRead, ours.FxWrite, ours.FxTruncate, ours.FxSync = pointerTo(&spyRead), pointerTo(&spyWrite), pointerTo(&spyTruncate), pointerTo(&spySync)
		spies.methods[f.FpMethods] = ours
	}
	spies.files[file] = spiedFile{l, base, own}
	f.FpMethods = uintptr(unsafe.Pointer(ours))
	return rc
}

func spiedDelete(tls *libc.TLS, vfs, name uintptr, sync int32) int32 {
	rc := spies.remove(tls, vfs, name, sync)
	spies.mu.Lock()
	defer spies.mu.Unlock()
	if l, base := watched(name); l != nil && rc == sqlitelib.SQLITE_OK {
		l.add(diskOp{file: base, kind: diskDelete})
	}
	return rc
}

// spied returns the open file of a handle.
func spied(file uintptr) spiedFile {
	spies.mu.Lock()
	defer spies.mu.Unlock()
	return spies.files[file]
}

func spiedRead(tls *libc.TLS, file, data uintptr, n int32, off int64) int32 {
	f := spied(file)
	if rc := f.log.fault.Load().of(diskRead); rc != 0 {
		return rc
	}
	return functionOf[readFunc](f.own.FxRead)(tls, file, data, n, off)
}

func spiedWrite(tls *libc.TLS, file, data uintptr, n int32, off int64) int32 {
	f := spied(file)
	if rc := f.log.fault.Load().of(diskWrite); rc != 0 {
		return rc
	}
	rc := functionOf[writeFunc](f.own.FxWrite)(tls, file, data, n, off)
	if rc == sqlitelib.SQLITE_OK {
		f.log.add(diskOp{f.name, diskWrite, off, slices.Clone(unsafe.Slice(at[byte](data), n))})
	}
	return rc
}

func spiedTruncate(tls *libc.TLS, file uintptr, size int64) int32 {
	f := spied(file)
	if rc := f.log.fault.Load().of(diskTruncate); rc != 0 {
		return rc
	}
	rc := functionOf[truncateFunc](f.own.FxTruncate)(tls, file, size)
	if rc == sqlitelib.SQLITE_OK {
		f.log.add(diskOp{f.name, diskTruncate, size, nil})
	}
	return rc
}

func spiedSync(tls *libc.TLS, file uintptr, flags int32) int32 {
	f := spied(file)
	if f.log.full.Load() && filepath.Ext(f.name) == ".db" {
		return sqlitelib.SQLITE_IOERR_FSYNC
	}
	if rc := f.log.fault.Load().of(diskSync); rc != 0 {
		return rc
	}
	rc := functionOf[syncFunc](f.own.FxSync)(tls, file, flags)
	if rc == sqlitelib.SQLITE_OK {
		f.log.add(diskOp{f.name, diskSync, 0, nil})
	}
	return rc
}

// lay writes files into a new folder and returns the path of the store among
// them. The file itself is there from the start, since Open makes it.
func lay(t *testing.T, files map[string][]byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "feeds.db")
	for name, b := range files {
		if strings.HasSuffix(name, "-shm") {
			continue // memory, and nothing that a disk has
		}
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(path); err != nil {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// syncPoints returns the numbers of operations before and after each one that
// made something durable, and some between, sorted.
func (l *diskLog) syncPoints(r *rand.Rand, between int) []int {
	points := []int{len(l.ops)}
	for i, o := range l.ops {
		if o.kind == diskSync || o.kind == diskDelete {
			points = append(points, i, i+1)
		}
	}
	for range between {
		points = append(points, r.IntN(len(l.ops)))
	}
	slices.SortFunc(points, cmp.Compare[int])
	return slices.Compact(points)
}
