package report

import (
	"fmt"
	"slices"
	"strings"

	"feedmill/internal/bench/analyse"
	"feedmill/internal/bench/run"
	"feedmill/internal/bench/stats"
)

// pick returns the first pair of rounds or lists whose cell is one.
func pick(f *analyse.Findings, is func(run.Cell) bool) (p analyse.Pair, ok bool) {
	for _, p := range slices.Concat(f.Rounds, f.Lists) {
		if is(p.Cell) {
			return p, true
		}
	}
	return p, false
}

// central returns the pair of processes that do w with no factor but those of the
// centre.
func central(f *analyse.Findings, w run.Work) (analyse.Pair, bool) {
	c := f.Settings.At(w, run.Pipe)
	return pick(f, func(have run.Cell) bool {
		c.ID, c.Name = have.ID, have.Name
		return have == c
	})
}

// took says how a measure compares, in words: a difference that another run may not
// see is one that there may be.
func took(m analyse.Measure, what string) string {
	switch m.Verdict {
	case analyse.NotSeen:
		return "no more " + what + " that could be seen"
	case analyse.AtTheEdge:
		return "perhaps " + percent(m.Ratio.Estimate) + " " + what
	}
	return percent(m.Ratio.Estimate) + " " + what
}

// told is took with the interval.
func told(m analyse.Measure, what string) string {
	return fmt.Sprintf("%s [%s×,\u00a0%s×]", took(m, what), figures(m.Ratio.Low), figures(m.Ratio.High))
}

// died counts the rounds with a killer in one mode, those that died of it and
// the innocent feeds that each lost.
func died(f *analyse.Findings, mode string) (runs, dead, feeds int, lost []int) {
	for _, l := range f.Losses {
		if l.Mode == mode {
			runs, dead, feeds, lost = runs+l.Runs, dead+l.Died, l.Feeds, append(lost, l.Lost...)
		}
	}
	slices.Sort(lost)
	return runs, dead, feeds, lost
}

// unnoticed is the ratio on the clock up to which nobody notices.
const unnoticed = 1.05

// headline is the answer in one line.
func headline(f *analyse.Findings) string {
	p, ok := central(f, run.AllNew)
	switch {
	case !ok:
		return "No answer: the real program was not measured."
	case p.CPU.Verdict == analyse.NotSeen && p.Wall.Verdict == analyse.NotSeen:
		return fmt.Sprintf("To refresh %d new feeds, processes cost nothing that this run could see.", f.Settings.Feeds)
	}
	return fmt.Sprintf("To refresh %d new feeds, processes take %s and %s.", f.Settings.Feeds, took(p.CPU, "CPU time"), took(p.Wall, "time on the clock"))
}

// answer is what the run says to those who read no further: when processes cost
// nothing that one would notice, when they do, what they save, and for whom.
func answer(f *analyse.Findings) (all []string) {
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if p, ok := pick(f, func(c run.Cell) bool { return c.Work == run.AllNew && c.Latency > 0 }); ok {
		notice := "You will hardly notice them where a program waits"
		if p.Wall.Verdict == analyse.Higher && p.Wall.Ratio.High > unnoticed {
			notice = "You notice them even where a program waits"
		}
		say("%s: from servers %s away a refresh takes %s.", notice, duration.exact(p.Cell.Latency), told(p.Wall, "time"))
	}
	var parts []string
	for _, w := range []struct {
		work run.Work
		when string
	}{{run.AllNew, "every feed is new"}, {run.TenthNew, "a tenth of them has news"}, {run.NothingNew, "nothing is new"}} {
		if p, ok := central(f, w.work); ok {
			parts = append(parts, told(p.CPU, "CPU time")+" when "+w.when)
		}
	}
	if len(parts) > 0 {
		once := ""
		if i := slices.IndexFunc(f.Scales, func(s analyse.Scale) bool { return s.Feeds == 0 && s.More.Low > 0 }); i >= 0 {
			once = fmt.Sprintf(" Of that %s are paid once, to start %s, however many feeds there are.", duration.format(f.Scales[i].More.Estimate), many(f.Settings.Workers, "worker"))
		}
		say("You pay in CPU time: %s.%s", strings.Join(parts, "; "), once)
	}
	runs, dead, feeds, lost := died(f, run.Goroutine)
	with, alone, _, saved := died(f, run.Pipe)
	if runs > 0 && with > 0 {
		most := fmt.Sprintf("at most %d", saved[len(saved)-1])
		if alone == 0 && saved[len(saved)-1] == 0 {
			most = fmt.Sprintf("none (with 95\u00a0%% confidence fewer than %.0f\u00a0%% of such rounds lose any)", 100*stats.AtMost(with))
		}
		say("They save the rest when one document kills its parser: in %d of %d rounds the program of goroutines died or hung, and left %d to %d of %d innocent feeds (half of the times more than %d) without an answer. "+
			"Of the programs with processes %d of %d died, and they lost %s.", dead, runs, lost[0], lost[len(lost)-1], feeds, lost[len(lost)/2], alone, with, most)
	}
	say("So they are for those who parse what strangers wrote with parsers that are not their own: C libraries, plug-ins, anything that may crash, hang or eat memory. With a parser that checks a document first, as this project's do, they are an insurance against what nobody has thought of.")
	return all
}

// questions are those that people have, each answered with figures of the run. An
// answer is a line, so that all of them are on the first screen.
func questions(f *analyse.Findings) section {
	s := section{ID: "questions", Title: "Should my program use processes?", Table: &table{Caption: "By what it does", Columns: []string{"my program", "processes?", "because here"}}}
	const mayDie = "if a parser may die"
	ask := func(ok bool, who, answer, because string) {
		if ok {
			s.Table.add(who, answer, because)
		}
	}
	both := func(p analyse.Pair) string { return "CPU time " + times(p.CPU) + ", clock " + times(p.Wall) }
	yes := map[bool]string{true: "yes", false: "no"}
	runs, dead, _, _ := died(f, run.Goroutine)
	parse, ok := central(f, run.Parse)
	price := "some CPU time"
	if ok {
		price = duration.difference(parse.CPU.More.Times(10_000)) + " of CPU time"
	}
	ask(runs > 0, "parses 10,000 files with a library that may crash", "yes", fmt.Sprintf("for %s; without them a crash ended %d of %d programs, and no recover() helps", price, dead, runs))
	one, ok := pick(f, func(c run.Cell) bool { return c.OneCPU })
	ask(ok, "has some hundred feeds and one core", mayDie, both(one))
	same, ok := central(f, run.NothingNew)
	ask(ok, "asks every quarter of an hour, mostly for nothing", mayDie, duration.difference(same.CPU.More.Times(float64(same.Cell.Feeds)))+" of CPU time a round")
	if i := slices.IndexFunc(f.Scales, func(s analyse.Scale) bool { return s.Feeds == 100_000 }); i >= 0 {
		ask(true, "has 100,000 feeds", mayDie, "all new: "+duration.difference(f.Scales[i].More)+" of CPU time beside "+duration.format(f.Scales[i].Goroutines.Estimate))
	}
	all, ok := central(f, run.AllNew)
	ask(ok, "has little memory", "no", size.signed(all.Memory.Estimate)+" for "+many(f.Settings.Workers, "worker")+", the peaks of all processes together")
	for _, k := range f.Kits {
		ask(k.Mode == run.Goroutine, "has a parser that looks before it parses", "as an insurance", fmt.Sprintf("of %d hostile documents %d ended well in goroutines, too", k.Cases, k.Answered))
	}
	later := make(map[string]stats.Interval)
	for _, b := range f.Beside {
		if b.Document == "slow" {
			later[b.Mode] = b.Later
		}
	}
	in, out := later[run.Goroutine], later[run.Pipe]
	fairer := "not seen"
	if out.High < in.Low || in.High < out.Low {
		fairer = yes[out.High < in.Low]
	}
	ask(len(later) == 2, "meets a document that takes half a second", fairer, fmt.Sprintf("it holds others up by %s in processes, %s in goroutines", duration.difference(out), duration.difference(in)))
	ask(parse.Cell.Feeds > 0, "is in Go and should be faster", yes[parse.Wall.Verdict == analyse.Lower], both(parse)+": goroutines use every CPU already")
	for i, p := range f.Environment.Pythons {
		pair, ok := pick(f, func(c run.Cell) bool { return c.Work == run.Parse && c.Mode == run.PythonPipe && c.Python == i+1 })
		ask(ok, "is in "+p.Name+" and should be faster", yes[pair.Wall.Verdict == analyse.Lower], both(pair))
	}
	ship, ok := central(f, run.Ship)
	ask(ok, "sends large results between its parts", "not for that", fmt.Sprintf("a list of %s costs %s of CPU time to send", size.format(float64(f.Settings.Items*f.Settings.Bytes)), duration.difference(ship.CPU.More)))
	return s
}
