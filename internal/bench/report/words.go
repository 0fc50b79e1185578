package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"feedmill/internal/bench/analyse"
	"feedmill/internal/bench/run"
	"feedmill/internal/bench/stats"
)

// A unit writes figures with a prefix that fits.
type unit []struct {
	name   string
	factor float64
}

var (
	duration = unit{{"s", 1e9}, {"ms", 1e6}, {"µs", 1e3}, {"ns", 1}}
	size     = unit{{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}}
)

// scale returns the prefix that leaves the largest of values one to three
// figures before the point.
func (u unit) scale(values ...float64) (string, float64) {
	top := 0.0
	for _, v := range values {
		top = max(top, math.Abs(v))
	}
	for _, p := range u {
		if top >= p.factor*0.9995 {
			return p.name, p.factor
		}
	}
	return u[len(u)-1].name, u[len(u)-1].factor
}

// format writes v with its unit, three significant figures and a no-break space.
func (u unit) format(v float64) string {
	name, factor := u.scale(v)
	return figures(v/factor) + "\u00a0" + name
}

// exact writes what was set and not measured.
func (u unit) exact(d time.Duration) string {
	name, factor := u.scale(float64(d))
	return strconv.FormatFloat(float64(d)/factor, 'f', -1, 64) + "\u00a0" + name
}

// signed is format with a plus sign before what is above 0.
func (u unit) signed(v float64) string { return sign(v) + u.format(v) }

// bounds writes the ends of an interval in the unit of its estimate.
func (u unit) bounds(i stats.Interval) string {
	_, factor := u.scale(i.Estimate, (i.High-i.Low)/2)
	return fmt.Sprintf("[%s,\u00a0%s]", figures(i.Low/factor), figures(i.High/factor))
}

// difference writes a difference with its interval.
func (u unit) difference(i stats.Interval) string {
	name, factor := u.scale(i.Estimate, (i.High-i.Low)/2)
	return sign(i.Estimate) + figures(i.Estimate/factor) + "\u00a0" + name + " " + u.bounds(i)
}

// sign is what stands before what is above 0.
func sign(v float64) string {
	if v > 0 {
		return "+"
	}
	return ""
}

// figures writes three significant figures, and all that are before the point.
func figures(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "–"
	}
	decimals := 2
	switch a := math.Abs(v); {
	case a >= 99.95 || a == 0:
		return strings.Replace(humanize.Comma(int64(math.RoundToEven(v))), "-", "−", 1)
	case a >= 9.995:
		decimals = 1
	case a < 0.0995:
		decimals = 3
	}
	s := strconv.FormatFloat(v, 'f', decimals, 64)
	if strings.Trim(s, "-0.") == "" {
		return "0"
	}
	return strings.Replace(s, "-", "−", 1)
}

// percent writes a ratio as what it is more or less than 1.
func percent(ratio float64) string {
	if ratio >= 1.995 {
		return figures(ratio) + " times the"
	}
	n := math.Round((ratio - 1) * 100)
	if n < 0 {
		return fmt.Sprintf("%.0f\u00a0%% less", -n)
	}
	return fmt.Sprintf("%.0f\u00a0%% more", n)
}

func many(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return humanize.Comma(int64(n)) + "\u00a0" + what
}

// people is what people call what runs in a mode.
func people(mode string) string {
	switch mode {
	case run.Pipe:
		return "processes"
	case run.Goroutine:
		return "goroutines"
	}
	return "processes, " + mode
}

// upper is s, which has a first letter, with a capital.
func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func ratio(i stats.Interval) string {
	return fmt.Sprintf("%s× [%s,\u00a0%s]", figures(i.Estimate), figures(i.Low), figures(i.High))
}

// times writes a ratio with its interval and, where it could not be told from 1 for
// sure, says so.
func times(m analyse.Measure) string {
	if m.Verdict == analyse.NotSeen || m.Verdict == analyse.AtTheEdge {
		return ratio(m.Ratio) + " " + string(m.Verdict)
	}
	return ratio(m.Ratio)
}

// work says what a cell does, in words.
func work(c run.Cell) string {
	s := map[run.Work]string{
		run.AllNew: "all feeds new", run.TenthNew: "news in a tenth of them", run.NothingNew: "nothing new",
		run.OwnNew: "your own feeds, all new", run.OwnSame: "your own feeds, once more",
		run.Parse: "parse, and send the lists back", run.Ship: "send parsed lists back",
	}[c.Work]
	also := func(is bool, text string) {
		if is {
			s += ", " + text
		}
	}
	also(c.Latency > 0, "servers "+duration.exact(c.Latency)+" away")
	also(c.OneCPU, "one CPU for everything")
	also(c.Gofeed, "by gofeed")
	also(c.Items == 0 && !c.Work.Real(), "keys alone")
	return s
}
