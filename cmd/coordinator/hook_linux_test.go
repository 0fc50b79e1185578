package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"feedmill/internal/export"
	"feedmill/internal/feeds"
	"feedmill/internal/store"
	"feedmill/internal/store/sqlite"
)

// A shelf is a store of one feed, which is not due, and gets items now and then.
type shelf struct {
	path string
	id   int64
	n    int64 // items; their ids are 1 to n
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{path: filepath.Join(t.TempDir(), "feeds.db")}
	s.with(t, func(db store.DB) error {
		done, err := db.Subscribe(t.Context(), []feeds.Subscription{{URL: "https://example.org/feed"}})
		if err == nil {
			s.id = done[0].ID
		}
		return err
	})
	return s
}

func (s *shelf) with(t *testing.T, f func(store.DB) error) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), s.path, store.Options{Durability: store.Normal})
	if err == nil {
		err = f(db)
	}
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// add stores so many more items.
func (s *shelf) add(t *testing.T, items int) {
	t.Helper()
	o := feeds.Outcome{At: time.Now(), NextDue: time.Now().Add(time.Hour)}
	o.ID, o.Class = s.id, feeds.OK
	for range items {
		s.n++
		o.Items = append(o.Items, feeds.Item{Key: feeds.Key{byte(s.n), byte(s.n >> 8)}, Hash: 1, Title: strings.Repeat("x", 500)})
	}
	s.with(t, func(db store.DB) error { _, err := db.Save(t.Context(), []feeds.Outcome{o}); return err })
}

// at returns where a hook's cursor is, 0 before it has one.
func (s *shelf) at(t *testing.T, name string) (at int64) {
	t.Helper()
	s.with(t, func(db store.DB) error {
		all, _, err := whereHooksAre(t.Context(), db)
		at = all[name]
		return err
	})
	return at
}

// TestKilledHooksLoseNothing: rounds with a hook are killed at any moment, and so
// is the hook itself. Each item reaches it, none is given again that the cursor
// has passed, and the cursor passes none that was not given: of a command the
// whole last part comes again, of posts at most the last one.
func TestKilledHooksLoseNothing(t *testing.T) {
	t.Parallel()
	const runs = 12
	coordinator := filepath.Join(programs, "coordinator")
	for _, kind := range []string{"exec", "post"} {
		t.Run(kind, func(t *testing.T) {
			seed := rand.Uint64()
			random := rand.New(rand.NewPCG(seed, 0))
			s := newShelf(t)
			h := &heard{t: t, dir: t.TempDir()}
			flag, name := h.begin(kind)
			args := []string{"refresh", "--db", s.path, "--quiet", flag, name}
			round := func(after time.Duration) (code int) {
				cmd := exec.Command(coordinator, args...)
				var stderr bytes.Buffer
				cmd.Stderr = &stderr
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				h.caller(cmd.Process)
				timer := time.AfterFunc(after, func() { cmd.Process.Kill() })
				cmd.Wait() // for the hook, too: it has this standard error
				timer.Stop()
				if code = cmd.ProcessState.ExitCode(); code > 0 && code != exitHook {
					t.Fatalf("seed %d: exit status %d: %s", seed, code, &stderr)
				}
				return code
			}
			round(time.Minute) // from now on it is known
			began := time.Now()
			s.add(t, 150)
			round(time.Minute)
			whole, most := time.Since(began), int64(0)
			h.given()
			killed := 0
			for range runs {
				s.add(t, 20+random.IntN(200))
				before := s.at(t, kind+" "+name)
				h.die([]string{"", "", "", "$$", "$PPID"}[random.IntN(5)], random.IntN(100_000))
				after := time.Duration(random.Int64N(int64(whole) * 3 / 2))
				if random.IntN(3) == 0 {
					after = time.Minute
				}
				if code := round(after); code != 0 {
					killed++
				}
				ids, at := h.given(), s.at(t, kind+" "+name)
				for i, id := range ids {
					if want := before + 1 + int64(i); id != want {
						t.Fatalf("seed %d: item %d was given as the %d. after %d, want %d", seed, id, i+1, before, want)
					}
				}
				last := before + int64(len(ids))
				if at > last {
					t.Fatalf("seed %d: the cursor is at %d, and only up to %d was given", seed, at, last)
				}
				most = max(most, last-at)
			}
			h.die("", 0)
			if code := round(time.Minute); code != 0 || s.at(t, kind+" "+name) != s.n {
				t.Errorf("seed %d: in the end exit status %d and the cursor at %d, want 0 and %d", seed, code, s.at(t, kind+" "+name), s.n)
			}
			if kind == "post" && most > postItems {
				t.Errorf("seed %d: %d items are posted again, want at most %d", seed, most, postItems)
			}
			t.Logf("%d of %d runs were killed or failed, at most %d items come again", killed, runs, most)
		})
	}
}

// heard is what a hook was given.
type heard struct {
	t    *testing.T
	dir  string // of a command: got is what came, dying says who is killed after how much
	mu   sync.Mutex
	ids  []int64 // of posts
	who  string
	call *os.Process
	url  string       // of the server of posts, if there is one
	open atomic.Int64 // its connections
}

// settle waits for what a process that is gone has posted: its last request may
// be handled only now. Connections are accepted in their order, so when ours is,
// all of that process are known.
func (h *heard) settle() {
	h.t.Helper()
	if h.url == "" {
		return
	}
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, h.url, http.NoBody)
	if err != nil {
		h.t.Fatal(err)
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	resp.Body.Close()
	if !until(time.Minute, func() bool { return h.open.Load() == 0 }) {
		h.t.Fatalf("%d connections of a process that is gone are open after a minute", h.open.Load())
	}
}

// begin returns the flag of a hook that tells h, and its value.
func (h *heard) begin(kind string) (flag, value string) {
	if kind == "exec" {
		return "--exec", "cd " + h.dir + "; if [ -e dying ]; then . ./dying; fi; cat >>got"
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(h.post))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			h.open.Add(1)
		case http.StateClosed, http.StateHijacked:
			h.open.Add(-1)
		}
	}
	server.Start()
	h.t.Cleanup(server.Close)
	h.url = server.URL
	return "--post", server.URL + "/"
}

func (h *heard) post(w http.ResponseWriter, req *http.Request) {
	var body struct{ Items []export.Line }
	err := json.NewDecoder(req.Body).Decode(&body)
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case err != nil: // of one that was killed
		w.WriteHeader(http.StatusBadRequest)
	case h.who == "$$":
		w.WriteHeader(http.StatusGone)
	default:
		for _, l := range body.Items {
			h.ids = append(h.ids, l.ID)
		}
		if h.who == "$PPID" {
			h.call.Kill()
		}
	}
}

// caller is whose hook it is from now on.
func (h *heard) caller(p *os.Process) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.call = p
}

// die has the hook, $$, or its caller, $PPID, die when something was given, of a
// command so many bytes; or nobody.
func (h *heard) die(who string, bytes int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.who = who
	dying := filepath.Join(h.dir, "dying")
	os.Remove(dying)
	if who != "" {
		if err := os.WriteFile(dying, fmt.Appendf(nil, "head -c %d >>got; kill -9 %s\n", bytes, who), 0o600); err != nil {
			h.t.Fatal(err)
		}
	}
}

// given returns the ids of the items that were given whole since it was called
// last.
func (h *heard) given() []int64 {
	h.t.Helper()
	h.settle()
	h.mu.Lock()
	defer h.mu.Unlock()
	ids := h.ids
	h.ids = nil
	file, err := os.OpenFile(filepath.Join(h.dir, "got"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		h.t.Fatal(err)
	}
	defer file.Close()
	text, err := io.ReadAll(file)
	if err == nil {
		err = file.Truncate(0)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var l export.Line
		if json.Unmarshal(line, &l) != nil {
			break // cut
		}
		ids = append(ids, l.ID)
	}
	return ids
}
