package main

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"feedmill/internal/pgtest"
)

// onServers are the sessions that must go the same way when their store is on a
// server instead of in a file.
var onServers = []string{"refresh.txtar", "feeds.txtar", "items.txtar", "named.txtar", "add.txtar", "failures.txtar", "operate.txtar", "page.txtar"}

// TestScriptOnAServer runs what users of a server type and see, and the sessions
// that do not care where the store is.
func TestScriptOnAServer(t *testing.T) {
	t.Parallel()
	cluster := pgtest.Shared(t)
	dir := filepath.Join("testdata", "script")
	var files []string
	for _, name := range onServers {
		files = append(files, filepath.Join(dir, name))
	}
	own, err := filepath.Glob(filepath.Join(dir, "server", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	commands := scriptCommands()
	// "sql TEXT" runs SQL in the session's store.
	commands["sql"] = func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != 1 {
			ts.Fatalf("usage: sql TEXT")
		}
		u, err := url.Parse(ts.Getenv("FEEDMILL_DB"))
		ts.Check(err)
		cluster.Exec(t, strings.TrimPrefix(u.Path, "/"), args[0])
	}
	testscript.Run(t, testscript.Params{
		Files: append(files, own...),
		Setup: func(e *testscript.Env) error {
			db := cluster.CreateDB(t)
			e.Setenv("FEEDMILL_DB", db)
			e.Setenv("SERVER", fmt.Sprintf("postgres://feedmill@%s:%d", cluster.Host, cluster.Port))
			e.Setenv("LOCKED", fmt.Sprintf("postgres://feedmill:wRoNg@%s:%d/%s?sslmode=disable", cluster.Host, cluster.Port, pgtest.LockedDB))
			return scriptSetup(e)
		},
		Cmds:                commands,
		Condition:           scriptCondition,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}
