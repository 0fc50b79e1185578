package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"feedmill/internal/bench"
)

// methodSection is how it was measured, on what, and how to do it again.
func methodSection(run *bench.Run) section {
	s := section{ID: "method", Title: "Method and machine"}
	set := run.Settings
	s.say(fmt.Sprintf("%s of %s in random order (seed %d): each block runs every cell once, and comparisons are made inside a block, "+
		"so that what drifts meets both sides alike. One further block of each invocation is thrown away. The count was fixed beforehand. "+
		"Intervals are at 95 %%, from %s resamples of invocations and of the blocks in them.",
		upper(many(set.Invocations, "fresh invocation")), many(set.Blocks, "block"), set.Seed, figures(float64(set.Resamples), 0)))
	s.say("CPU time is user and system time of the coordinator and all its workers; that of the origin is in no figure. " +
		"All modes had the same parallelism and the same GOGC. " + equalWork(run) + " " +
		"Memory is the proportional set size, which counts a shared page once.")
	s.tabulate(settingsTable(run))
	s.tabulate(machineTable(run.Environment))
	s.say("The same again:")
	s.Blocks = append(s.Blocks, block{Text: strings.Join(quoted(run.Command), " "), Title: commandBlock})
	return s
}

// equalWork says what the hashes of the results say.
func equalWork(run *bench.Run) string {
	if slices.ContainsFunc(run.Warnings, func(w bench.Warning) bool { return w.Kind == "unequal-work" }) {
		return "Their results did NOT all hash the same; the warnings say which."
	}
	return "The results of all modes hash the same, so the work was equal."
}

// commandBlock marks a paragraph that is to be typed.
const commandBlock = "command"

func settingsTable(run *bench.Run) table {
	set := run.Settings
	failed, outliers := 0, 0
	for _, s := range run.Samples {
		if s.Failed != "" {
			failed++
		}
		if s.Outlier {
			outliers++
		}
	}
	t := table{Caption: "Settings", Columns: []column{{Name: "setting"}, {Name: "value", Wrap: true}}}
	t.pair("profile", set.Profile)
	t.pair("work of the headline", workName(set.Work))
	t.pair("modes", strings.Join(set.Modes, ", "))
	t.pair("workers", list(set.Workers))
	t.pair("centre", fmt.Sprintf("%s of %s of %s", many(set.Feeds, "feed"), many(set.Items, "item"), size.exact(float64(set.Bytes))))
	t.pair("latency of the origin", duration.exact(float64(set.Latency)))
	t.pair("GOGC", fmt.Sprint(set.GOGC))
	t.pair("cells, samples", fmt.Sprintf("%d, %s (%d failed, %d outliers)", len(run.Cells), figures(float64(len(run.Samples)), 0), failed, outliers))
	t.pair("began, took", run.Started.UTC().Format(time.DateTime)+" UTC, "+took(run.Elapsed))
	return t
}

func machineTable(e bench.Environment) table {
	t := table{Caption: "Machine and build", Columns: []column{{Name: "what"}, {Name: "here", Wrap: true}}}
	virtual := ""
	if e.Virtual {
		virtual = ", a virtual machine"
	}
	t.pair("system", strings.TrimSpace(e.OS+"/"+e.Arch+" "+e.Kernel)+virtual)
	t.pair("processor", sentence(e.CPU, fmt.Sprintf("(%s)", many(e.CPUs, "CPU"))))
	if e.QuotaCPUs > 0 {
		t.pair("CPU quota", figures(e.QuotaCPUs, 2))
	}
	t.pair("memory", size.format(float64(e.Memory)))
	t.pair("Go", e.Go)
	t.pair("build", e.Build)
	t.pair("Python", e.Python)
	t.pair("a fresh pipe holds", size.format(float64(e.PipeSize)))
	t.pair("governor", e.Governor)
	t.pair("huge pages", e.HugePages)
	t.pair("load when it began", figures(e.LoadAverage, 2))
	return t
}

// pair adds a row of two, unless the second says nothing.
func (tb *table) pair(name, value string) {
	if value != "" && value != "–" {
		tb.Rows = append(tb.Rows, cells(name, value))
	}
}

// quoted makes words safe to type where they need it.
func quoted(words []string) []string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = w
		if w == "" || strings.ContainsFunc(w, func(r rune) bool {
			return !strings.ContainsRune("-_=,./:+@%", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
		}) {
			all[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return all
}
