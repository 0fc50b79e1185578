package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// TestAnOlderStoreIsBroughtUpByWhoeverLooks: after an upgrade the first command
// may be one that only reads.
func TestAnOlderStoreIsBroughtUpByWhoeverLooks(t *testing.T) {
	first, err := os.ReadFile("../../internal/store/sqlite/migrations/0001.sql")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "feeds.db")
	c, err := sqlite.OpenConn(path)
	if err != nil {
		t.Fatal(err)
	}
	err = sqlitex.ExecuteScript(c, string(first)+`
		INSERT INTO feeds (url, title) VALUES ('https://example.org/feed', 'Mine');
		PRAGMA application_id = 0x666d696c; PRAGMA user_version = 1;`, nil)
	if err := fmt.Sprint(err, c.Close()); err != "<nil> <nil>" {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"items"}, {"feeds", "list"}} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), append([]string{"--db", path}, args...), strings.NewReader(""), &stdout, &stderr); code != exitOK {
			t.Errorf("%q: status %d: %s", args, code, &stderr)
		}
		if args[0] == "feeds" && !strings.Contains(stdout.String(), "Mine") {
			t.Errorf("the title of a list is not the feed's name:\n%s", &stdout)
		}
	}
}
