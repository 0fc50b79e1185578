package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// canary is the password that must never come back.
const canary = "cAnArY"

// FuzzNoPasswordComesBack plants a password in whatever can be given as a URL, and
// looks for it in all that comes out. pattern says what the line looks like: in
// place of * stands the password.
func FuzzNoPasswordComesBack(f *testing.F) {
	for _, pattern := range []string{
		"https://user:*@host.example/feed", "https://*@host.example/feed", "//user:*@host.example/", "http:user:*@host.example",
		"http:///user:*@host.example", "http://user:*/w@host.example/", "http://user:*#w@host.example/", "http://user:*?w@host.example/",
		"http://user:w/*@host.example/", "http://user:w#*@host.example/", "user:*@host.example", "ftp://user:*@host.example/x",
		"feed:user:*@host.example", "feed://user:*@host.example/", "http://user:*\\@host.example", "http://user:%zz*@host.example/",
		"https://host.example/?next=https://user:*@other.example/", "https://user:*@", "https://user:*@:80/", "https://user:*@[::1/",
		"https://user:*@host.example:99999/", "HTTPS://user:*@host.example/\u202e", "exec:curl https://user:*@host.example/",
		"https://host.example/\tnext=https://user:*@other.", "https://host.example/\tnext=https://user:*/w@other.",
		"http://user@w#*@host", "http://user@w?*@host",
		"https://user:" + strings.Repeat("x", 20_000) + "*@host.example/",
	} {
		f.Add(pattern)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		before, after, ok := strings.Cut(pattern, "*")
		start := strings.LastIndex(before, "//") + len("//")
		if start < len("//") {
			start = strings.IndexByte(before, ':') + 1
		}
		if !ok || start == 0 || !strings.Contains(after, "@") || strings.Contains(after, canary) || strings.ContainsAny(pattern, "\n\r\x00\u0085\u2028\u2029") {
			t.Skip("no password, or more than a line")
		}
		host := start // or where a host would be that has no scheme
		if !strings.Contains(before, "//") {
			host = 0
		}
		line := before + canary + after
		for _, from := range []int{host, start} {
			end := strings.IndexAny(line[from:], "/?#")
			if end < 0 {
				continue
			}
			authority, inPath := line[from:from+end], from+end < len(before)
			if inPath && strings.ContainsAny(authority, ".[") || strings.Contains(authority, ".") && !strings.ContainsAny(authority, ":@") {
				t.Skip("an @ behind the path of a URL that has a host")
			}
		}
		dir := t.TempDir()
		db, list, opml := filepath.Join(dir, "feeds.db"), filepath.Join(dir, "list.txt"), filepath.Join(dir, "list.opml")
		for name, text := range map[string]string{
			list: "https://good.example/\n" + line + "\n",
			opml: `<opml><outline text="x" xmlUrl="https://good.example/"/><outline text="x" xmlUrl="` + strings.ReplaceAll(line, `"`, "&quot;") + `"/></opml>`,
		} {
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, args := range [][]string{
			{"feeds", "add", "--offline", "--db", db, line}, {"feeds", "import", "--db", db, list}, {"feeds", "import", "--db", db, opml},
			{"refresh", "--dry-run", "--db", db, "--list", list}, {"refresh", "--dry-run", "--db", db, "--opml", opml, line},
			{"refresh", "--dry-run", "--db", db, "--proxy", line},
			{"feeds", "list", "--db", db}, {"feeds", "list", "--db", db, "--format", "jsonl"}, {"feeds", "remove", "--db", db, line},
			{"feeds", "export", "--db", db}, {"feeds", "export", "--db", db, "--format", "list"},
			{"items", "--db", db, line}, {"doctor", "--db", db}, {line}, {"feeds", line},
		} {
			var out, errs bytes.Buffer
			code := run(t.Context(), args, strings.NewReader(""), &out, &errs)
			for name, text := range map[string]string{"stdout": out.String(), "stderr": errs.String()} {
				if strings.Contains(text, canary) {
					t.Errorf("coordinator %.200q ended with %d and said on %s:\n%.1000s", args, code, name, text)
				}
			}
		}
	})
}

// TestNoFlagGivesAPasswordBack gives every flag of every command a URL with a
// password: somebody forgets the value of a flag before the URL, or mistakes one for
// another.
func TestNoFlagGivesAPasswordBack(t *testing.T) {
	t.Chdir(t.TempDir()) // some make files of it
	const url = "http://user:" + canary + "@127.0.0.1:1/feed"
	ended, end := context.WithCancel(t.Context())
	end() // nothing is to be done
	seen := 0
	eachOf((&app{}).rootCommand(), func(c *cobra.Command) {
		c.InheritedFlags() // which adds those of its parents
		if !c.Runnable() || c.Hidden {
			return
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Value.Type() == "bool" {
				return
			}
			seen++
			args := append(strings.Fields(c.CommandPath())[1:], "--"+f.Name, url)
			var out, errs bytes.Buffer
			code := run(ended, args, strings.NewReader(""), &out, &errs)
			if text := out.String() + errs.String(); strings.Contains(text, canary) {
				t.Errorf("coordinator %q ended with %d and said:\n%.500s", args, code, text)
			}
		})
	})
	if seen < 100 {
		t.Errorf("%d flags were tried, want those of all commands", seen)
	}
}

// TestAHeaderThatCannotBeSentIsNotRepeated: its value may be a key, with a line end
// that came along when it was copied.
func TestAHeaderThatCannotBeSentIsNotRepeated(t *testing.T) {
	dir := t.TempDir()
	list, db := filepath.Join(dir, "list.txt"), filepath.Join(dir, "feeds.db")
	if err := os.WriteFile(list, []byte("https://feed.example/\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if code := run(t.Context(), []string{"feeds", "import", list, "--db", db}, strings.NewReader(""), &out, &out); code != exitOK {
		t.Fatalf("import ended with %d: %s", code, &out)
	}
	code := run(t.Context(), []string{"feeds", "set", "1", "--header", "X-Key: " + canary + "\r\nX: y", "--db", db}, strings.NewReader(""), &out, &out)
	if text := out.String(); code != exitUsage || !strings.Contains(text, `"X-Key"`) || strings.Contains(text, canary) {
		t.Errorf("ended with %d and said: %s", code, text)
	}
}
