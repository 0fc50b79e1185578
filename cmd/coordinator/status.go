package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"feedmill/internal/export"
	"feedmill/internal/store"
	"feedmill/internal/terminal"
)

const statusLong = `Print how the store is doing: how many feeds wait and how late they are, what
the runs of the last hour and day came to, and, where several coordinators share
the store, who of them has how many domains, and which domains were not given
back: what ends coordinators again and again is refreshed alone from the third
time on, and from the sixth on left alone for a day.

--metrics FILE writes the same as OpenMetrics text, for a textfile collector; -
is standard output.`

type statusFlags struct {
	json    bool
	metrics string
}

func (a *app) statusCommand() *cobra.Command {
	var f statusFlags
	c := &cobra.Command{
		Use:     "status",
		Short:   "Print what is due, how late, and what runs came to",
		Long:    statusLong,
		Example: "  coordinator status\n  coordinator status --json",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withStore(c.Context(), store.Options{ReadOnly: true}, func(db store.DB) error {
				return a.status(c.Context(), db, &f)
			})
		},
	}
	c.Flags().BoolVar(&f.json, "json", false, "print one JSON object")
	c.Flags().StringVar(&f.metrics, "metrics", "", "write OpenMetrics text into `FILE` and print nothing else; - prints it")
	c.MarkFlagsMutuallyExclusive("json", "metrics")
	return c
}

// status prints how db is doing in the form that is asked for.
func (a *app) status(ctx context.Context, db store.DB, f *statusFlags) error {
	s, err := db.Status(ctx)
	if err != nil {
		return err
	}
	switch {
	case f.metrics == "-":
		_, err := a.stdout.Write(statusMetrics(&s))
		return printError(err)
	case f.metrics != "":
		if err := replaceFile(f.metrics, statusMetrics(&s)); err != nil {
			return usage("", "--metrics: %w", err)
		}
		return nil
	case f.json:
		return printError(export.JSON(a.stdout, newStatusLine(db.Path(), &s)))
	}
	return printError(printStatus(a.stdout, db.Path(), &s))
}

// printStatus prints for people.
func printStatus(out io.Writer, path string, s *store.Status) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "store\t%s, at %s\n", terminal.Printable(path), s.Now.In(zone).Format(time.DateTime))
	fmt.Fprintf(w, "feeds\t%d: %d due, %d paused, %d gone, %d that end their workers\n", s.Feeds, s.Due, s.Paused, s.Gone, s.Killers)
	switch {
	case s.Due == 0:
		fmt.Fprintf(w, "lag\tnone\n")
	case s.Due == s.Unasked:
		fmt.Fprintf(w, "lag\tunknown: what is due was never asked\n")
	default:
		fmt.Fprintf(w, "lag\t%s: what waits longest is due since %s\n", short(s.Lag()), s.Oldest.In(zone).Format(time.DateTime))
	}
	if s.Held > 0 {
		fmt.Fprintf(w, "left alone\t%s: they asked for it\n", count(s.Held, "domain"))
	}
	for _, t := range s.Runs {
		left := ""
		if n := t.Feeds - t.Succeeded - t.Failed; n > 0 {
			left = fmt.Sprintf(", %d not finished", n)
		}
		fmt.Fprintf(w, "last %s\t%s (%d not ended), %s (%.2f a second), %d failed%s, %d new, %d updated\n",
			short(t.Span), count(t.Runs, "run"), t.Unended, count(t.Succeeded+t.Failed, "feed"), float64(t.Succeeded+t.Failed)/t.Span.Seconds(), t.Failed, left, t.New, t.Updated)
	}
	if s.Shared {
		domains := 0
		for _, o := range s.Owners {
			domains += o.Domains
		}
		fmt.Fprintf(w, "leases\t%s with %s\n", count(len(s.Owners), "coordinator"), count(domains, "domain"))
		for _, o := range s.Owners {
			fmt.Fprintf(w, "\t%s  %s, the first until %s\n", terminal.Printable(o.Name), count(o.Domains, "domain"), o.Until.In(zone).Format(time.TimeOnly))
		}
	}
	for _, l := range s.Lost {
		fmt.Fprintf(w, "lost\t%s\n", lostLine(s.Now, l))
	}
	return w.Flush()
}

// lostLine says what is known of a domain that was not given back.
func lostLine(now time.Time, l store.LostDomain) string {
	until := ""
	if l.Until.After(now) {
		until = ", left alone until " + l.Until.In(zone).Format(time.DateTime)
	}
	return fmt.Sprintf("%s: %s in a row did not give it back%s", terminal.Printable(l.Domain), count(l.Lost, "holder"), until)
}

// statusLine is what status --json prints.
type statusLine struct {
	Type    string      `json:"type"` // "status"
	DB      string      `json:"db"`
	Now     time.Time   `json:"now"`
	Feeds   int         `json:"feeds"`
	Paused  int         `json:"paused"`
	Gone    int         `json:"gone"`
	Killers int         `json:"killers"`
	Due     int         `json:"due"`
	Unasked int         `json:"unasked"`
	Lag     float64     `json:"lag_seconds"`
	Held    int         `json:"held"`
	Runs    []runsJSON  `json:"runs"`
	Shared  bool        `json:"shared"`
	Leases  []ownerJSON `json:"leases"`
	Lost    []lostJSON  `json:"lost"`
}

type runsJSON struct {
	Span    float64 `json:"span_seconds"`
	Runs    int     `json:"runs"`
	Unended int     `json:"unended"`
	store.RunResult
}

type ownerJSON struct {
	Owner   string    `json:"owner"`
	Domains int       `json:"domains"`
	Until   time.Time `json:"until"`
}

type lostJSON struct {
	Domain string     `json:"domain"`
	Lost   int        `json:"lost"`
	Until  *time.Time `json:"left_alone_until"`
}

func newStatusLine(path string, s *store.Status) statusLine {
	l := statusLine{
		Type: "status", DB: path, Now: s.Now.UTC().Truncate(time.Second), Feeds: s.Feeds, Paused: s.Paused, Gone: s.Gone, Killers: s.Killers,
		Due: s.Due, Unasked: s.Unasked, Lag: s.Lag().Seconds(), Held: s.Held, Shared: s.Shared,
		Runs: []runsJSON{}, Leases: []ownerJSON{}, Lost: []lostJSON{},
	}
	for _, t := range s.Runs {
		l.Runs = append(l.Runs, runsJSON{t.Span.Seconds(), t.Runs, t.Unended, t.RunResult})
	}
	for _, o := range s.Owners {
		l.Leases = append(l.Leases, ownerJSON{o.Name, o.Domains, o.Until.UTC().Truncate(time.Second)})
	}
	for _, d := range s.Lost {
		l.Lost = append(l.Lost, lostJSON{d.Domain, d.Lost, known(d.Until)})
	}
	return l
}

// statusMetrics returns s as OpenMetrics text.
func statusMetrics(s *store.Status) []byte {
	var m gauges
	m.all([]gauge{
		{"feeds", "Feeds that are subscribed.", s.Feeds},
		{"feeds_paused", "Feeds that are paused.", s.Paused},
		{"feeds_gone", "Feeds that their servers said are gone.", s.Gone},
		{"feeds_killers", "Feeds whose last refresh ended a worker.", s.Killers},
		{"feeds_due", "Feeds that may be asked and wait for it.", s.Due},
		{"lag_seconds", "For how long the feed that waits longest has been due.", s.Lag().Seconds()},
		{"domains_held", "Domains that asked to be left alone.", s.Held},
		{"domains_lost", "Domains that their last holders did not give back.", len(s.Lost)},
	})
	m.head("leased_domains", "Domains that coordinators have now, by coordinator.")
	for _, o := range s.Owners {
		fmt.Fprintf(&m, "feedmill_leased_domains{owner=%s} %d\n", label(o.Name), o.Domains)
	}
	for _, by := range []struct {
		name, help string
		value      func(store.RunTotal) int
	}{
		{"runs", "Runs that began within a span up to now.", func(t store.RunTotal) int { return t.Runs }},
		{"runs_feeds", "Feeds that they refreshed.", func(t store.RunTotal) int { return t.Feeds }},
		{"runs_feeds_failed", "Feeds that they could not refresh.", func(t store.RunTotal) int { return t.Failed }},
		{"runs_items_new", "Items that they stored.", func(t store.RunTotal) int { return t.New }},
	} {
		m.head(by.name, by.help)
		for _, t := range s.Runs {
			fmt.Fprintf(&m, "feedmill_%s{span=\"%s\"} %d\n", by.name, short(t.Span), by.value(t))
		}
	}
	m.WriteString("# EOF\n")
	return m.Bytes()
}

// label spells a value of a label.
func label(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(value) + `"`
}
