package sqlite

import (
	"context"
	"os"

	"feedmill/internal/store"
)

// BeginRun records the begin of a round and returns its id. Until the next one
// begins, permanent redirects are seen by this run: see Save. It forgets holds
// of domains that are over and all but the last 1000 runs. A run that has no
// end was killed. A power failure may take it as long as nothing is saved.
// Once a day, and after a run that has no end, it also compares the items of a
// small store with their indexes, by which a round tells old ones from new: the
// error is a *store.CorruptError.
func (db *DB) BeginRun(ctx context.Context, r store.Run) (int64, error) {
	var id int64
	err := db.note(ctx, "begin run", func(w *writer) error {
		now := db.now().Unix()
		if err := checkItems(w.conn, db.path, now); err != nil {
			return err
		}
		if _, err := w.run("INSERT INTO runs (started, mode, workers, pid) VALUES (?, ?, ?, ?)",
			now, r.Mode, r.Workers, os.Getpid()); err != nil {
			return err
		}
		id = w.conn.LastInsertRowID()
		if _, err := w.run("DELETE FROM runs WHERE id <= ?", id-store.RunsKept); err != nil {
			return err
		}
		_, err := w.run("DELETE FROM hosts WHERE hold_until <= ?", now)
		return err
	})
	if err != nil {
		return 0, err
	}
	db.mu.Lock()
	db.run = id
	db.mu.Unlock()
	return id, nil
}

// EndRun records how the run with this id ended. It is on disk when the store
// is closed, unless another program has the file open then and the power fails.
func (db *DB) EndRun(ctx context.Context, id int64, r store.RunResult) error {
	return db.note(ctx, "end run", func(w *writer) error {
		_, err := w.run(`UPDATE runs SET finished = ?, feeds = ?, succeeded = ?, failed = ?, new = ?, updated = ?
			WHERE id = ?`, db.now().Unix(), r.Feeds, r.Succeeded, r.Failed, r.New, r.Updated, id)
		return err
	})
}
