package postgres

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"feedmill/internal/pgtest"
	"feedmill/internal/store"
	"feedmill/internal/store/storetest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	pgtest.Stop()
	os.Exit(code)
}

// TestStore holds PostgreSQL to what a store is.
func TestStore(t *testing.T) {
	pgtest.Shared(t)
	storetest.Run(t, engine{})
}

// An engine is a storetest.Engine. A store's name is its URL. What a server may be set to
// otherwise than ours is, it is: the language of its texts, and all that a role can be given.
type engine struct{}

const oddSQL = `CREATE ROLE odd LOGIN SUPERUSER;
	ALTER ROLE odd SET client_encoding = 'LATIN1'; ALTER ROLE odd SET standard_conforming_strings = off; ALTER ROLE odd SET bytea_output = 'escape';
	ALTER ROLE odd SET default_transaction_isolation = 'serializable'; ALTER ROLE odd SET default_transaction_deferrable = on;
	ALTER ROLE odd SET datestyle = 'German'; ALTER ROLE odd SET intervalstyle = 'sql_standard'; ALTER ROLE odd SET timezone = 'Asia/Kathmandu';
	ALTER ROLE odd SET array_nulls = off; ALTER ROLE odd SET extra_float_digits = -15;`

// odd makes a database and a role once.
var odd sync.Once

// oddly is how programs come to a store, and not those who look what they did.
func oddly(name string) string {
	if strings.Contains(name, "/turkish") {
		name = strings.Replace(name, "feedmill@", "odd@", 1)
	}
	return name
}

func (engine) Steps() int { return 100 }

// New makes a schema, which takes a fraction of what a database does.
func (engine) New(t testing.TB) string {
	t.Helper()
	server := pgtest.Shared(t)
	odd.Do(func() {
		server.Exec(t, "postgres", oddSQL)
		server.Exec(t, "postgres", "CREATE DATABASE turkish TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'tr' LOCALE 'C'")
	})
	name := server.URL("turkish")
	schema := fmt.Sprintf("s%d", schemas.Add(1))
	psql(t, name, func(c *pgx.Conn) error {
		_, err := c.Exec(context.Background(), "CREATE SCHEMA "+schema)
		return err
	})
	return name + "&search_path=" + schema
}

var schemas atomic.Int64

func (engine) Open(ctx context.Context, name string, o store.Options) (store.DB, error) {
	return Open(ctx, oddly(name), Options{Options: o})
}

func (engine) Exec(t testing.TB, name, statement string, args ...any) {
	t.Helper()
	psql(t, name, func(c *pgx.Conn) error {
		_, err := c.Exec(context.Background(), numbered(statement), args...)
		return err
	})
}

func (engine) Number(t testing.TB, name, query string, args ...any) (n int64) {
	t.Helper()
	psql(t, name, func(c *pgx.Conn) error {
		return c.QueryRow(context.Background(), numbered(query), args...).Scan(&n)
	})
	return n
}

// psql calls f with a connection that is somebody else's.
func psql(t testing.TB, name string, f func(*pgx.Conn) error) {
	t.Helper()
	c, err := pgx.Connect(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if err := f(c); err != nil {
		t.Fatal(err)
	}
}

// numbered gives the arguments of a statement the numbers that PostgreSQL knows them by.
func numbered(statement string) string {
	var b strings.Builder
	for i, part := range strings.Split(statement, "?") {
		if i > 0 {
			b.WriteString("$" + strconv.Itoa(i))
		}
		b.WriteString(part)
	}
	return b.String()
}

// openStore opens a store. When the test ends it must keep every promise.
func openStore(t testing.TB, name string, o Options) *DB {
	t.Helper()
	db, err := Open(t.Context(), oddly(name), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Check(context.Background()); err != nil && !db.closed.Load() {
			t.Error(err)
		}
		db.Close()
	})
	return db
}

// TestAPasswordIsNotInAnError: not of a string that cannot be read either.
func TestAPasswordIsNotInAnError(t *testing.T) {
	for _, conn := range []string{
		"postgres://u:sesame@host:notaport/db", "postgres://u:sesame@[::1/db", "host=h password=sesame port=none",
		"postgres://u:sesame@127.0.0.1:1/db?connect_timeout=1", "password='sesame", "postgres://u:%zzsesame@h/db",
	} {
		db, err := Open(t.Context(), conn, Options{})
		if err == nil {
			db.Close()
		}
		if err == nil || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: got %v, want an error without the password", conn, err)
		}
	}
}
