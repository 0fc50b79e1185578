package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"feedmill/internal/feeds"
)

// A size is a number of bytes on the command line: 20MiB, 500kB, 1000.
type size int64

func (s *size) Type() string { return "SIZE" }

func (s *size) String() string {
	if *s == 0 {
		return ""
	}
	return strings.ReplaceAll(humanize.IBytes(uint64(*s)), " ", "")
}

func (s *size) Set(text string) error {
	n, err := humanize.ParseBytes(text)
	if err != nil || n == 0 || n > 1<<40 {
		return fmt.Errorf("%q is no size such as 20MiB", text)
	}
	*s = size(n)
	return nil
}

// A list is values on the command line, separated by commas or given one by one.
type list[T any] struct {
	all   []T
	kind  string
	parse func(string) (T, error)
}

func (l *list[T]) Type() string { return l.kind }

func (l *list[T]) String() string {
	var all []string
	for _, one := range l.all {
		all = append(all, fmt.Sprint(one))
	}
	return strings.Join(all, ",")
}

func (l *list[T]) Set(text string) error {
	for one := range strings.SplitSeq(text, ",") {
		v, err := l.parse(one)
		if err != nil {
			return err
		}
		l.all = append(l.all, v)
	}
	return nil
}

// parsePrefix reads a network; a single address is the network of just that one.
func parsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return prefix, fmt.Errorf("%q is no network such as 127.0.0.0/8", text)
	}
	return prefix.Masked(), nil
}

func parsePort(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is no port such as 8443", text)
	}
	return uint16(n), nil
}

// A choice is a word out of a few.
type choice struct {
	value string
	of    []string
}

func (c *choice) Type() string   { return "WORD" }
func (c *choice) String() string { return c.value }

func (c *choice) Set(text string) error {
	if !slices.Contains(c.of, text) {
		return fmt.Errorf("%q is none of %s", text, strings.Join(c.of, ", "))
	}
	c.value = text
	return nil
}

// register adds the choice as a flag of cmd, with its words for the shell.
func (c *choice) register(cmd *cobra.Command, name, usage string) {
	c.registerOn(cmd, cmd.Flags(), name, usage)
}

func (c *choice) registerOn(cmd *cobra.Command, flags *pflag.FlagSet, name, usage string) {
	flags.Var(c, name, usage)
	words := cobra.FixedCompletions(c.of, cobra.ShellCompDirectiveNoFileComp)
	if err := cmd.RegisterFlagCompletionFunc(name, words); err != nil {
		panic(err) // the flag was added just above
	}
}

// A moment is a time on the command line: a date, a date and time (RFC 3339),
// today or yesterday, or a duration such as 24h or 7d, which means that long ago.
type moment struct {
	time.Time
	now func() time.Time
}

func (m *moment) Type() string { return "TIME" }

func (m *moment) String() string {
	if m.IsZero() {
		return ""
	}
	return m.Format(time.RFC3339)
}

func (m *moment) Set(text string) error {
	now := m.now().In(zone)
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, zone)
	switch text {
	case "today":
		m.Time = midnight
		return nil
	case "yesterday":
		m.Time = midnight.AddDate(0, 0, -1)
		return nil
	}
	if d, err := parseAge(text); err == nil {
		m.Time = now.Add(-d)
		return nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", time.DateTime, "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			m.Time = t
			return nil
		}
	}
	return fmt.Errorf("%q is no time such as 24h, 7d, yesterday or 2026-01-31", text)
}

// An age is a duration on the command line that may be in days or weeks.
type age time.Duration

func (d *age) Type() string { return "AGE" }

func (d *age) String() string {
	if *d == 0 {
		return ""
	}
	return time.Duration(*d).String()
}

func (d *age) Set(text string) error {
	v, err := parseAge(text)
	*d = age(v)
	return err
}

// zone is where the user is: times are shown and read in it. Everything else
// of this process lives in UTC, and so do the workers: feeds date their items
// with the initials of zones, EST or IST, and Go takes those for the local ones
// where it can. What is stored must not depend on the machine.
var zone = func() *time.Location {
	home := time.Local
	time.Local = time.UTC
	return home
}()

// parseAge reads a duration that may be in days or weeks: 7d, 2w, 1d12h.
func parseAge(text string) (time.Duration, error) {
	var whole time.Duration
	for _, unit := range []struct {
		name string
		of   time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}} {
		before, after, ok := strings.Cut(text, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.Atoi(before)
		if err != nil || n < 0 || n > 36500 {
			return 0, fmt.Errorf("%q is no duration such as 90s, 15m, 24h or 7d", text)
		}
		whole += time.Duration(n) * unit.of
		if text = after; text == "" {
			return whole, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is no duration such as 90s, 15m, 24h or 7d", text)
	}
	return whole + d, nil
}

// flagError says what is wrong with a flag, without the functions of Go that
// found it out.
func flagError(err error) error {
	if missing, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		what, _ := pflag.UnquoteUsage(missing.GetFlag())
		return fmt.Errorf("--%s: %s is missing", missing.GetFlag().Name, strings.ToUpper(what))
	}
	bad, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return err
	}
	name, value := bad.GetFlag().Name, bad.GetValue()
	switch kind := bad.GetFlag().Value.Type(); {
	case kind == "duration":
		return fmt.Errorf("--%s %q: want a duration such as 90s, 15m or 24h", name, value)
	case kind == "bool":
		return fmt.Errorf("--%s %q: want true or false", name, value)
	case errors.Is(bad, strconv.ErrRange):
		return fmt.Errorf("--%s %q: that is too large a number", name, value)
	case errors.Is(bad, strconv.ErrSyntax):
		return fmt.Errorf("--%s %q: want a whole number", name, value)
	}
	return fmt.Errorf("--%s: %w", name, bad.Unwrap())
}

// webURL returns a URL of the command line as it is asked for, or what is wrong
// with it in words.
func webURL(text string) (string, error) {
	url, err := feeds.SubscriptionURL(text)
	if f, ok := errors.AsType[*feeds.Failure](err); ok {
		return "", fmt.Errorf("%q: %s", feeds.RedactURL(text), f.Detail)
	}
	return url, err
}

// noArguments refuses arguments where a command takes none.
func noArguments(c *cobra.Command, args []string) error {
	if len(args) > 0 && c.HasSubCommands() {
		return noSuchCommand(c, args)
	}
	if len(args) > 0 {
		return usage("see "+c.CommandPath()+" --help", "unexpected argument %q", feeds.RedactURL(args[0]))
	}
	return nil
}

// someArguments refuses a command line without arguments.
func someArguments(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usage("see "+c.CommandPath()+" --help", "%s: nothing was named", strings.TrimPrefix(c.CommandPath(), "coordinator "))
	}
	return nil
}

// oneArgument refuses any other number of arguments than one.
func oneArgument(c *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usage("see "+c.CommandPath()+" --help", "%s, want 1", count(len(args), "argument"))
	}
	return nil
}

// noSuchCommand refuses what is no command, and names the one that was meant.
func noSuchCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "see " + root.CommandPath() + " --help"
	meant := root.SuggestionsFor(args[0])
	if sub, _, err := root.Find([]string{"feeds", args[0]}); err == nil && sub.Name() == args[0] && sub != root {
		meant = []string{"feeds " + args[0]}
	}
	if len(meant) > 0 {
		hint = "was " + root.CommandPath() + " " + meant[0] + " meant? " + hint
	}
	return usage(hint, "unknown command %q", feeds.RedactURL(args[0]))
}
