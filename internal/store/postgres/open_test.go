package postgres

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"feedmill/internal/pgtest"
	"feedmill/internal/store"
	"feedmill/internal/store/storetest"
)

// TestSeveralMayMakeTheTablesAtOnce: one does, and the others find them.
func TestSeveralMayMakeTheTablesAtOnce(t *testing.T) {
	url := engine{}.New(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			db, err := Open(context.Background(), url, Options{})
			if err != nil {
				t.Error(err)
				return
			}
			db.Close()
		})
	}
	wg.Wait()
	storetest.Subscribe(t, openStore(t, url, Options{}), 1)
}

// oldTables returns the URL of a store with the tables of a version.
func oldTables(t *testing.T, version int) (url string) {
	t.Helper()
	url = engine{}.New(t)
	for v := 1; v <= version; v++ {
		text, err := migrations.ReadFile(fmt.Sprintf("migrations/%04d.sql", v))
		if err != nil {
			t.Fatal(err)
		}
		psql(t, url, func(c *pgx.Conn) error {
			_, err := c.PgConn().Exec(t.Context(), string(text)).ReadAll()
			return err
		})
	}
	engine{}.Exec(t, url, "INSERT INTO meta VALUES (?)", version)
	return url
}

// TestTablesAreBroughtUpBesideWhoStores: the server ends one of two that wait for each other,
// and coordinators of the version before go on storing meanwhile.
func TestTablesAreBroughtUpBesideWhoStores(t *testing.T) {
	url := oldTables(t, latestVersion-1)
	for _, statement := range []string{
		"CREATE SEQUENCE stumbles",
		`CREATE FUNCTION stumble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF nextval('stumbles') = 1 THEN RAISE 'deadlock detected' USING ERRCODE = '40P01'; END IF;
			RETURN NEW; END $$`,
		"CREATE TRIGGER stumble BEFORE UPDATE ON meta FOR EACH ROW EXECUTE FUNCTION stumble()",
	} {
		engine{}.Exec(t, url, statement)
	}
	storetest.Subscribe(t, openStore(t, url, Options{}), 1)
	if n := (engine{}).Number(t, url, "SELECT last_value FROM stumbles"); n != 2 {
		t.Errorf("the tables were brought up in %d attempts, want 2", n)
	}
}

// TestOlderTablesAreBroughtUp: of every version, with what they have, however long that takes.
func TestOlderTablesAreBroughtUp(t *testing.T) {
	for version := 1; version < latestVersion; version++ {
		url := oldTables(t, version)
		engine{}.Exec(t, url, "INSERT INTO feeds (url, domain) VALUES ('https://a.example/', 'a.example')")
		psql(t, url, func(c *pgx.Conn) error { // somebody reads for a while
			tx, err := c.Begin(t.Context())
			if err != nil {
				return err
			}
			if _, err := tx.Exec(t.Context(), "SELECT 1 FROM feeds, hosts, cursors, leases"); err != nil {
				return err
			}
			done := make(chan error)
			go func() {
				db, err := Open(context.Background(), url, Options{Owner: "up", Patience: 2 * time.Second})
				if err == nil {
					db.Close()
				}
				done <- err
			}()
			if !pgtest.Shared(t).Until(t, "postgres", time.Minute, "EXISTS (SELECT 1 FROM pg_stat_activity WHERE application_name = 'feedmill up' AND wait_event_type = 'Lock' AND query_start < clock_timestamp() - interval '3 seconds')") {
				t.Errorf("from version %d: who reads is not waited for", version)
			}
			if err := tx.Rollback(t.Context()); err != nil {
				return err
			}
			return <-done
		})
		if held := claim(t, openStore(t, url, Options{}), 2); len(held) != 1 {
			t.Errorf("from version %d: got %v, want the one domain", version, held)
		}
	}
}

// TestACoordinatorMayHaveAnyName: a node's is given by users.
func TestACoordinatorMayHaveAnyName(t *testing.T) {
	db := openStore(t, engine{}.New(t), Options{Owner: "n\xe9\x00"})
	storetest.Subscribe(t, db, 1)
	if _, err := db.BeginRun(t.Context(), store.Run{}); err != nil {
		t.Fatal(err)
	}
	refreshed(t, db, claim(t, db, 1), nil)
	if s, err := db.Status(t.Context()); err != nil || len(s.Owners) != 1 || s.Owners[0].Name != "n\uFFFD" {
		t.Errorf("got %+v, %v, want it readable", s.Owners, err)
	}
}

// TestNoIndexKnowsALanguage: what is found by a text is found by its bytes, whatever becomes
// of the rules by which the server's system orders texts.
func TestNoIndexKnowsALanguage(t *testing.T) {
	url := engine{}.New(t)
	openStore(t, url, Options{})
	if n := (engine{}).Number(t, url, `SELECT count(*) FROM pg_index i JOIN pg_class r ON r.oid = i.indexrelid, unnest(i.indcollation::oid[]) c
		WHERE r.relnamespace = current_schema()::regnamespace AND c NOT IN (0, '"C"'::regcollation)`); n != 0 {
		t.Errorf("%d columns of indexes are ordered by a language, want none", n)
	}
}

func TestNewerTablesAreRefused(t *testing.T) {
	url := engine{}.New(t)
	storetest.Subscribe(t, openStore(t, url, Options{}), 1)
	engine{}.Exec(t, url, "UPDATE meta SET schema = 77")
	for _, o := range []store.Options{{}, {ReadOnly: true}} {
		_, err := Open(t.Context(), url, Options{Options: o})
		if e, ok := errors.AsType[*store.SchemaError](err); !ok || e.Have != 77 || e.Want != latestVersion {
			t.Errorf("%+v: got %v, want a SchemaError", o, err)
		}
	}
}

func TestAnothersTablesAreRefusedAndLeftAlone(t *testing.T) {
	for _, table := range []string{
		"CREATE TABLE items (x int)", "CREATE TABLE hosts (x int)", "CREATE VIEW latest AS SELECT 1", "CREATE FUNCTION last_id() RETURNS int RETURN 1",
		"CREATE TABLE meta (schema int)", "CREATE TABLE meta (version int)", "CREATE TABLE meta AS SELECT 'one' AS schema",
	} {
		url := engine{}.New(t)
		engine{}.Exec(t, url, table)
		_, err := Open(t.Context(), url, Options{})
		if _, ok := errors.AsType[*store.ForeignError](err); !ok {
			t.Errorf("%s: got %v, want a ForeignError", table, err)
		}
		if n := (engine{}).Number(t, url, `SELECT count(*) FROM (SELECT relnamespace FROM pg_class UNION ALL SELECT pronamespace FROM pg_proc) r
			WHERE relnamespace = current_schema()::regnamespace`); n != 1 {
			t.Errorf("%s: there are %d things now, want 1", table, n)
		}
	}
}

func TestReadOnlyCreatesAndChangesNothing(t *testing.T) {
	url := engine{}.New(t)
	if _, err := Open(t.Context(), url, Options{Options: store.Options{ReadOnly: true}}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without tables: got %v, want fs.ErrNotExist", err)
	}
	storetest.Subscribe(t, openStore(t, url, Options{}), 1)
	db := openStore(t, url, Options{Options: store.Options{ReadOnly: true}})
	if _, err := db.Unsubscribe(t.Context(), []string{storetest.FeedURL(0)}); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("got %v, want ErrReadOnly", err)
	}
	if _, err := db.Claim(t.Context(), 1, ttl); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("Claim: got %v, want ErrReadOnly", err)
	}
	if all := storetest.AllFeeds(t, db); len(all) != 1 {
		t.Errorf("got %d feeds, want 1", len(all))
	}
}

// TestARoleThatMayOnlyReadIsEnoughToRead, as docs/fleet.md sets it up.
func TestARoleThatMayOnlyReadIsEnoughToRead(t *testing.T) {
	url := engine{}.New(t)
	storetest.Subscribe(t, openStore(t, url, Options{}), 1)
	engine{}.Exec(t, url, "CREATE ROLE reader LOGIN")
	schema := url[strings.LastIndex(url, "=")+1:]
	engine{}.Exec(t, url, "GRANT USAGE ON SCHEMA "+schema+" TO reader")
	engine{}.Exec(t, url, "GRANT SELECT ON ALL TABLES IN SCHEMA "+schema+" TO reader")
	engine{}.Exec(t, url, "GRANT SELECT ON ALL SEQUENCES IN SCHEMA "+schema+" TO reader")
	t.Cleanup(func() { engine{}.Exec(t, url, "DROP OWNED BY reader"); engine{}.Exec(t, url, "DROP ROLE reader") })
	db := openStore(t, strings.Replace(url, "feedmill@", "reader@", 1), Options{Options: store.Options{ReadOnly: true}})
	if all := storetest.AllFeeds(t, db); len(all) != 1 {
		t.Errorf("got %d feeds, want 1", len(all))
	}
	if _, err := db.LastItem(t.Context()); err != nil {
		t.Error(err)
	}
	if err := db.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestAServerThatAnswersTooEarlyIsRefused, unless that is asked for.
func TestAServerThatAnswersTooEarlyIsRefused(t *testing.T) {
	url := engine{}.New(t)
	early := url + "&synchronous_commit=off"
	if _, err := Open(t.Context(), early, Options{}); err == nil || !strings.Contains(err.Error(), "synchronous_commit=off") {
		t.Errorf("got %v, want an error that names synchronous_commit=off", err)
	}
	for _, o := range []store.Options{{Durability: store.Normal}, {ReadOnly: true}} {
		openStore(t, early, Options{Options: o})
	}
	for _, c := range []struct {
		o    store.Options
		want string
	}{{store.Options{}, "on"}, {store.Options{Durability: store.Normal}, "off"}} {
		db := openStore(t, url, Options{Options: c.o})
		var got string
		if err := db.rounds.QueryRow(t.Context(), "SHOW synchronous_commit").Scan(&got); err != nil || got != c.want {
			t.Errorf("%+v: synchronous_commit is %s, %v, want %s", c.o, got, err, c.want)
		}
	}
}

// TestRisksAreNamed: of the shared server, and what a database adds. Standbys are believed.
func TestRisksAreNamed(t *testing.T) {
	url := engine{}.New(t)
	storetest.Subscribe(t, openStore(t, url, Options{}), 1)
	for settings, want := range map[string]string{
		"": "fsync=off", "&synchronous_commit=off": "synchronous_commit=off",
	} {
		db := openStore(t, url+settings, Options{Options: store.Options{ReadOnly: true}})
		if risks, err := db.Risks(t.Context()); err != nil || !strings.Contains(strings.Join(risks, "\n"), want) || len(risks) > 2 {
			t.Errorf("%q: got %q, %v, want %s named", settings, risks, err, want)
		}
	}
	server := pgtest.Start(t, "synchronous_standby_names=b", "synchronous_commit=local")
	db := openStore(t, server.CreateDB(t), Options{})
	if risks, err := db.Risks(t.Context()); err != nil || len(risks) != 1 || !strings.Contains(risks[0], "synchronous_commit=local") {
		t.Errorf("got %q, %v, want synchronous_commit=local named", risks, err)
	}
}

// TestVerifyFullSeesWhoAnswers: a server is believed by the name that it was asked by and
// the authority that was named, and nothing else.
func TestVerifyFullSeesWhoAnswers(t *testing.T) {
	server := pgtest.Start(t)
	ours, theirs := newAuthority(t), newAuthority(t)
	certificate, key := ours.certify(t, "localhost")
	server.Secure(t, certificate, key)
	address := func(host, authority string) string {
		return strings.Replace(strings.Replace(server.URL("postgres"), server.Host, host, 1), "disable", "verify-full&sslrootcert="+authority, 1)
	}
	db := openStore(t, address("localhost", ours.file), Options{})
	var secure bool
	if err := db.rounds.QueryRow(t.Context(), "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").Scan(&secure); err != nil || !secure {
		t.Errorf("TLS is used: %v, %v", secure, err)
	}
	for what, conn := range map[string]string{"another name": address(server.Host, ours.file), "another authority": address("localhost", theirs.file)} {
		db, err := Open(t.Context(), conn, Options{})
		if err == nil {
			db.Close()
		}
		if e, ok := errors.AsType[*store.ServerError](err); !ok || e.Fault != store.Untrusted {
			t.Errorf("%s: got %v, want it not trusted", what, err)
		}
	}
}

// An authority signs certificates. Its own is in a file.
type authority struct {
	file string
	cert *x509.Certificate
	key  ed25519.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{file: filepath.Join(t.TempDir(), "ca.pem")}
	a.cert = &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "an authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	_, a.key, _ = ed25519.GenerateKey(nil)
	if err := os.WriteFile(a.file, a.sign(t, a.cert, a.key), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// certify returns a certificate for a name and its key.
func (a *authority) certify(t *testing.T, name string) (certificate, key []byte) {
	_, private, _ := ed25519.GenerateKey(nil)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour)}
	return a.sign(t, c, private), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func (a *authority) sign(t *testing.T, c *x509.Certificate, key ed25519.PrivateKey) []byte {
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// TestAServerThatSaysNothingIsNotWaitedForAlone: of several that are named the next is asked
// while there is time.
func TestAServerThatSaysNothingIsNotWaitedForAlone(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	url := engine{}.New(t)
	openStore(t, strings.Replace(url, "@", "@"+silent.Addr().String()+",", 1), Options{Patience: 3 * time.Second})
}

// TestAStandbyServesListsAndNobodyWhoGoesOn: it does not know which items are still to come
// before those that it has. Where the primary is named, too, that is asked, also by who reads.
func TestAStandbyServesListsAndNobodyWhoGoesOn(t *testing.T) {
	standby := pgtest.Start(t, "fsync=off")
	both := strings.Replace(engine{}.New(t), "@", fmt.Sprintf("@%s:%d,", standby.Host, standby.Port), 1) + "&target_session_attrs=read-write"
	standby.Exec(t, "postgres", "CREATE ROLE odd LOGIN SUPERUSER")
	standby.Exec(t, "postgres", "CREATE DATABASE turkish")
	url := standby.CreateDB(t)
	db := openStore(t, url, Options{})
	storetest.Save(t, db, storetest.Succeeded(storetest.Subscribe(t, db, 1)[0], storetest.Epoch, storetest.Item("a", "1")))
	db.Close()
	standby.BecomeStandby(t)
	read := Options{Options: store.Options{ReadOnly: true}}
	for _, attrs := range []string{"", "&target_session_attrs=read-write"} {
		db := openStore(t, url+attrs, read)
		if all := storetest.ItemsOf(t, db, storetest.FeedURL(0)); len(all) != 1 {
			t.Errorf("%q: got %d items, want 1", attrs, len(all))
		}
		for _, err := range db.Items(t.Context(), store.ItemQuery{Onward: true}) {
			if e, ok := errors.AsType[*store.ServerError](err); !ok || e.Fault != store.Standby {
				t.Errorf("%q: got %v for who goes on, want that it is a standby", attrs, err)
			}
		}
	}
	storetest.Subscribe(t, openStore(t, both, Options{}), 1)
	var recovers bool
	err := openStore(t, both, read).lists.QueryRow(t.Context(), "SELECT pg_is_in_recovery()").Scan(&recovers)
	if err != nil || recovers {
		t.Errorf("got %v, %v, want the primary asked where it is named", recovers, err)
	}
}

// TestWhatTheDriverMayBeToldChangesNothing: how statements are sent is a setting of its own.
func TestWhatTheDriverMayBeToldChangesNothing(t *testing.T) {
	for _, mode := range []string{"exec", "simple_protocol", "describe_exec", "cache_describe"} {
		t.Run(mode, func(t *testing.T) {
			db := openStore(t, engine{}.New(t)+"&default_query_exec_mode="+mode, Options{})
			ids := storetest.Subscribe(t, db, 2)
			storetest.Save(t, db, storetest.Succeeded(ids[0], storetest.Epoch, storetest.Item("a", "1")))
			if known := storetest.Job(t, db, ids[0]).Known; len(known) != 1 {
				t.Errorf("got %v, want the item that was stored", known)
			}
			refreshed(t, db, claim(t, db, 2)[1:], nil)
		})
	}
}

// TestTheEnvironmentSaysWhatTheStringDoesNot: services and password files, as libpq
// has them.
func TestTheEnvironmentSaysWhatTheStringDoesNot(t *testing.T) {
	server := pgtest.Shared(t)
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	server.Exec(t, "postgres", "CREATE DATABASE "+pgtest.LockedDB)
	server.Exec(t, "postgres", "CREATE ROLE keeper LOGIN SUPERUSER PASSWORD 'open sesame'")
	c, err := pgx.ParseConfig(server.URL(pgtest.LockedDB))
	if err != nil {
		t.Fatal(err)
	}
	port := strings.TrimPrefix(strings.SplitAfter(server.URL(""), "127.0.0.1")[1], ":")
	port = port[:strings.IndexByte(port, '/')]
	t.Setenv("PGSERVICEFILE", write("services", "[mill]\nhost=127.0.0.1\nport="+port+"\nuser=keeper\ndbname="+c.Database+"\nsslmode=disable\n"))
	t.Setenv("PGPASSFILE", write("passwords", "127.0.0.1:*:*:keeper:wrong\n"))
	if db, err := Open(t.Context(), "service=mill", Options{}); err == nil {
		db.Close()
		t.Error("a wrong password was taken")
	} else if strings.Contains(err.Error(), "wrong\n") || strings.Contains(err.Error(), "sesame") {
		t.Errorf("the error has a password: %v", err)
	}
	t.Setenv("PGPASSFILE", write("passwords", "127.0.0.1:*:*:keeper:open sesame\n"))
	db, err := Open(t.Context(), "service=mill", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if want := "postgres://127.0.0.1:" + port + "/" + c.Database; db.Path() != want {
		t.Errorf("its name is %s, want %s", db.Path(), want)
	}
}
