package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"feedmill/internal/feeds"
	"feedmill/internal/terminal"
)

// fewAlike is up to how many failures of one kind have a line each.
const fewAlike = 3

// mostKinds bounds the kinds of failure that are told apart: what a server says is
// in them, and it may say something else each time. Further ones are one for each class.
const mostKinds = 1000

// failures are the feeds that failed, summed up by what they failed of.
type failures map[string]*failureKind

// A failureKind is feeds that failed in the same way, or that are back.
type failureKind struct {
	class  feeds.Class // or another word for what they have in common
	lines  []feedLine  // the first of them
	number int
}

// add files the line of a feed that failed under what it failed of.
func (f failures) add(l feedLine) {
	key := string(l.Class) + " " + withoutNames(l)
	k := f[key]
	if k == nil && len(f) >= mostKinds {
		key = string(l.Class)
		k = f[key]
	}
	if k == nil {
		k = &failureKind{class: l.Class}
		f[key] = k
	}
	k.add(l)
}

// withoutNames returns a line's detail without what is the feed's own in it: its
// host, its domain and every number.
func withoutNames(l feedLine) string {
	detail := l.Detail
	if host, _, ok := strings.Cut(strings.TrimPrefix(l.URL[strings.Index(l.URL, "://")+1:], "//"), "/"); ok || host != "" {
		name, _, _ := strings.Cut(host, ":")
		detail = strings.NewReplacer(host, "", name, "", feeds.Domain(l.URL), "").Replace(detail)
	}
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r == '.' || r == ':' {
			return -1
		}
		return r
	}, detail)
}

// print writes a line for each feed of a kind that has few, and one for each kind
// that has many, the most frequent first.
func (f failures) print(line func(format string, args ...any)) {
	for _, k := range slices.SortedFunc(maps.Values(f), func(a, b *failureKind) int {
		return cmp.Or(cmp.Compare(b.number, a.number), cmp.Compare(a.class, b.class), cmp.Compare(a.lines[0].URL, b.lines[0].URL))
	}) {
		k.print(line)
	}
}

// add counts one more feed, and keeps its line while there are few.
func (k *failureKind) add(l feedLine) {
	if k.number++; k.number <= fewAlike {
		k.lines = append(k.lines, l)
	}
}

// print writes a line for each feed, or one for all of many.
func (k *failureKind) print(line func(format string, args ...any)) {
	many := ""
	if k.number > fewAlike {
		many = fmt.Sprintf("%d feeds, e.g. ", k.number)
		k.lines = k.lines[:1]
	}
	for _, l := range k.lines {
		detail := ""
		if l.Detail != "" {
			detail = "  " + terminal.Printable(l.Detail)
		}
		line("%-16s %s%s%s\n", k.class, many, terminal.Printable(l.URL), detail)
	}
}

// A teller finds out what the user does not know yet: which feeds have begun to
// fail, and which are back.
type teller struct {
	after         int // failures in a row until it is worth telling
	failing, back []int64
}

// hear is told how a feed ended. It reports whether the user is to be told that
// it fails, or that it is back.
func (t *teller) hear(id int64, class feeds.Class, fails int, told bool) (fail, back bool) {
	switch {
	case class == feeds.Cancelled || class == feeds.HostBackoff:
	case class.OK() && told:
		t.back = append(t.back, id)
		return false, true
	case !class.OK() && !told && (fails >= t.after || class == feeds.Gone):
		t.failing = append(t.failing, id)
		return true, false
	}
	return false, false
}
