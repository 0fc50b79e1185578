package main

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
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

// prefixes are networks on the command line; a single address is the network
// of just that one.
type prefixes []netip.Prefix

func (p *prefixes) Type() string { return "CIDR" }

func (p *prefixes) String() string {
	var all []string
	for _, one := range *p {
		all = append(all, one.String())
	}
	return strings.Join(all, ",")
}

func (p *prefixes) Set(text string) error {
	for one := range strings.SplitSeq(text, ",") {
		prefix, err := netip.ParsePrefix(one)
		if err != nil {
			addr, errAddr := netip.ParseAddr(one)
			if errAddr != nil {
				return fmt.Errorf("%q is no network such as 127.0.0.0/8", one)
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		*p = append(*p, prefix.Masked())
	}
	return nil
}

// ports are numbers of ports on the command line.
type ports []uint16

func (p *ports) Type() string { return "PORT" }

func (p *ports) String() string {
	var all []string
	for _, one := range *p {
		all = append(all, strconv.Itoa(int(one)))
	}
	return strings.Join(all, ",")
}

func (p *ports) Set(text string) error {
	for one := range strings.SplitSeq(text, ",") {
		n, err := strconv.ParseUint(one, 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("%q is no port such as 8443", one)
		}
		*p = append(*p, uint16(n))
	}
	return nil
}

// A choice is a word out of a few.
type choice struct {
	value string
	of    []string
}

func (c *choice) Type() string   { return "WORD" }
func (c *choice) String() string { return c.value }

func (c *choice) Set(text string) error {
	for _, one := range c.of {
		if one == text {
			c.value = text
			return nil
		}
	}
	return fmt.Errorf("%q is none of %s", text, strings.Join(c.of, ", "))
}

// register adds the choice as a flag of cmd, with its words for the shell.
func (c *choice) register(cmd *cobra.Command, name, usage string) {
	cmd.Flags().Var(c, name, usage)
	words := cobra.FixedCompletions(c.of, cobra.ShellCompDirectiveNoFileComp)
	if err := cmd.RegisterFlagCompletionFunc(name, words); err != nil {
		panic(err) // the flag was added just above
	}
}

// A moment is a time on the command line: a date, a date and time (RFC 3339),
// or a duration, which means that long ago.
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
	if d, err := time.ParseDuration(text); err == nil {
		m.Time = m.now().Add(-d)
		return nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", time.DateTime, time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			m.Time = t
			return nil
		}
	}
	return fmt.Errorf("%q is no time such as 2026-01-31 or 24h", text)
}
