package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
	"feedmill/internal/store/sqlite"
)

// session is what somebody types at a terminal of 24 lines.
var session = []string{
	"coordinator feeds list --no-pager",
	"coordinator feeds list --category News --sort name",
	"coordinator feeds list --failing",
	"coordinator items --limit 8",
	"coordinator items --limit 40 # through $PAGER",
	"coordinator items --format sfeed --limit 40 | wc -l",
	"coordinator refresh --dry-run --no-pager",
	"coordinator feeds prune --keep 10",
	"coordinator feed list",
	"coordinator feeds lsit",
	"coordinator refresh subs.opml",
	"coordinator items --since tomorow",
	"coordinator items --feed feed",
	"coordinator items --search word",
	"coordinator feeds set 1 --interval often",
	"coordinator feeds remove nowhere",
	"coordinator index --help",
}

// TestTerminalsShow what people get who have 80 columns, and 120: nothing is wider,
// and what it was when it was looked at last it still is. go test -run Terminals
// -update writes it anew, to be looked at.
func TestTerminalsShow(t *testing.T) {
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("no tmux here")
	}
	dir := t.TempDir()
	terminalStore(t, filepath.Join(dir, "feeds.db"))
	if err := os.WriteFile(filepath.Join(dir, "subs.opml"), []byte(`<opml version="2.0"><body/></opml>`), 0o600); err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	for _, line := range session {
		fmt.Fprintf(&script, "echo '$ %s'\n%s\n", line, line)
	}
	script.WriteString("exec tmux wait-for -S done\n")
	if err := os.WriteFile(filepath.Join(dir, "session"), []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, width := range []int{80, 120} {
		t.Run(strconv.Itoa(width), func(t *testing.T) {
			got := shown(t, dir, width)
			golden := filepath.Join("testdata", "terminal", fmt.Sprintf("%d.txt", width))
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := string(readFile(t, golden)); got != want {
				t.Errorf("%s: %s", golden, firstDifference(strings.Split(got, "\n"), strings.Split(want, "\n")))
			}
		})
	}
}

// aTime is what is another each time.
var aTime = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`)

// shown runs the session in a terminal and returns all that it showed.
func shown(t *testing.T, dir string, width int) string {
	t.Helper()
	socket := filepath.Join(dir, fmt.Sprintf("tmux-%d", width))
	tmux := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("tmux", append([]string{"-u", "-S", socket, "-f", "/dev/null"}, args...)...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH="+programs+string(os.PathListSeparator)+os.Getenv("PATH"), "HOME="+dir, "LC_ALL=C.UTF-8", "TZ=UTC",
			"FEEDMILL_DB=feeds.db", "XDG_CONFIG_HOME=", "COLUMNS=", "PAGER=sed -n '1s/^/paged: /;1,4p'", "TMUX=")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("tmux %q: %v: %s", args, err, out)
		}
		return string(out)
	}
	tmux("set-option", "-g", "history-limit", "5000", ";", "set-option", "-g", "remain-on-exit", "on", ";",
		"new-session", "-d", "-x", strconv.Itoa(width), "-y", "24", "sh", "session")
	defer tmux("kill-server")
	tmux("wait-for", "done")
	text := tmux("capture-pane", "-p", "-S", "-")
	text, _, _ = strings.Cut(text, "\nPane is dead")
	return aTime.ReplaceAllString(strings.TrimRight(text, "\n")+"\n", "YYYY-MM-DD hh:mm:ss")
}

// terminalStore makes a store with names of every width.
func terminalStore(t *testing.T, path string) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	names := []string{"Short", "한국어로 된 아주 긴 이름을 가진 피드", "A name that is much longer than there is room for in any table that people look at, to say nothing of mine", "Ünïcödé 🚲", ""}
	folders := []string{"", "News", "News/Local", "Technology/Programming languages/Go\nNews"}
	var list []feeds.Subscription
	for i := range 30 {
		list = append(list, feeds.Subscription{URL: fmt.Sprintf("https://host%d.example/some/path/to/feed%d.xml", i%7, i), Title: names[i%len(names)], Category: folders[i%len(folders)]})
	}
	done, err := db.Subscribe(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	var outcomes []feeds.Outcome
	for i, d := range done[:20] {
		o := feeds.Outcome{At: now.Add(-150 * time.Minute), NextDue: now.Add(150 * time.Minute)}
		o.ID, o.Class = d.ID, feeds.OK
		switch i % 5 {
		case 3:
			o.Class, o.Detail, o.Fails = feeds.HTTPError, "404 Not Found", 1
		case 4:
			o.Class, o.Fails, o.Detail = feeds.Connect, i, "connection refused by a server with a long story about it that goes on and on"
		default:
			for k := range 4 {
				o.Items = append(o.Items, feeds.Item{Key: feeds.Key{byte(i), byte(k)}, Hash: 1, Published: 1_700_000_000 + int64(i*k)*100_000,
					Title: strings.Repeat(names[(i+k)%4]+" ", 1+k)})
			}
		}
		outcomes = append(outcomes, o)
	}
	if _, err := db.Save(t.Context(), outcomes); err != nil {
		t.Fatal(err)
	}
}
