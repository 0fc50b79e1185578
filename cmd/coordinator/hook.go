package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"feedmill/internal/export"
	"feedmill/internal/feeds"
	"feedmill/internal/hooks"
	"feedmill/internal/store"
	"feedmill/internal/version"
)

// postItems is how many items one post has at most.
const postItems = 100

// hookFlags say who is given new items after a round.
type hookFlags struct {
	exec, post []string
	key        string
}

func (r *hookFlags) register(f *pflag.FlagSet) {
	f.StringArrayVar(&r.exec, "exec", nil, "after the round run `COMMAND` with its new items, lines of JSON, on stdin; repeatable")
	f.StringArrayVar(&r.post, "post", nil, "after the round post its new items to `URL`, as JSON; repeatable")
	f.StringVar(&r.key, "post-key", "", "sign what is posted with the key in `FILE` (HMAC-SHA256)")
}

// A hook is one of those that are given items. Its cursor in the store says which
// it has had: it moves when the hook has ended well, so that a hook that failed,
// or was killed, is given its items again.
type hook struct {
	name string
	give func(ctx context.Context, db store.DB, at, last int64) error
}

// hooks returns the hooks that the flags name.
func (a *app) hooks(r *hookFlags) ([]hook, error) {
	key := ""
	if r.key != "" {
		b, err := os.ReadFile(r.key)
		if err != nil {
			return nil, usage("", "--post-key: %w", err)
		}
		key = strings.TrimSpace(string(b))
	}
	var all []hook
	for _, command := range r.exec {
		all = append(all, hook{"exec " + command, func(ctx context.Context, db store.DB, at, last int64) error {
			return a.execHook(ctx, db, command, at, last)
		}})
	}
	for _, url := range r.post {
		if _, err := webURL(url); err != nil {
			return nil, usage("", "--post %w", err)
		}
		p := &hooks.Post{URL: url, Key: key, Agent: "feedmill/" + version.Release()}
		all = append(all, hook{"post " + url, func(ctx context.Context, db store.DB, at, last int64) error {
			return postHook(ctx, db, p, "post "+url, at, last)
		}})
	}
	return all, nil
}

// noteHooks has the store remember from where on a hook that it does not know is
// given items: what comes from now on.
func noteHooks(ctx context.Context, db store.DB, all []hook) error {
	if len(all) == 0 {
		return nil
	}
	at, last, err := whereHooksAre(ctx, db)
	for _, h := range all {
		if _, known := at[h.name]; !known && err == nil {
			err = db.MoveCursor(ctx, store.Cursor{Name: h.name, At: last})
		}
	}
	return err
}

// whereHooksAre returns the places of all cursors, by name, and the last item.
func whereHooksAre(ctx context.Context, db store.DB) (at map[string]int64, last int64, err error) {
	all, err := db.Cursors(ctx)
	at = make(map[string]int64, len(all))
	for _, c := range all {
		at[c.Name] = c.At
	}
	if err == nil {
		last, err = db.LastItem(ctx)
	}
	return at, last, err
}

// runHooks gives every hook what it has not had. One that fails keeps no other
// from its items.
func runHooks(ctx context.Context, db store.DB, all []hook) error {
	if len(all) == 0 {
		return nil
	}
	at, last, err := whereHooksAre(ctx, db)
	if err != nil {
		return err
	}
	var failed []error
	for _, h := range all {
		if !anyItem(ctx, db, at[h.name], last) {
			continue
		}
		err := h.give(ctx, db, at[h.name], last)
		if err == nil {
			err = db.MoveCursor(ctx, store.Cursor{Name: h.name, At: last})
		}
		if err != nil {
			failed = append(failed, err)
		}
	}
	if err := errors.Join(failed...); err != nil {
		return &problem{code: exitHook, err: err, hint: "it is given these items again after the next round"}
	}
	return nil
}

// anyItem reports whether there is an item after at, up to last.
func anyItem(ctx context.Context, db store.DB, at, last int64) bool {
	for range db.Items(ctx, store.ItemQuery{After: at, Until: last, Limit: 1}) {
		return true // an error, too: giving the items finds it
	}
	return false
}

// execHook runs a command with the items after at, up to last, on its stdin.
func (a *app) execHook(ctx context.Context, db store.DB, command string, at, last int64) error {
	r, w := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := writeLines(w, db.Items(ctx, store.ItemQuery{After: at, Until: last}))
		w.CloseWithError(err)
		written <- err
	}()
	err := hooks.Exec(ctx, command, r, a.stdout, a.stderr)
	r.Close() // it need not have read all
	if lost := <-written; lost != nil && !errors.Is(lost, io.ErrClosedPipe) {
		return lost
	}
	return err
}

func writeLines(w io.Writer, all func(func(store.Item, error) bool)) error {
	out, err := export.New("jsonl", export.Options{Out: w})
	if err != nil {
		return err
	}
	for it, err := range all {
		if err == nil {
			err = out.Write(&it)
		}
		if err != nil {
			return err
		}
	}
	return out.Close()
}

// postHook posts the items after at, up to last, in parts; the cursor moves with
// each.
func postHook(ctx context.Context, db store.DB, p *hooks.Post, name string, at, last int64) error {
	var part []export.Line
	send := func() error {
		body, err := json.Marshal(map[string]any{"items": part})
		if err != nil {
			return err
		}
		if err := p.Send(ctx, body); err != nil {
			return errors.New(strings.ReplaceAll(err.Error(), p.URL, feeds.RedactURL(p.URL)))
		}
		at := part[len(part)-1].ID
		part = part[:0]
		return db.MoveCursor(ctx, store.Cursor{Name: name, At: at})
	}
	for it, err := range db.Items(ctx, store.ItemQuery{After: at, Until: last}) {
		if err != nil {
			return err
		}
		if part = append(part, export.NewLine(&it)); len(part) == postItems {
			if err := send(); err != nil {
				return err
			}
		}
	}
	if len(part) == 0 {
		return nil
	}
	return send()
}
