package report

import (
	"math"
	"strconv"
	"strings"
)

// A unit is what a quantity is measured in, with the prefixes that keep its
// numbers between 1 and 1000.
type unit struct {
	per      string // after the prefixed unit: "/feed", "/item", "/B"
	prefixes []prefix
}

type prefix struct {
	factor float64
	name   string
}

var (
	nanoseconds = []prefix{{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}, {1, "ns"}}
	// Decimal prefixes: a kB is 1000 bytes, as in every rate of this report.
	decimalBytes = []prefix{{1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}, {1, "B"}}

	duration     = unit{prefixes: nanoseconds}
	durationFeed = unit{"/feed", nanoseconds}
	size         = unit{prefixes: decimalBytes}
	times        = unit{prefixes: []prefix{{1, "×"}}}
	percent      = unit{prefixes: []prefix{{1, "%"}}}
	count        = unit{prefixes: []prefix{{1, ""}}}
)

// pick is the prefix in which the largest of the values has one to three
// figures before the point.
func (u unit) pick(values ...float64) prefix {
	top := 0.0
	for _, v := range values {
		if !math.IsInf(v, 0) {
			top = max(top, math.Abs(v))
		}
	}
	for _, p := range u.prefixes {
		if top >= p.factor*0.9995 {
			return p
		}
	}
	return u.prefixes[len(u.prefixes)-1]
}

// join puts a number and a unit together: a space between them, but none
// before × and %, and a no-break space so that they stay on one line.
func (u unit) join(number string, p prefix) string {
	switch p.name {
	case "":
		return number + u.per
	case "×", "%":
		return number + p.name + u.per
	}
	return number + "\u00a0" + p.name + u.per
}

// format writes v with its unit, three significant figures.
func (u unit) format(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "–"
	}
	p := u.pick(v)
	return u.join(figures(v/p.factor, u.decimals(v/p.factor)), p)
}

// exact writes v with its unit and no figure that says nothing: for what was
// set and not measured.
func (u unit) exact(v float64) string {
	p := u.pick(v)
	return u.join(minus(group(strconv.FormatFloat(v/p.factor, 'f', -1, 64))), p)
}

// signed is format with a plus sign before what is above 0.
func (u unit) signed(v float64) string {
	if v > 0 {
		return "+" + u.format(v)
	}
	return u.format(v)
}

// axis returns how the ticks of an axis to values is written, all with one
// prefix, and the name of that prefix and unit.
func (u unit) axis(values ...float64) (format func(float64) string, name string) {
	p := u.pick(values...)
	return func(v float64) string {
		return minus(strconv.FormatFloat(v/p.factor, 'g', 6, 64))
	}, p.name + u.per
}

// decimals is how many figures after the point make three in all; a percentage
// has one less, and nothing has none.
func (u unit) decimals(v float64) int {
	n := 2
	switch v = math.Abs(v); {
	case v >= 99.95 || v == 0:
		n = 0
	case v >= 9.995:
		n = 1
	case v < 0.0995:
		n = 3
	}
	if u.prefixes[0].name == "%" {
		n = max(n-1, 0)
	}
	return n
}

// figures writes v with n figures after the point, thousands apart.
func figures(v float64, n int) string {
	s := strconv.FormatFloat(v, 'f', n, 64)
	if strings.Trim(s, "-0.") == "" {
		s = strings.TrimPrefix(s, "-")
	}
	return minus(group(s))
}

// group puts a thin no-break space between the thousands of numbers with five
// figures and more.
func group(s string) string {
	whole, rest, _ := strings.Cut(s, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	if len(whole) < 5 {
		return s
	}
	var b strings.Builder
	for i, r := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteRune('\u202f')
		}
		b.WriteRune(r)
	}
	if rest != "" {
		rest = "." + rest
	}
	return sign + b.String() + rest
}

// minus replaces the hyphen before a number by the sign.
func minus(s string) string {
	if strings.HasPrefix(s, "-") {
		return "−" + s[1:]
	}
	return s
}
