package report

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"feedmill/internal/bench/analyse"
	"feedmill/internal/bench/run"
)

// A document is what there is to say, in the order in which it is read, before
// it becomes Markdown or a page: both say the same, but the text has no charts.
type document struct {
	Headline string
	Doubts   []string // why the figures are not to be relied on
	Answer   []string
	Sections []section
}

// A section is one subject. More is folded away on the page.
type section struct {
	ID, Title  string
	Text       []string
	Chart      chart
	Table      *table
	After      []string
	More       *table
	Code, List []string
}

// A table has a caption, and a cell for each column in every row.
type table struct {
	Caption string
	Columns []string
	Rows    [][]string
}

func (t *table) add(cells ...string) { t.Rows = append(t.Rows, cells) }

// Number reports whether a column is set to the right: its cells are numbers.
func (t *table) Number(i int) bool {
	return i > 0 && !slices.ContainsFunc(t.Rows, func(r []string) bool {
		return r[i] != "" && !strings.ContainsRune("0123456789+−–", []rune(r[i])[0])
	})
}

// build makes the document. Subjects that there is nothing about are left out.
func build(f *analyse.Findings) document {
	d := document{Headline: headline(f), Answer: answer(f)}
	for _, why := range f.NotForPublication {
		d.Doubts = append(d.Doubts, "Not for publication: "+why+".")
	}
	for _, of := range []func(*analyse.Findings) section{
		questions, rounds, scales, losses, beside, lists, ledger, claimed, warned, method,
	} {
		if s := of(f); s.Table != nil && len(s.Table.Rows) > 0 || len(s.List)+len(s.Code) > 0 {
			d.Sections = append(d.Sections, s)
		}
	}
	return d
}

// compared is a table of pairs: each with what the base takes, so that a large
// ratio of little is seen to be little. CPU stands beside the clock.
func compared(caption, first, base string, pairs []analyse.Pair, name func(analyse.Pair) string) *table {
	t := &table{Caption: caption, Columns: []string{first, base + ", CPU a feed", "processes, CPU", "processes, clock", "memory"}}
	for _, p := range pairs {
		memory := "–"
		if p.Memory.Estimate != 0 {
			memory = size.signed(p.Memory.Estimate)
		}
		t.add(name(p), duration.format(p.CPU.Base), times(p.CPU), times(p.Wall), memory)
	}
	return t
}

// rounds is what people run: the first table, because it is their answer.
func rounds(f *analyse.Findings) section {
	few := f.Settings.Few()
	pairs := slices.DeleteFunc(slices.Clone(f.Rounds), func(p analyse.Pair) bool { return p.Cell.Feeds == few && few != f.Settings.Feeds })
	s := section{ID: "rounds", Title: "What a refresh costs", Text: []string{fmt.Sprintf(
		"The real program as people run it: coordinator refresh, start to end, every item stored durably, %d generated feeds of %d items of %s, %d workers. "+
			"Worker processes over goroutines, both of the same program.", f.Settings.Feeds, f.Settings.Items, size.format(float64(f.Settings.Bytes)), f.Settings.Workers)}}
	name := func(p analyse.Pair) string { return work(p.Cell) }
	s.Table = compared("Worker processes over goroutines, with 95 % intervals", "a refresh", "goroutines", pairs, name)
	s.After = []string{"× is of what goroutines take; “not seen” is a difference that may be none, or that the same work against itself came to as well; “at the edge” is what another run may see or not. " +
		"Memory is the sum of the peaks of all processes. “One CPU” holds all processes to one CPU of the system; GOMAXPROCS=1 would give each of them one."}
	s.Chart = ratios(pairs, name)
	return s
}

// scales is what the same comes to for lists of people's sizes.
func scales(f *analyse.Findings) section {
	s := section{ID: "scales", Title: "For 300, 5,000 and 100,000 feeds", Text: []string{fmt.Sprintf(
		"Starting workers is paid once for a round, whatever its size; the rest is paid by the feed. CPU time of whole rounds, calculated on the line through rounds of %d and %d feeds.", f.Settings.Few(), f.Settings.Feeds)},
		Table: &table{Caption: "CPU time of a round", Columns: []string{"", "goroutines", "processes", "processes, more"}}}
	for _, c := range f.Scales {
		name := "paid once"
		if c.Feeds > 0 {
			name = many(c.Feeds, "feed")
		}
		s.Table.add(work(run.Cell{Work: c.Work, Items: 1})+": "+name, duration.format(c.Goroutines.Estimate), duration.format(c.Processes.Estimate), duration.difference(c.More))
	}
	return s
}

// killers says what each of run.Killers does.
var killers = map[string]string{"stack": "overflows the stack (gofeed)", "memory": "eats 512 MiB (encoding/xml)", "time": "takes minutes (gofeed)"}

// losses is what the price is paid for.
func losses(f *analyse.Findings) section {
	s := section{ID: "losses", Title: "What it buys",
		Text: []string{"One document among the feeds kills the parser that reads it, as many programs run that parser: with no guard before it. " +
			"Where it stands is drawn anew each time. A program of goroutines dies with it, and whatever is unanswered then is lost, be it much or little; a worker process dies alone, is replaced, and the document is given up."},
		Table: &table{Caption: "Innocent feeds left without a list", Columns: []string{"the document", "mode", "rounds", "program died", "lost, least", "median", "most", "ended later by"}}}
	for _, l := range f.Losses {
		n := len(l.Lost)
		late := "–"
		if l.Died < l.Runs {
			late = duration.difference(l.Recovery)
		}
		s.Table.add(killers[l.Killer], people(l.Mode), fmt.Sprint(l.Runs), fmt.Sprint(l.Died), fmt.Sprint(l.Lost[0]), fmt.Sprint(l.Lost[n/2]), fmt.Sprint(l.Lost[n-1]), late)
	}
	for _, k := range run.Killers {
		s.After = append(s.After, fmt.Sprintf("%s: %s: %s.", upper(k.Name), k.Parser, k.What))
	}
	for _, k := range f.Kits {
		end := map[bool]string{true: "came to its end", false: "DIED"}[k.Survived]
		s.After = append(s.After, fmt.Sprintf("This project's own readers look before they parse: of its %d hostile answers and documents, %d ended with a class of their own in %s, %s died, and the program %s.",
			k.Cases, k.Answered, people(k.Mode), many(k.Deaths, "worker"), end))
	}
	if len(f.Kits) > 0 {
		s.After = append(s.After, "So what is left for processes to catch is what nobody has thought of yet.")
	}
	return s
}

// beside is what others pay for a document that is no killer.
func beside(f *analyse.Findings) section {
	s := section{ID: "beside", Title: "Beside a document that is slow or large", Text: []string{
		"No killer, and no guard that would stop it: among other feeds one document takes its time, or much memory that is free again after it. " +
			"What the others pay is in the time from which each was handed out until it was there, the collector's work for the large one included; what stays is the memory of all processes when all was done. " +
			"A worker that has grown is replaced by then."},
		Table: &table{Caption: "The feeds beside it", Columns: []string{"the document", "mode", "rounds", "99 % there within", "later than without it", "memory that stays"}}}
	for _, b := range f.Beside {
		s.Table.add(b.Document, people(b.Mode), fmt.Sprint(b.Runs), duration.format(b.Tail.Estimate)+" "+duration.bounds(b.Tail), duration.difference(b.Later), size.difference(b.Kept))
	}
	for _, k := range run.Burdens {
		s.After = append(s.After, fmt.Sprintf("%s: %s: %s.", upper(k.Name), k.Parser, k.What))
	}
	return s
}

// lists is the article's experiment.
func lists(f *analyse.Findings) section {
	s := section{ID: "lists", Title: "The article's experiment", Text: []string{
		"Not what a refresh does: here every list is sent back whole and kept in a dictionary, nothing is fetched and nothing stored. It shows what a message is: a copy. " +
			"Goroutines hand over a pointer, so the ratio is large and says little; look at the microseconds."}}
	var ours, python []analyse.Pair
	for _, p := range f.Lists {
		switch {
		case p.Cell.InPython():
			python = append(python, p)
		case p.Cell.Mode != run.Codec && p.Cell.Mode != run.LocalPipe:
			ours = append(ours, p)
		}
	}
	s.Table = compared(fmt.Sprintf("Lists of %d items of %s, over goroutines", f.Settings.Items, size.format(float64(f.Settings.Bytes))), "work and mode", "goroutines", ours,
		func(p analyse.Pair) string { return work(p.Cell) + ": " + people(p.Cell.Mode) })
	s.More = compared("CPython, over its own threads", "work and program", "threads", python,
		func(p analyse.Pair) string {
			return fmt.Sprintf("%s: %s, %s", work(p.Cell), strings.TrimPrefix(p.Cell.Mode, "python-"), f.Environment.Pythons[p.Cell.Python-1].Name)
		})
	return s
}

// ledger says where the gap goes, twice over.
func ledger(f *analyse.Findings) section {
	s := section{ID: "ledger", Title: "Where the copy's price goes"}
	l := f.Ledger
	if l == nil {
		return s
	}
	s.Text = []string{fmt.Sprintf("Sending a list back takes goroutines %s of CPU time and processes %s more %s. Each step (a rung of a ladder) adds one mechanism to the one before; their differences, taken in the same blocks, add up to the whole exactly. "+
		"Beside each stands the same measured another way: clocks around the stages, page faults and switches at prices calibrated in the same run.",
		duration.format(l.Foot.Estimate), duration.format(l.Gap.Estimate), duration.bounds(l.Gap))}
	s.Table = &table{Caption: "CPU time a feed, each step estimated twice", Columns: []string{"step", "by difference", "by clocks and counts", "apart", "they"}}
	s.More = &table{Caption: "What the clocks and counts are made of", Columns: []string{"step", "part", "CPU time", "how"}}
	add := func(r *analyse.Row) {
		they := "meet"
		if !r.Meets() {
			they = "do not meet"
			s.After = append(s.After, fmt.Sprintf("%s: the two are %s apart. %s", upper(r.Name), duration.difference(r.Apart), r.Tried))
		}
		s.Table.add(r.Name+": "+r.What, duration.difference(r.Ladder), duration.difference(r.Direct), duration.difference(r.Apart), they)
		for _, p := range r.Parts {
			s.More.add(r.Name, p.Name, duration.difference(p.Value), p.Method)
		}
	}
	for i := range l.Rows {
		add(&l.Rows[i])
	}
	s.Table.add("together", duration.difference(l.Gap), "", "", "")
	return s
}

// claimed is what the article says, and how it fared.
func claimed(f *analyse.Findings) section {
	s := section{ID: "claims", Title: "The article, claim by claim", Text: []string{
		"“Revisiting Python’s Hardest Problem” refreshes feeds by threads that share a dictionary and by processes that copy. The same lists in Go and in every Python that was found, in the same blocks."},
		Table: &table{Caption: "Claims and measurements", Columns: []string{"claim", "in Go"}}}
	for _, p := range f.Environment.Pythons {
		lock := "with the global lock"
		if p.Free {
			lock = "without a global lock"
		}
		s.Table.Columns = append(s.Table.Columns, "in "+p.Name+", "+lock)
	}
	for _, c := range f.Claims {
		cells := []string{upper(c.Says)}
		for _, v := range c.Verdicts {
			cell := v.Holds
			if v.Figure != "" {
				cell += ": " + v.Figure
			}
			cells = append(cells, cell)
		}
		s.Table.Rows = append(s.Table.Rows, cells)
	}
	return s
}

func warned(f *analyse.Findings) section {
	s := section{ID: "warnings", Title: "Warnings"}
	for _, w := range f.Warnings {
		s.List = append(s.List, w.Kind+": "+w.Text)
	}
	return s
}

// method is how it was measured, on what, and how to do it again.
func method(f *analyse.Findings) section {
	set, e := f.Settings, f.Environment
	s := section{ID: "method", Title: "Method and machine", Text: []string{fmt.Sprintf(
		"%s of %s in random order (seed %d): each block runs every cell once, and comparisons are made inside a block, so that what drifts meets both sides alike. "+
			"The count was fixed beforehand. Intervals are at 95 %%, from %d resamples of invocations and of the blocks in them; verdicts are after Holm's correction of Mann-Whitney's P for all %d comparisons. "+
			"CPU time is of the coordinator and all its workers; that of the origin is in no figure. The results of all modes must hash the same, or a mode has no figures.",
		many(set.Invocations, "fresh invocation"), many(set.Blocks, "block"), set.Seed, set.Resamples, 2*(len(f.Rounds)+len(f.Lists)+len(f.Twins)))}}
	s.Table = &table{Caption: "Machine and build", Columns: []string{"what", "here"}, Rows: [][]string{
		{"system", e.OS + "/" + e.Arch + " " + e.Kernel}, {"processor", fmt.Sprintf("%s, %s", e.CPU, many(e.CPUs, "CPU"))}, {"memory", size.format(float64(e.Memory))},
		{"Go, build", e.Go + ", " + e.Build}, {"load when it began", fmt.Sprintf("%.2f", e.LoadAverage)},
		{"began, took", f.Started.UTC().Format("2006-01-02 15:04") + " UTC, " + duration.format(float64(f.Elapsed))}, {"samples", fmt.Sprint(len(f.Samples))},
	}}
	s.More = &table{Caption: "What the same work against itself came to", Columns: []string{"cell", "CPU", "clock"}}
	for _, t := range f.Twins {
		s.More.add(t.Base.Name, times(t.CPU), times(t.Wall))
	}
	s.Code = []string{strings.Join(quoted(f.Command), " ")}
	return s
}

// plain is a word that a shell takes as it is.
var plain = regexp.MustCompile(`^[-\w=,./:+@%]+$`)

// quoted makes words safe to type where they need it.
func quoted(words []string) []string {
	all := slices.Clone(words)
	for i, w := range words {
		if !plain.MatchString(w) {
			all[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return all
}
