package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"

	"feedmill/internal/store"
	"feedmill/internal/store/postgres"
	"feedmill/internal/store/sqlite"
)

// openStore opens the store with o. The caller closes it.
func (a *app) openStore(ctx context.Context, o store.Options) (store.DB, error) {
	path, err := a.dbPath()
	if err != nil {
		return nil, err
	}
	if isShared(path) {
		return a.openShared(ctx, path, o, nil)
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, usage("", "--db %s: not a regular file", path)
	}
	db, err := sqlite.Open(ctx, path, o)
	if old, ok := errors.AsType[*store.SchemaError](err); ok && o.ReadOnly && old.Have < old.Want {
		// Whoever has a newer program and looks first, too. Opened for writing it is brought up.
		if db, err = sqlite.Open(ctx, path, store.Options{}); err == nil {
			if err = db.Close(); err == nil {
				db, err = sqlite.Open(ctx, path, o)
			}
		}
	}
	if o.ReadOnly && errors.Is(err, fs.ErrNotExist) {
		return nil, noStore(path)
	}
	if err != nil {
		return nil, storeProblem(path, err)
	}
	return db, nil
}

// noStore says that there is no store where one is needed.
func noStore(path string) error {
	return &problem{code: exitStore, err: fmt.Errorf("no store at %s", path), hint: "make one with: coordinator feeds add URL"}
}

// withStore opens the store with o, has f use it and closes it.
func (a *app) withStore(ctx context.Context, o store.Options, f func(store.DB) error) (err error) {
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
	p := &problem{code: exitStore, err: err, hint: storeHint(err)}
	switch {
	case err == nil, errors.Is(err, context.Canceled), is[*problem](err), is[*signalled](err):
		return err
	case is[*store.LockedError](err):
		p.code, p.err = exitLocked, fmt.Errorf("another run holds the store: %w", err)
		p.hint = "wait for it to end (--wait 5m), or use another store with --db"
	case is[*store.SchemaError](err):
		p.code, p.hint = exitUsage, "use the coordinator that wrote it, or another store with --db"
	case is[*store.ForeignError](err):
		p.hint = "use another file with --db"
	case is[*store.CorruptError](err):
		p.hint = "put a backup in its place, or save what can be read with: sqlite3 " + path + " .recover"
	case isBadAddress(err):
		p.code = exitUsage
	case p.hint == "" && errors.Is(err, fs.ErrPermission):
		p.hint = "use another store with --db, or be the user whose store it is"
	}
	return p
}

// isBadAddress reports whether err says that --db is no address of a server.
func isBadAddress(err error) bool {
	server, ok := errors.AsType[*store.ServerError](err)
	return ok && server.Fault == store.BadAddress
}

// storeHint says what to do about a store that was taken away under a run, and about
// a server that would not.
func storeHint(err error) string {
	if server, ok := errors.AsType[*store.ServerError](err); ok {
		return serverHints[server.Fault]
	}
	if is[*store.GoneError](err) {
		return "put it back: what the run had stored is where it is now; without it the next run fetches all that feeds still have"
	}
	return ""
}

// isShared reports whether --db names a store on a server, which several
// coordinators may use.
func isShared(db string) bool {
	return strings.HasPrefix(db, "postgres://") || strings.HasPrefix(db, "postgresql://")
}

// openShared opens the store at a server. l may be nil where nothing is refreshed.
func (a *app) openShared(ctx context.Context, server string, o store.Options, l *leaseFlags) (store.DB, error) {
	po := postgres.Options{Options: o}
	if l != nil {
		po.Owner, po.Patience = l.node, l.ttl
	}
	db, err := postgres.Open(ctx, server, po)
	if _, fails := errors.AsType[*store.ServerError](err); !fails && errors.Is(err, fs.ErrNotExist) {
		return nil, noStore(withoutSecrets(server))
	}
	if err != nil {
		return nil, storeProblem(withoutSecrets(server), err)
	}
	return db, nil
}

// withoutSecrets returns a value of --db for people: of a server's URL its host and
// the database, since anything else of it may be a password.
func withoutSecrets(db string) string {
	if !isShared(db) {
		return db
	}
	u, err := url.Parse(db)
	if err != nil {
		return "postgres://…"
	}
	return "postgres://" + u.Host + u.Path
}

// serverHints say what to do about a server that would not.
var serverHints = map[store.Fault]string{
	store.BadAddress:  "write --db postgres://HOST:PORT/DATABASE, or leave any of these out",
	store.Unreachable: "does the server run, and is it there? pg_isready says; see PGHOST, PGPORT and PGSERVICE, too",
	store.Untrusted:   "sslmode, sslrootcert and the server's certificate must fit together: see docs/fleet.md",
	store.NoDatabase:  "make it with: createdb NAME",
	store.Denied:      "give the password in ~/.pgpass or PGPASSWORD; the server's pg_hba.conf says who may come from where",
	store.Forbidden:   "the server's role lacks a right: docs/fleet.md says which one needs",
	store.Standby:     "this server may only be read, as a standby: name the primary, or all of them with target_session_attrs=read-write",
	store.Starting:    "the server starts or ends: try again",
	store.TooMany:     "raise max_connections on the server: a coordinator takes up to eight",
	store.DiskFull:    "make room on the server's disk; what was stored before stays",
	store.Lost:        "what was stored before stays; the next run goes on where this one ended",
}
