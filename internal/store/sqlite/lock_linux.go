package sqlite

import (
	"os"

	"golang.org/x/sys/unix"
)

// lockStore locks the file at path against every other process that does so. It
// returns nil where the file system has only one kind of lock, which is SQLite's.
func lockStore(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &fs); err != nil || fs.Type == unix.NFS_SUPER_MAGIC || fs.Type == unix.SMB2_SUPER_MAGIC {
		return nil, f.Close()
	}
	nobody := func() bool { return false } // who came by this name has gone
	if err := takeLock(f, nobody); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
