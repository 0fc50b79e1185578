package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"feedmill/internal/feeds"
)

// An input is the feeds that a command line names.
type input struct {
	given   bool                 // whether it names any, or a list that could
	subs    []feeds.Subscription // each URL once, in the order given
	refused []feedLine           // what no feed can be subscribed from

	seen map[string]bool
}

// readInput reads the URLs of the arguments, of plain lists and of OPML files.
// Two spellings of one URL are one feed. An entry that is no feed's URL is
// refused by itself; a file that cannot be read is an error.
func (a *app) readInput(args, lists, opmls []string) (*input, error) {
	in := &input{given: len(args)+len(lists)+len(opmls) > 0, seen: make(map[string]bool)}
	for _, arg := range args {
		url, err := feeds.SubscriptionURL(arg)
		if err != nil {
			in.refuse(arg, err)
			continue
		}
		in.add(feeds.Subscription{URL: url})
	}
	for _, name := range lists {
		if err := a.read(name, in.readOnly(false)); err != nil {
			return nil, err
		}
	}
	for _, name := range opmls {
		if err := a.read(name, in.readOnly(true)); err != nil {
			return nil, err
		}
	}
	return in, nil
}

// read opens a file, or standard input for -, and has f read it.
func (a *app) read(name string, f func(io.Reader) error) error {
	if name == "-" {
		return wrapInput("standard input", f(a.stdin))
	}
	file, err := os.Open(name)
	if err != nil {
		return usage("", "%w", err)
	}
	defer file.Close()
	return wrapInput(name, f(file))
}

func wrapInput(name string, err error) error {
	if err == nil {
		return nil
	}
	_, hint := status(err)
	return usage(hint, "%s: %w", name, err)
}

// readOnly returns what reads OPML, or plain lists, and refuses the other as a
// whole: read line by line, OPML is as many feeds that are none.
func (in *input) readOnly(opml bool) func(io.Reader) error {
	return func(r io.Reader) error {
		b, isOPML, err := whichList(r)
		switch {
		case err != nil:
			return err
		case isOPML && !opml:
			return usage("OPML is read with --opml", "OPML or a page, and no list of one URL a line")
		case opml && !isOPML:
			return usage("a list of one URL a line is read with --list", "no OPML")
		case opml:
			return in.readOPML(b)
		}
		return in.readList(b)
	}
}

// readEither reads an OPML file or a plain list, whichever it is.
func (in *input) readEither(r io.Reader) error {
	b, isOPML, err := whichList(r)
	if err != nil {
		return err
	}
	if isOPML {
		return in.readOPML(b)
	}
	return in.readList(b)
}

// whichList looks at the beginning of a file and returns all of it, and whether
// it is OPML.
func whichList(r io.Reader) (whole io.Reader, opml bool, err error) {
	b := bufio.NewReader(r)
	head, err := b.Peek(512)
	if err != nil && err != io.EOF {
		return nil, false, err
	}
	return b, feeds.IsOPML(head), nil
}

func (in *input) readList(r io.Reader) error {
	for url, err := range feeds.ReadList(r) {
		if bad, ok := errors.AsType[*feeds.ListError](err); ok {
			in.refuseLine(bad)
			continue
		}
		if err != nil {
			return err
		}
		in.add(feeds.Subscription{URL: url})
	}
	return nil
}

func (in *input) readOPML(r io.Reader) error {
	subs, err := feeds.ReadOPML(r)
	for _, s := range subs {
		in.add(s)
	}
	for _, e := range joined(err) {
		bad, ok := errors.AsType[*feeds.ListError](e)
		if !ok {
			return err
		}
		in.refuseLine(bad)
	}
	return nil
}

// joined returns the errors that errors.Join made err of, or err itself.
func joined(err error) []error {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return many.Unwrap()
	}
	return []error{err}
}

func (in *input) add(s feeds.Subscription) {
	if !in.seen[s.URL] {
		in.seen[s.URL] = true
		in.subs = append(in.subs, s)
	}
}

// refuseLine keeps an entry of a list as a line that failed, with its place.
func (in *input) refuseLine(bad *feeds.ListError) {
	in.refuse(bad.URL, bad.Err)
	last := &in.refused[len(in.refused)-1]
	last.Detail = fmt.Sprintf("line %d of the list: %s", bad.Line, last.Detail)
}

// refuse keeps what was given as a line that failed.
func (in *input) refuse(given string, err error) {
	l := feedLine{URL: feeds.RedactURL(given), Class: feeds.BlockedScheme, Detail: err.Error()}
	if f, ok := errors.AsType[*feeds.Failure](err); ok {
		l.Class, l.Detail = f.Class, f.Detail
	}
	in.refused = append(in.refused, l)
}

// noArguments refuses arguments where a command takes none.
func noArguments(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("see "+c.CommandPath()+" --help", "unexpected argument %q", args[0])
	}
	return nil
}
