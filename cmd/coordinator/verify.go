package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/fetch"
	"feedmill/internal/feeds/read"
	"feedmill/internal/ipc/carrier"
	"feedmill/internal/origin"
	"feedmill/internal/refresh"
	"feedmill/internal/store"
	"feedmill/internal/store/sqlite"
	"feedmill/internal/terminal"
)

const verifyLong = `Refresh the same feeds in every mode, and with each reader of feeds, and say
whether the stores agree.

Each feed is asked for once. What came is then served on a loopback address and
refreshed anew in each mode into a store of its own, so that no server is asked
again and news cannot make a difference. A feed that cannot be had is named and
left out. gofeed reads some things otherwise: of how many feeds it has another
opinion is said; items that it alone finds are a difference.

LIST is a file of URLs, one a line, or OPML; - is standard input; or a URL.

One of the modes reads feeds within this program: a document that kills whoever
reads it ends verify, too. The exit status is 3 when stores differ.`

type verify struct {
	runner runnerFlags
	fetch  fetchFlags
	quiet  bool
}

func (a *app) verifyCommand() *cobra.Command {
	v := &verify{}
	c := &cobra.Command{
		Use:     "verify LIST ...",
		Short:   "Refresh the same feeds in every mode and compare the stores",
		Long:    verifyLong,
		Example: "  coordinator verify subscriptions.opml\n  coordinator verify feeds.txt --workers 4\n  coordinator verify https://example.org/feed.xml",
		Args:    someArguments,
		RunE:    func(c *cobra.Command, args []string) error { return a.verify(c.Context(), v, args) },
	}
	f := c.Flags()
	v.runner.registerWorkers(a, c)
	v.fetch.register(f)
	f.BoolVarP(&v.quiet, "quiet", "q", false, "no progress")
	return c
}

// A way is one of the ways that are compared.
type way struct{ mode, parser string }

func (m way) String() string { return m.mode + ", reader " + m.parser }

// ways returns the ways of this system. The first is what the others are
// compared with; the one without processes comes last.
func ways() []way {
	all := []way{{string(carrier.Pipe), "auto"}, {string(carrier.Pipe), "gofeed"}}
	for _, m := range modes {
		if m != string(carrier.Pipe) && m != goroutineMode && slices.Contains(carrier.Modes(), carrier.Mode(m)) {
			all = append(all, way{m, "auto"})
		}
	}
	return append(all, way{goroutineMode, "auto"})
}

func (a *app) verify(ctx context.Context, v *verify, args []string) error {
	if err := errors.Join(v.fetch.check(), v.runner.complete()); err != nil {
		return err
	}
	in := &input{given: true, feeds: newGathering()}
	defer in.feeds.close()
	if err := a.readAny(in, args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "feedmill-verify-")
	if err != nil {
		return &problem{code: exitStore, err: err, hint: "set TMPDIR to a folder that can be written"}
	}
	defer os.RemoveAll(dir)
	kept, err := a.collect(ctx, v, in, dir)
	if err != nil {
		return err
	}
	if len(kept.names) == 0 {
		fmt.Fprintln(a.stderr, "coordinator: no feed is left to compare")
		return errFeeds
	}
	return a.compare(ctx, v, kept, dir)
}

// readAny reads arguments that are URLs, lists or OPML files.
func (a *app) readAny(in *input, args []string) error {
	for _, arg := range args {
		if strings.Contains(arg, "://") {
			url, err := feeds.SubscriptionURL(arg)
			if err != nil {
				in.refuse(arg, "", err)
				continue
			}
			if err := in.feeds.add(feeds.Subscription{URL: url}); err != nil {
				return err
			}
			continue
		}
		if err := a.read(context.Background(), feeds.Options{}, arg, in.readEither); err != nil {
			return err
		}
	}
	return nil
}

// A collection is what servers answered, kept in files.
type collection struct {
	dir string // of the files

	urls map[int64]string // where each feed is, by its id in the round

	mu    sync.Mutex       // guards the fields below, until the round is over
	names map[int64]string // of each feed's file, likewise
	err   error            // of writing them
}

// Guarding keeps a document. It is told of every one before it is read.
func (k *collection) Guarding(job int64, body []byte) {
	name := fmt.Sprintf("%06d.xml", job)
	if t := bytes.TrimSpace(body); len(t) > 0 && t[0] == '{' {
		name = fmt.Sprintf("%06d.json", job)
	}
	err := os.WriteFile(filepath.Join(k.dir, name), body, 0o600)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.names[job] = name
	k.err = errors.Join(k.err, err)
}

// has reports whether a job's document is kept. It may be asked while others
// come.
func (k *collection) has(job int64) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.names[job] != ""
}

// Parsing, Parsed and Read complete a feeds.Observer.
func (k *collection) Parsing(int64) {}
func (k *collection) Parsed(int64)  {}
func (k *collection) Read()         {}

// collect asks for every feed once, and keeps the documents. A feed without one
// is left out, and named.
func (a *app) collect(ctx context.Context, v *verify, in *input, dir string) (*collection, error) {
	k := &collection{dir: filepath.Join(dir, "documents"), names: make(map[int64]string), urls: make(map[int64]string)}
	list, err := collected(in.feeds.all())
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(k.dir, 0o700); err != nil {
		return nil, err
	}
	bars := terminal.NewProgress(a.stderr, v.quiet, true)
	for _, l := range in.refused {
		a.leftOut(l.URL, l.Class, l.Detail)
	}
	runner := &refresh.Goroutines{Workers: v.runner.workers, Options: v.fetch.options(),
		NewRefresher: func(o feeds.Options) (refresh.Refresher, error) {
			r, err := fetch.New(o, read.Read)
			if err == nil {
				r.Observe(k)
			}
			return r, err
		}}
	var failed []refresh.Report
	_, err = inStore(ctx, filepath.Join(dir, "asked.db"), list, func(db store.DB, refs []feeds.Ref) (refresh.Summary, error) {
		for _, ref := range refs {
			k.urls[ref.ID] = ref.URL
		}
		return refresh.Round(ctx, runner, db, refs, refresh.Options{
			Workers: v.runner.workers, Force: true, Logger: a.logger(),
			Planned:  bars.Planned,
			Finished: func(worker int, res *feeds.Result) { bars.Finished(worker, res.Class) },
			Stored: func(rep refresh.Report) {
				bars.Recorded(rep.Outcome.Class)
				if !k.has(rep.Outcome.ID) {
					failed = append(failed, rep)
				}
			},
		})
	})
	bars.Close()
	for _, rep := range failed {
		a.leftOut(feeds.RedactURL(rep.URL), rep.Outcome.Class, rep.Outcome.Detail)
	}
	return k, errors.Join(err, k.err)
}

// leftOut names a feed that is not compared.
func (a *app) leftOut(url string, class feeds.Class, detail string) {
	fmt.Fprintf(a.stdout, "left out: %s %s %s\n", class, terminal.Printable(url), terminal.Printable(detail))
}

// inStore has do refresh subs in a new store.
func inStore(ctx context.Context, path string, subs []feeds.Subscription, do func(store.DB, []feeds.Ref) (refresh.Summary, error)) (sum refresh.Summary, err error) {
	db, err := sqlite.Open(ctx, path, store.Options{Durability: store.Normal})
	if err != nil {
		return sum, storeProblem(path, err)
	}
	defer func() { err = errors.Join(err, storeProblem(path, db.Close())) }()
	if _, err := db.Subscribe(ctx, subs); err != nil {
		return sum, storeProblem(path, err)
	}
	refs, err := db.Due(ctx, store.DueQuery{Force: true})
	if err != nil {
		return sum, storeProblem(path, err)
	}
	return do(db, refs)
}

// compare refreshes the kept documents in every way and says what came of it.
func (a *app) compare(ctx context.Context, v *verify, k *collection, dir string) (err error) {
	server, err := origin.New(origin.Options{Addr: "127.0.0.1:0", Feeds: -1, Dir: k.dir})
	if err != nil {
		return fmt.Errorf("serve documents: %w", err)
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	go func() { served <- server.Run(serving) }()
	defer func() {
		stop()
		if e := <-served; e != nil { // what was compared means nothing then
			err = fmt.Errorf("serve documents: %w", e)
		}
	}()

	var subs []feeds.Subscription
	from := make(map[string]string) // where the document at a URL came from
	for id, name := range k.names {
		u := fmt.Sprintf("http://%s/dir/%s", server.Addr(), name)
		subs, from[u] = append(subs, feeds.Subscription{URL: u}), k.urls[id]
	}
	slices.SortFunc(subs, func(x, y feeds.Subscription) int { return strings.Compare(x.URL, y.URL) })

	differ, err := a.inEveryWay(ctx, v, subs, from, dir)
	if err != nil {
		return err
	}
	for _, u := range slices.Sorted(maps.Keys(differ)) {
		fmt.Fprintf(a.stdout, "differs: %s in %s\n", terminal.Printable(feeds.RedactURL(u)), strings.Join(differ[u], "; "))
	}
	if len(differ) > 0 {
		return errFeeds
	}
	_, err = fmt.Fprintf(a.stdout, "%s: all stores are the same\n", count(len(subs), "feed"))
	return printError(err)
}

// inEveryWay refreshes subs in every way, prints a line for each, and returns
// how feeds differ, by their URL.
func (a *app) inEveryWay(ctx context.Context, v *verify, subs []feeds.Subscription, from map[string]string, dir string) (map[string][]string, error) {
	out := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(out, "MODE\tREADER\tFEEDS\tITEMS\tTIME\tSTORE")
	var first map[string]store.Digest
	differ := make(map[string][]string)
	for i, m := range ways() {
		got, wall, err := a.inOneWay(ctx, v, m, filepath.Join(dir, fmt.Sprintf("%02d.db", i)), subs)
		if err != nil {
			return nil, fmt.Errorf("mode %s: %w", m, err)
		}
		items := 0
		for _, d := range got {
			items += d.Items
		}
		said := "is what the others are compared with"
		if first == nil {
			first = got
		} else {
			said = judgeDigests(first, got, m, from, differ)
		}
		fmt.Fprintf(out, "%s\t%s\t%d\t%d\t%s\t%s\n", m.mode, m.parser, len(got), items, wall.Round(time.Millisecond), said)
	}
	return differ, printError(out.Flush())
}

// inOneWay refreshes subs in one way and returns what is then stored.
func (a *app) inOneWay(ctx context.Context, v *verify, m way, path string, subs []feeds.Subscription) (got map[string]store.Digest, wall time.Duration, err error) {
	flags := v.runner
	flags.mode.value = m.mode
	o := feeds.Options{
		Ship: feeds.ShipAll, PerHost: 16, AllowNet: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		MaxBody: int64(v.fetch.maxBody),
	}
	if m.parser == "gofeed" {
		o.Parser = feeds.ParserGofeed
	}
	sum, err := inStore(ctx, path, subs, func(db store.DB, refs []feeds.Ref) (sum refresh.Summary, err error) {
		runner, err := flags.newRunner(refs, o, a.logger())
		if err != nil {
			return sum, err
		}
		sum, err = refresh.Round(ctx, runner, db, refs, refresh.Options{Workers: flags.workers, Force: true, Logger: a.logger()})
		if err == nil {
			got, err = store.Digests(ctx, db)
		}
		return sum, err
	})
	return got, sum.Wall, err
}

// judgeDigests compares what is stored with the first way's, notes for every
// feed that differs how it does, and returns what to say of it. gofeed is a second
// opinion: it may read texts otherwise, which is counted, and fewer items; but
// what it reads must have been read.
func judgeDigests(first, got map[string]store.Digest, m way, from map[string]string, differ map[string][]string) string {
	n := 0
	for u, want := range first {
		d, ok := got[u]
		if ok && d == want {
			continue
		}
		if !ok {
			d.Class = "missing"
		}
		n++
		if m.parser == "gofeed" && d.Items <= want.Items {
			continue
		}
		how := fmt.Sprintf("%s: %d items, %s, not %d, %s", m, d.Items, d.Class, want.Items, want.Class)
		if d.Items == want.Items && d.Class == want.Class {
			how = m.String() + ": other text"
		}
		differ[from[u]] = append(differ[from[u]], how)
	}
	switch {
	case n == 0:
		return "the same"
	case m.parser == "gofeed":
		return fmt.Sprintf("another opinion of %s", count(n, "feed"))
	}
	return fmt.Sprintf("%d feeds differ", n)
}
