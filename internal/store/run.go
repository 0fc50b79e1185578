package store

import (
	"context"
	"fmt"
	"os"
)

// runsKept is how many runs the store remembers.
const runsKept = 1000

// A Run says how a round is being done.
type Run struct {
	Mode    string
	Workers int
}

// A RunResult is how a round ended, counted in feeds and items.
type RunResult struct {
	Feeds     int
	Succeeded int
	Failed    int
	New       int
	Updated   int
}

// BeginRun records the begin of a round and returns its id. Until the next one
// begins, permanent redirects are seen by this run: see Save. It forgets holds
// of domains that are over and all but the last 1000 runs. A run that has no
// end was killed. A power failure may take it as long as nothing is saved.
func (db *DB) BeginRun(ctx context.Context, r Run) (int64, error) {
	var id int64
	err := db.note(ctx, func(w *writer) error {
		now := db.now().Unix()
		if _, err := w.once("INSERT INTO runs (started, mode, workers, pid) VALUES (?, ?, ?, ?)",
			now, r.Mode, r.Workers, os.Getpid()); err != nil {
			return err
		}
		id = w.conn.LastInsertRowID()
		if _, err := w.once("DELETE FROM runs WHERE id <= ?", id-runsKept); err != nil {
			return err
		}
		_, err := w.once("DELETE FROM hosts WHERE hold_until <= ?", now)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("begin run: %w", err)
	}
	db.mu.Lock()
	db.run = id
	db.mu.Unlock()
	return id, nil
}

// EndRun records how the run with this id ended. It is on disk when the store
// is closed, unless another program has the file open then and the power fails.
func (db *DB) EndRun(ctx context.Context, id int64, r RunResult) error {
	err := db.note(ctx, func(w *writer) error {
		_, err := w.once(`UPDATE runs SET finished = ?, feeds = ?, succeeded = ?, failed = ?, new = ?, updated = ?
			WHERE id = ?`, db.now().Unix(), r.Feeds, r.Succeeded, r.Failed, r.New, r.Updated, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("end run: %w", err)
	}
	return nil
}
