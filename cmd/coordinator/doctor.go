package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc/board"
	"feedmill/internal/ipc/carrier"
	"feedmill/internal/pool"
	"feedmill/internal/sandbox"
	"feedmill/internal/store"
	"feedmill/internal/store/postgres"
	"feedmill/internal/terminal"
	"feedmill/internal/version"
)

const doctorLong = `Look at everything that a refresh needs: the worker program (it is started and
must say Hello), the store (every invariant is checked), the sandbox that this
system can give, how servers see who asks, and the limits of this machine.

Exit status is 0 when a refresh could run, 1 when the worker is in the way, and
4 when the store is.`

func (a *app) doctorCommand() *cobra.Command {
	var r runnerFlags
	c := &cobra.Command{
		Use:     "doctor",
		Short:   "Check the worker, the store, the sandbox and this machine's limits",
		Long:    doctorLong,
		Example: "  coordinator doctor",
		Args:    noArguments,
		RunE:    func(c *cobra.Command, _ []string) error { return a.doctor(c.Context(), &r) },
	}
	r.register(a, c)
	return c
}

// doctor prints what it finds, all of it, and then fails with the first
// problem.
func (a *app) doctor(ctx context.Context, r *runnerFlags) error {
	if err := r.complete(); err != nil {
		return err
	}
	var text bytes.Buffer
	w := tabwriter.NewWriter(&text, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "coordinator\t%s, %s\n", version.Build(), runtime.Version())
	errs := []error{a.examineWorker(ctx, w, r), a.examineStore(ctx, w)}
	fmt.Fprintf(w, "sandbox\t%v (what this system can give)\n", sandbox.Probe())
	fmt.Fprintf(w, "blame\t%s\n", examineScoreboard())
	errs = append(errs, examineAgent(w))
	fmt.Fprintf(w, "machine\t%d CPUs, %s\n", runtime.NumCPU(), limits())
	w.Flush()
	if _, err := (redacted{a.stdout}).Write(text.Bytes()); err != nil {
		return fmt.Errorf("print findings: %w", err)
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// examineWorker starts one worker for no job at all.
func (a *app) examineWorker(ctx context.Context, w *tabwriter.Writer, r *runnerFlags) error {
	path, err := pool.Find(r.worker)
	var hello pool.Greeting
	if err == nil {
		o := pool.Options{Path: path, Args: r.workerArgs(), Build: version.Build(), Logger: a.logger()}
		if r.mode.value != goroutineMode {
			o.Mode = carrier.Mode(r.mode.value)
		}
		hello, err = pool.Greet(ctx, o)
	}
	if err != nil {
		fmt.Fprintf(w, "worker\t%s\n", terminal.Printable(err.Error()))
		return r.problem(err)
	}
	fmt.Fprintf(w, "worker\t%s, %s, says Hello after %v, sandbox: %s\n", path, hello.Build, hello.After.Round(100_000), hello.Sandbox)
	if hello.Build != version.Build() {
		fmt.Fprintf(w, "\tnot built from the same source as the coordinator: make build\n")
	}
	return nil
}

// examineAgent says what servers see of who asks.
func examineAgent(w *tabwriter.Writer) error {
	fetch := fetchFlags{timeout: feeds.DefaultTimeout}
	if err := fetch.check(); err != nil {
		fmt.Fprintf(w, "servers see\t%s\n", terminal.Printable(err.Error()))
		return err
	}
	hint := ""
	if fetch.contact == "" {
		hint = ", and cannot tell whom to ask: set " + contactVariable + " to a URL that says who you are"
	}
	fmt.Fprintf(w, "servers see\t%s%s\n", fetch.agent(), hint)
	return nil
}

// examineScoreboard says how it is known what a worker did that has died.
func examineScoreboard() string {
	board, err := board.New()
	if errors.Is(err, errors.ErrUnsupported) {
		err = errors.New("not built for " + runtime.GOOS)
	}
	if err != nil {
		return fmt.Sprintf("from a worker's messages alone (no scoreboard: %v)", err)
	}
	board.Close()
	return "from a scoreboard in memory that outlives its worker"
}

// examineStore checks the store, if there is one.
func (a *app) examineStore(ctx context.Context, w *tabwriter.Writer) error {
	path, err := a.dbPath()
	if err != nil {
		return err
	}
	shared := isShared(path)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) && !shared {
		if err := creatable(path); err != nil {
			fmt.Fprintf(w, "store\t%s is not there yet: %s\n", path, terminal.Printable(err.Error()))
			return &problem{code: exitStore, err: err, hint: "use another store with --db"}
		}
		fmt.Fprintf(w, "store\t%s is not there yet\n", path)
		return nil
	}
	db, err := a.openStore(ctx, store.Options{ReadOnly: true})
	if err != nil {
		fmt.Fprintf(w, "store\t%s\n", terminal.Printable(err.Error()))
		return err
	}
	defer db.Close()
	if err := db.Check(ctx); err != nil {
		fmt.Fprintf(w, "store\t%s\n", terminal.Printable(err.Error()))
		return storeProblem(path, err)
	}
	n, failing, items := 0, 0, 0
	for f, err := range db.Feeds(ctx, store.FeedQuery{}) {
		if err != nil {
			return storeProblem(path, err)
		}
		n++
		items += f.Items
		if f.Class != "" && !f.Class.OK() && f.Class != feeds.Cancelled {
			failing++
		}
	}
	if shared {
		return examineServer(ctx, w, db, n, failing, items)
	}
	size := int64(0)
	for _, name := range []string{path, path + "-wal"} { // what is not copied into the file yet counts, too
		if info, err := os.Stat(name); err == nil {
			size += info.Size()
		}
	}
	if err := writable(path); err != nil {
		fmt.Fprintf(w, "store\t%s\n", terminal.Printable(err.Error()))
		return &problem{code: exitStore, err: err, hint: "use another store with --db"}
	}
	fmt.Fprintf(w, "store\t%s is in order: %s (%d failing), %s, %s\n", path, count(n, "feed"), failing, count(items, "item"), humanize.IBytes(uint64(size)))
	return nil
}

// examineServer says what is known of a store on a server, in which every invariant
// holds.
func examineServer(ctx context.Context, w *tabwriter.Writer, db store.DB, n, failing, items int) error {
	fmt.Fprintf(w, "store\t%s is in order: %s (%d failing), %s\n", terminal.Printable(db.Path()), count(n, "feed"), failing, count(items, "item"))
	s, err := db.Status(ctx)
	if err != nil {
		return storeProblem(db.Path(), err)
	}
	fmt.Fprintf(w, "\tits clock is %v off ours; %s at work\n", time.Until(s.Now).Abs().Round(time.Millisecond), count(len(s.Owners), "coordinator"))
	for _, l := range s.Lost {
		fmt.Fprintf(w, "\t%s\n", lostLine(s.Now, l))
	}
	if server, ok := db.(*postgres.DB); ok {
		risks, err := server.Risks(ctx)
		if err != nil {
			return storeProblem(db.Path(), err)
		}
		for _, risk := range risks {
			fmt.Fprintf(w, "\t%s\n", risk)
		}
	}
	return nil
}

// creatable returns why a round could not make the store: it would make the
// folders that lack, so the nearest one that is there counts. What a folder
// allows is tried: modes do not tell of read-only systems, lists and root.
func creatable(path string) error {
	dir := filepath.Dir(path)
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			break
		}
	}
	f, err := os.CreateTemp(dir, ".feedmill-doctor-*")
	if err != nil {
		return fmt.Errorf("make store: %w", err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// writable returns why a round could not write the store or its lock.
func writable(path string) error {
	for _, name := range []string{path, path + ".lock"} {
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			return fmt.Errorf("write store: %w", err)
		}
	}
	return nil
}
