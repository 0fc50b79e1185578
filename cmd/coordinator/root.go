package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"feedmill/internal/store"
)

// An app is one run of the program: its streams and what the flags that all
// commands share were set to.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	db      string // --db
	verbose bool   // --verbose
}

const rootLong = `coordinator refreshes feeds with worker processes and keeps their items.

It deals the feeds to worker processes by host, sends each its shard over its
stdin, collects the item lists on its stdout and stores what is new in an
SQLite file that the sqlite3 shell can read. A feed that kills its worker costs
that feed; a run that is killed at any moment loses nothing that it reported.

Exit status:
  0         every feed ended ok, not_modified or unchanged
  1         usage or configuration: nothing was attempted; or the results
            could not be printed
  3         the round is done, some feeds failed; bench compare: something
            got dearer
  4         the store failed; what was stored stays
  5         another run holds the store
  6         --sandbox require, and it is not to be had
  130, 143  interrupted, after what was finished was stored; a second signal
            ends it at once`

// rootCommand returns the whole command line.
func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "coordinator",
		Short:         "Refresh feeds with worker processes and keep their items",
		Long:          rootLong,
		Version:       release + " " + version(),
		SilenceErrors: true,
		SilenceUsage:  true,

		SuggestionsMinimumDistance: 2,

		Args: noSuchCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
		PersistentPreRunE: func(c *cobra.Command, _ []string) error {
			if a.db == "" && c.Flags().Changed("db") { // a variable that is not set
				return usage("leave --db out for the usual store", "--db names no file")
			}
			return nil
		},
	}
	root.SetVersionTemplate("coordinator {{.Version}}\n")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage("see "+c.CommandPath()+" --help", "%w", err)
	})
	root.PersistentFlags().StringVar(&a.db, "db", "", "keep the store in `FILE` [default: $XDG_DATA_HOME/feedmill/feeds.db]")
	root.PersistentFlags().BoolVarP(&a.verbose, "verbose", "v", false, "log what is done to standard error")
	root.AddCommand(
		a.refreshCommand(),
		a.feedsCommand(),
		a.itemsCommand(),
		a.verifyCommand(),
		a.originCommand(),
		a.demoCommand(),
		a.benchCommand(),
		a.benchChildCommand(),
		a.doctorCommand(),
	)
	return root
}

// noSuchCommand refuses what is no command, and names the one that was meant.
func noSuchCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "see " + root.CommandPath() + " --help"
	if meant := root.SuggestionsFor(args[0]); len(meant) > 0 {
		hint = "was " + root.CommandPath() + " " + meant[0] + " meant? " + hint
	}
	return usage(hint, "unknown command %q", args[0])
}

// logger returns where diagnostics go: standard error, warnings only unless
// --verbose.
func (a *app) logger() *slog.Logger { return a.loggerOn(a.stderr) }

// loggerOn is logger for another writer.
func (a *app) loggerOn(w io.Writer) *slog.Logger {
	level := slog.LevelWarn
	if a.verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// dbPath returns the store's file: --db, else the one in the user's data
// directory (XDG Base Directory Specification).
func (a *app) dbPath() (string, error) {
	if a.db != "" {
		return a.db, nil
	}
	dir := os.Getenv("XDG_DATA_HOME")
	if !filepath.IsAbs(dir) { // the specification: a relative one is to be ignored
		home, err := os.UserHomeDir()
		if err != nil {
			return "", usage("name the store with --db FILE", "find the home directory: %w", err)
		}
		dir = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(dir, "feedmill", "feeds.db"), nil
}

// openStore opens the store with o. The caller closes it.
func (a *app) openStore(ctx context.Context, o store.Options) (*store.DB, error) {
	path, err := a.dbPath()
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, usage("", "--db %s: not a regular file", path)
	}
	db, err := store.Open(ctx, path, o)
	if o.ReadOnly && errors.Is(err, fs.ErrNotExist) {
		return nil, &problem{exitStore, fmt.Errorf("no store at %s", path), "make one with: coordinator feeds add URL"}
	}
	if err != nil {
		return nil, storeProblem(path, err)
	}
	return db, nil
}

// withStore opens the store with o, has f use it and closes it.
func (a *app) withStore(ctx context.Context, o store.Options, f func(*store.DB) error) (err error) {
	db, err := a.openStore(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		if e := db.Close(); err == nil {
			err = storeProblem(db.Path(), e)
		}
	}()
	return storeProblem(db.Path(), f(db))
}

// storeProblem gives an error of the store its exit status and hint. What is a
// problem already stays as it is, and so does an interrupt, which is none.
func storeProblem(path string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if _, ok := errors.AsType[*problem](err); ok {
		return err
	}
	if _, ok := errors.AsType[*signalled](err); ok {
		return err
	}
	if _, ok := errors.AsType[*store.LockedError](err); ok {
		return &problem{exitLocked, fmt.Errorf("another run holds the store: %w", err), "wait for it to end, or use another store with --db"}
	}
	if _, ok := errors.AsType[*store.SchemaError](err); ok {
		return &problem{exitUsage, err, "use the coordinator that wrote it, or another store with --db"}
	}
	if _, ok := errors.AsType[*store.ForeignError](err); ok {
		return &problem{exitStore, err, "use another file with --db"}
	}
	if _, ok := errors.AsType[*store.CorruptError](err); ok {
		return &problem{exitStore, err, "put a backup in its place, or save what can be read with: sqlite3 " + path + " .recover"}
	}
	hint := ""
	if errors.Is(err, fs.ErrPermission) {
		hint = "use another store with --db, or be the user whose store it is"
	}
	return &problem{exitStore, err, hint}
}
