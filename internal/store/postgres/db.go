// Package postgres keeps a store in a PostgreSQL database that several
// coordinators share.
//
// What a refresh changes about a feed changes in one transaction or not at all,
// and once [DB.Save] returned it is there as surely as the server keeps what it
// has committed. Who refreshes what, leases say: see [DB.Claim] and [Held]. It
// refuses a newer program's tables, a database that is not its own, and, unless
// [store.Normal] durability was chosen, a server that answers before it has
// written.
package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"feedmill/internal/store"
)

// Options configures Open. The zero value writes with full durability.
type Options struct {
	// Beside means only that commits wait for the disk, also where the server is set
	// to have none do so: nobody locks the store as a whole.
	store.Options

	// Owner is what this coordinator is called in leases, and unlike all others;
	// empty for the host's name and the process's id.
	Owner string

	// Patience is how long the server may take over one question of a round before
	// it counts as gone; 0 means 20 s, and so does more.
	Patience time.Duration
}

const (
	mostPatience = 20 * time.Second

	// Connections at most: for a round, which writes on one of them at a time, and
	// for lists.
	roundConns = 4
	listConns  = 4
)

// pinned has the server find rows by their indexes, whatever it believes about how
// many there are. Of tables that are new it believes that they are empty, and
// reads them from end to end for each group of feeds, for a minute or until they
// were analysed. Its choice was never better: what a round asks for is named by
// its keys. Nothing is planned anew for other arguments either.
var pinned = map[string]string{
	"enable_seqscan":    "off",
	"enable_bitmapscan": "off",
	"enable_hashjoin":   "off",
	"enable_mergejoin":  "off",
	"jit":               "off",
	"plan_cache_mode":   "force_generic_plan",
}

// meant is what statements take for granted, whatever the server, the database or the role
// is set to otherwise: who waits for a row sees what became of it.
var meant = map[string]string{
	"client_encoding":               "UTF8",
	"standard_conforming_strings":   "on",
	"default_transaction_isolation": "read committed",
}

// A DB is an open store. Its methods may be called from several goroutines.
type DB struct {
	path     string
	owner    string
	patience time.Duration
	readOnly bool
	now      func() time.Time // nil: the server's clock

	rounds *pgxpool.Pool // pinned
	lists  *pgxpool.Pool
	writes sync.Mutex // one transaction of this DB's at a time; guards buf
	buf    []byte

	clock  atomic.Pointer[seen]
	run    atomic.Int64 // the run under way; 0 when none was begun
	closed atomic.Bool
}

// Open opens the store at conn, a connection string as libpq has them
// (postgres://…, or host=… dbname=…); what it does not say the environment does
// (PGHOST, PGSERVICE, PGPASSFILE, PGSSLMODE and so on). Unless o.ReadOnly is set it
// makes the tables where there are none and brings them to the latest version; of
// several that do so at once one does. The caller must Close the DB.
//
// It returns a *store.SchemaError when a newer program made the tables, and a
// *store.ForeignError when there are tables of another program's. With o.ReadOnly
// and no tables the error wraps fs.ErrNotExist.
func Open(ctx context.Context, conn string, o Options) (*DB, error) {
	db := &DB{owner: store.Readable(o.Owner), patience: min(cmp.Or(o.Patience, mostPatience), mostPatience), readOnly: o.ReadOnly, now: o.Now}
	if db.owner == "" {
		host, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("open store: %w", err)
		}
		db.owner = fmt.Sprintf("%s-%d", host, os.Getpid())
	}
	c, err := pgxpool.ParseConfig(conn)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", badAddress(err))
	}
	db.path = nameOf(&c.ConnConfig.Config)
	err = db.open(ctx, c, o)
	if err != nil && o.ReadOnly && c.ConnConfig.ValidateConnect != nil { // target_session_attrs
		db.closePools()
		c.ConnConfig.ValidateConnect = nil // who only reads takes any, rather than none
		err = db.open(ctx, c, o)
	}
	if err != nil {
		db.closePools()
		return nil, fmt.Errorf("open store: %w", fault(err))
	}
	return db, nil
}

// nameOf says which database it is, without a password.
func nameOf(c *pgconn.Config) string {
	if c.Host == "" || c.Host[0] == '/' {
		return "postgres:///" + c.Database
	}
	return "postgres://" + net.JoinHostPort(c.Host, fmt.Sprint(c.Port)) + "/" + c.Database
}

func (db *DB) open(ctx context.Context, c *pgxpool.Config, o Options) (err error) {
	said := func(name, value string) {
		if c.ConnConfig.RuntimeParams[name] == "" {
			c.ConnConfig.RuntimeParams[name] = value
		}
	}
	said("application_name", "feedmill "+db.owner)
	maps.Copy(c.ConnConfig.RuntimeParams, meant)
	switch c.ConnConfig.DefaultQueryExecMode {
	case pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol: // what they bring is text
		c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	}
	switch {
	case o.Durability == store.Normal:
		said("synchronous_commit", "off")
	case o.Beside: // for what the user says, which may wait for the disk whatever the server's rounds do
		said("synchronous_commit", "on")
	}
	// Of several servers the first may say nothing, and the next is to be asked in time.
	c.ConnConfig.ConnectTimeout = cmp.Or(c.ConnConfig.ConnectTimeout, db.patience/time.Duration(2+len(c.ConnConfig.Fallbacks)))
	// A link that was cut without a word must not look like a slow server for ever.
	c.ConnConfig.DialFunc = (&net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 5 * time.Second, Count: 3},
	}).DialContext
	c.MaxConns, c.MinConns = listConns, 0
	c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) (err error) {
		takeArrays(conn)
		if o.ReadOnly { // not before: target_session_attrs looks at it
			_, err = conn.Exec(ctx, "SET default_transaction_read_only = on")
		}
		return err
	}
	if db.lists, err = pgxpool.NewWithConfig(ctx, c); err != nil {
		return err
	}
	c = c.Copy()
	c.MaxConns = roundConns
	maps.Copy(c.ConnConfig.RuntimeParams, pinned)
	// Who stands still within a transaction, or died where nobody heard of it, has feeds
	// locked that others are to store.
	c.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = fmt.Sprint(db.patience.Milliseconds())
	if db.rounds, err = pgxpool.NewWithConfig(ctx, c); err != nil {
		return err
	}
	old := false
	err = db.within(ctx, func(ctx context.Context) (err error) { old, err = db.check(ctx, o); return err })
	if old && err == nil {
		err = db.migrate(ctx) // for as long as that takes
	}
	if err != nil {
		return err
	}
	return db.within(ctx, db.setClock)
}

// check refuses a server or tables that will not do, and reports whether the tables are to
// be brought to the latest version.
func (db *DB) check(ctx context.Context, o Options) (old bool, err error) {
	var encoding, commit string
	err = db.lists.QueryRow(ctx, "SELECT current_setting('server_encoding'), current_setting('synchronous_commit')").Scan(&encoding, &commit)
	switch {
	case err != nil:
		return false, err
	case encoding != "UTF8":
		return false, fmt.Errorf("the database's encoding is %s, want UTF8", encoding)
	case commit == "off" && o.Durability == store.Full && !o.ReadOnly:
		return false, errors.New("the server has synchronous_commit=off, so a crash of it may take what was reported as stored: turn it on, or choose --durability normal")
	}
	version, err := db.identify(ctx, db.lists)
	switch {
	case err != nil || !o.ReadOnly:
		return version < latestVersion, err
	case version == 0:
		return false, fmt.Errorf("%s has no tables: %w", db.path, fs.ErrNotExist)
	case version < latestVersion:
		return false, &store.SchemaError{Path: db.path, Have: version, Want: latestVersion}
	}
	return false, nil
}

// A seen clock is what the server's showed at a moment of ours.
type seen struct{ theirs, ours time.Time }

// setClock notes what the server's clock shows, as well as half of the time that it took
// to ask allows.
func (db *DB) setClock(ctx context.Context) error {
	before := time.Now()
	var at time.Time
	if err := db.rounds.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&at); err != nil {
		return err
	}
	db.heard(at, before)
	return nil
}

// heard notes that the server's clock said at in answer to what was sent at before.
func (db *DB) heard(at, before time.Time) {
	db.clock.Store(&seen{theirs: at, ours: before.Add(time.Since(before) / 2)})
}

// Now returns the time by the server's clock, as it was seen to run when the DB was
// opened and when a lease was last claimed or renewed. It is the same for all
// coordinators, whatever their own clocks say: these tell how much time has passed
// since, which setting one does not change.
func (db *DB) Now() time.Time {
	if db.now != nil {
		return db.now()
	}
	s := db.clock.Load()
	return s.theirs.Add(time.Since(s.ours))
}

// Path returns the database's name, without who uses it and their password.
func (db *DB) Path() string { return db.path }

// Close ends the connections. Iterators must be done before. A second Close does
// nothing.
func (db *DB) Close() error {
	db.writes.Lock() // after a transaction under way
	defer db.writes.Unlock()
	if !db.closed.Swap(true) {
		db.closePools()
	}
	return nil
}

func (db *DB) closePools() {
	for _, p := range []*pgxpool.Pool{db.lists, db.rounds} {
		if p != nil {
			p.Close()
		}
	}
}

// within calls f with a context that ends after db's patience.
func (db *DB) within(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, db.patience, &store.ServerError{
		Fault: store.Lost, Text: fmt.Sprintf("%s did not answer within %v", db.path, db.patience),
	})
	defer cancel()
	err := f(ctx)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fault(err)
}

// attempts is how often a transaction is tried that others were in the way of.
const attempts = 5

// again calls f, a transaction, until nobody is in the way of it.
func again(f func() error) (err error) {
	for range attempts {
		if err = f(); !inTheWay(err) {
			break
		}
	}
	return err
}

// write calls f within a transaction and commits it unless f fails. It is not
// interrupted by the end of ctx once it has begun: it is short, and its outcome
// would be unknown. Where the server ended it because of others, it is tried again.
// what is in the error's words.
func (db *DB) write(ctx context.Context, what string, f func(ctx context.Context, tx pgx.Tx) error) error {
	return wrapped(ctx, what, db.transact(ctx, pgx.TxOptions{}, f))
}

// note commits bookkeeping, of which no caller is told, without waiting for the disk.
func (db *DB) note(ctx context.Context, what string, f func(ctx context.Context, tx pgx.Tx) error) error {
	return wrapped(ctx, what, db.transact(ctx, pgx.TxOptions{BeginQuery: "BEGIN; SET LOCAL synchronous_commit = off"}, f))
}

// exec commits one statement, and returns how many rows it changed.
func (db *DB) exec(ctx context.Context, what, text string, args ...any) (rows int64, err error) {
	err = db.write(ctx, what, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, text, args...)
		rows = tag.RowsAffected()
		return err
	})
	return rows, err
}

// ask scans the one row of a query for which db has patience. Here and everywhere, that
// a query could not be sent its rows say, too: so no other look at it is needed.
func (db *DB) ask(ctx context.Context, what, text string, into ...any) error {
	return wrapped(ctx, what, db.within(ctx, func(ctx context.Context) error { return db.lists.QueryRow(ctx, text).Scan(into...) }))
}

// snapshot calls f within a transaction that sees one state of the store.
func (db *DB) snapshot(ctx context.Context, f func(tx pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, db.lists, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, f)
}

func (db *DB) transact(ctx context.Context, o pgx.TxOptions, f func(ctx context.Context, tx pgx.Tx) error) error {
	db.writes.Lock()
	defer db.writes.Unlock()
	if err := db.mayWrite(ctx); err != nil {
		return err
	}
	return db.within(context.WithoutCancel(ctx), func(ctx context.Context) error {
		return explain(again(func() error {
			return pgx.BeginTxFunc(ctx, db.rounds, o, func(tx pgx.Tx) error { return f(ctx, tx) })
		}))
	})
}

// mayWrite refuses what a DB cannot do.
func (db *DB) mayWrite(ctx context.Context) error {
	switch {
	case db.closed.Load():
		return store.ErrClosed
	case db.readOnly:
		return store.ErrReadOnly
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return nil
}

// inTheWay reports whether the server ended a transaction because of another one.
func inTheWay(err error) bool {
	if is(err, "23505") { // unique_violation: somebody gave a feed the same URL meanwhile, and is seen the next time
		pg, _ := errors.AsType[*pgconn.PgError](err)
		return pg.ConstraintName == "feeds_url" || pg.ConstraintName == "moved_url"
	}
	return is(err, "40001", "40P01") // serialization_failure, deadlock_detected
}

// is reports whether the server said one of these codes.
func is(err error, codes ...string) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && slices.Contains(codes, pg.Code)
}

// explain gives the server's errors the type that callers decide by.
func explain(err error) error {
	if is(err, "25006") { // read_only_sql_transaction
		return fmt.Errorf("%w: %w", store.ErrReadOnly, fault(err))
	}
	return fault(err)
}

// wrapped returns an error with what was being done, and the cause where ctx ended.
func wrapped(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return fmt.Errorf("%s: %w", what, fault(err))
}
