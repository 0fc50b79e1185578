package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/pool"
	"feedmill/internal/terminal"
)

// An app is one run of the program: its streams and what the flags that all
// commands share were set to.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	config    string // --config
	settings  *settings
	db        string // --db
	verbose   bool   // --verbose
	logLevel  choice // --log-level
	logFormat choice // --log-format
	noPager   bool   // --no-pager

	lastGrace time.Duration // see stalled; 0 means defaultGrace
	stuck     chan struct{} // closed when the command cannot be ended in order
}

// defaultGrace is how long a round in which nothing moves may take to end,
// after all its workers were killed.
const defaultGrace = 30 * time.Second

// stalled says who waits for whom in a round in which nothing moves any more.
// The round may never return: what is stuck may be the store, and nobody can
// end a system call. What was stored stays.
func (a *app) stalled(e *pool.StallError) {
	fmt.Fprintf(a.stderr, "coordinator: %v: who waits for whom:\n%s\n", e, terminal.PrintableLines(e.Report))
	time.AfterFunc(cmp.Or(a.lastGrace, defaultGrace), func() { close(a.stuck) })
}

// logger returns where diagnostics go: standard error, warnings only unless more
// is asked for.
func (a *app) logger() *slog.Logger { return a.loggerOn(a.stderr) }

// loggerOn returns a logger that writes to w at the level of the command line.
func (a *app) loggerOn(w io.Writer) *slog.Logger {
	level := slog.LevelWarn
	if err := level.UnmarshalText([]byte(a.logLevel.value)); err != nil {
		level = slog.LevelWarn // an app that no command line made
	}
	if a.verbose {
		level = slog.LevelDebug
	}
	w = redacted{w}
	o := &slog.HandlerOptions{Level: level}
	if a.logFormat.value == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// redacted is a writer of whole lines of text.
type redacted struct{ io.Writer }

// Write writes b without the userinfo of URLs.
func (r redacted) Write(b []byte) (int, error) {
	if _, err := io.WriteString(r.Writer, feeds.RedactText(string(b))); err != nil {
		return 0, err
	}
	return len(b), nil
}

// table returns a table that is as wide as standard output at most.
func (a *app) table(c ...terminal.Column) *terminal.Table {
	return &terminal.Table{Width: terminal.Width(a.stdout), Columns: c}
}

// show prints a table; one that is longer than the terminal through a pager.
func (a *app) show(t *terminal.Table) error {
	if a.noPager {
		return printError(t.Print(a.stdout))
	}
	return printError(terminal.Paged(a.stdout, t.Print))
}

// showEach shows a table with a row for each of all, and reports whether there was
// none.
func showEach[T any](a *app, t *terminal.Table, all iter.Seq2[T, error], row func(*T) []string) (empty bool, err error) {
	empty = true
	t.Rows = func(yield func([]string) bool) {
		var one T
		for one, err = range all {
			if err != nil {
				return
			}
			if empty = false; !yield(row(&one)) {
				return
			}
		}
	}
	shown := a.show(t)
	return empty, cmp.Or(err, shown)
}

// printEach prints each of all to standard output as print does.
func printEach[T any](a *app, all iter.Seq2[T, error], print func(io.Writer, *T) error) error {
	out := bufio.NewWriter(a.stdout)
	for one, err := range all {
		if err != nil {
			return errors.Join(err, printError(out.Flush()))
		}
		if err := print(out, &one); err != nil {
			return printError(err)
		}
	}
	return printError(out.Flush())
}

// dbPath returns the store's file: --db, else the one in the user's data
// directory.
func (a *app) dbPath() (string, error) {
	if a.db != "" {
		return a.db, nil
	}
	dir, err := userDir("XDG_DATA_HOME", ".local/share")
	if err != nil {
		return "", usage("name the store with --db FILE", "find the home directory: %w", err)
	}
	return filepath.Join(dir, "feeds.db"), nil
}

// userDir returns our folder in one of the user's (XDG Base Directory Specification):
// the one that a variable names, where that is not relative, or the usual one.
func userDir(variable, usual string) (string, error) {
	if dir := os.Getenv(variable); filepath.IsAbs(dir) {
		return filepath.Join(dir, "feedmill"), nil
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, usual, "feedmill"), err
}
