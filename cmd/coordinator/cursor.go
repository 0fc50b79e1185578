package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"feedmill/internal/store"
)

// A cursorFile is a file that keeps the id of the last item that was written.
type cursorFile string

// readCursor returns the id in a cursor's file, 0 where there is none yet. The
// store is told of a new one, so that what it has not passed is not pruned.
func (a *app) readCursor(ctx context.Context, c cursorFile) (int64, error) {
	id, err := c.read()
	if !errors.Is(err, fs.ErrNotExist) {
		return id, err
	}
	path, err := filepath.Abs(string(c))
	if err != nil {
		return 0, err
	}
	// Said before anything is written: it would be again each time.
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return 0, usage("make the folder first", "--cursor %s: there is no folder %s", string(c), filepath.Dir(path))
	}
	err = a.withStore(ctx, store.Options{Beside: true}, func(db store.DB) error { return db.MoveCursor(ctx, store.Cursor{Name: path, At: -1}) })
	if err != nil { // a store that may only be read is not pruned by this user
		a.logger().Warn("the store does not know of the cursor: feeds prune does not wait for it", "cursor", string(c), "err", err)
	}
	return 0, nil
}

func (c cursorFile) read() (int64, error) {
	b, err := os.ReadFile(string(c))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
		return 0, usage("", "--cursor: %w", err)
	}
	id, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil || id < 0 {
		return 0, usage("name another file, or delete it to begin anew", "--cursor %s: not a file that keeps a cursor", string(c))
	}
	return id, nil
}

// move writes id; see replaceFile.
func (c cursorFile) move(id int64) error {
	if err := replaceFile(string(c), fmt.Appendln(nil, id)); err != nil {
		return usage("", "--cursor: %w", err)
	}
	return nil
}
