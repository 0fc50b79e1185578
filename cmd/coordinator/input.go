package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/fetch"
	"feedmill/internal/feeds/subs"
)

// An input is the feeds that a command line names.
type input struct {
	given   bool       // whether it names any, or a list that could
	feeds   *gathering // each once, in the order given
	refused []feedLine // what no feed can be subscribed from

	leftOut func(feedLine) // what becomes of what is refused; nil keeps it
	left    int            // how much was
}

// readInput reads the URLs of the arguments, of plain lists and of OPML files.
// Two spellings of one URL are one feed. An entry that is no feed's URL is
// refused by itself; a file that cannot be read is an error. The caller closes the
// input's feeds.
func (a *app) readInput(ctx context.Context, o feeds.Options, args, lists, opmls []string) (*input, error) {
	in := &input{given: len(args)+len(lists)+len(opmls) > 0, feeds: newGathering()}
	if err := a.readAll(ctx, o, in, args, lists, opmls); err != nil {
		in.feeds.close()
		return nil, err
	}
	return in, nil
}

func (a *app) readAll(ctx context.Context, o feeds.Options, in *input, args, lists, opmls []string) error {
	for _, arg := range args {
		url, err := argumentURL(arg)
		if _, ok := errors.AsType[*problem](err); ok {
			return err
		}
		if err != nil {
			in.refuse(arg, "", err)
			continue
		}
		if err := in.feeds.add(feeds.Subscription{URL: url}); err != nil {
			return err
		}
	}
	for i, name := range slices.Concat(lists, opmls) {
		if err := a.read(ctx, o, name, in.readOnly(i >= len(lists))); err != nil {
			return err
		}
	}
	return nil
}

// argumentURL returns the URL that an argument is, which may lack its scheme. A
// file in its place is a problem with a hint.
func argumentURL(arg string) (string, error) {
	url, err := feeds.SubscriptionURL(arg)
	if err == nil || strings.Contains(arg, ":") && !strings.Contains(arg, ".") {
		return url, err
	}
	if info, e := os.Stat(arg); e == nil && info.Mode().IsRegular() {
		hint := "refresh its feeds with --list " + arg
		if f, e := os.Open(arg); e == nil {
			if _, opml, e := whichList(f); e == nil && opml {
				hint = "refresh its feeds with --opml " + arg
			}
			f.Close()
		}
		return "", usage(hint+", or subscribe them with: coordinator feeds import "+arg, "%s is a file, and no URL", arg)
	}
	if !strings.Contains(arg, "//") && looksLikeFile(arg) { // and no host's name
		return "", usage("", "%s: there is no such file, and it is no URL", feeds.RedactURL(arg))
	}
	return feeds.GuessURL(arg)
}

// looksLikeFile reports whether an argument without a scheme is rather a file that
// is not there than a host.
func looksLikeFile(arg string) bool {
	if strings.HasPrefix(arg, ".") || strings.HasPrefix(arg, "/") || strings.HasPrefix(arg, "~") {
		return true
	}
	return !strings.Contains(arg, "/") && slices.Contains([]string{".opml", ".xml", ".txt", ".json", ".list", ".rss", ".atom"}, path.Ext(arg))
}

// read opens a file, or standard input for -, or asks for a list at a URL, and has f
// read it.
func (a *app) read(ctx context.Context, o feeds.Options, name string, f func(io.Reader) error) error {
	if name == "-" {
		return wrapInput("standard input", f(a.stdin))
	}
	if strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://") {
		list, err := fetched(ctx, o, name)
		if err != nil {
			return err
		}
		return wrapInput(feeds.RedactURL(name), f(bytes.NewReader(list)))
	}
	if name == "" { // a variable that is not set
		return usage("", "a list without a name")
	}
	file, err := os.Open(name)
	if err != nil {
		return usage("", "%w", err)
	}
	defer file.Close()
	return wrapInput(name, f(file))
}

// fetched returns what there is at a URL, asked for as a feed is: with the same
// bounds, and at no address that is not public.
func fetched(ctx context.Context, o feeds.Options, url string) (list []byte, err error) {
	keep := func(b *feeds.Body) (*feeds.Document, error) {
		list = bytes.Clone(b.Bytes)
		return &feeds.Document{}, nil
	}
	r, err := fetch.New(o, keep)
	if err != nil {
		return nil, usage("", "%w", err)
	}
	defer r.Close()
	jobs := make(chan feeds.Job, 1)
	jobs <- feeds.Job{ID: 1, URL: url}
	close(jobs)
	r.Run(ctx, jobs, func(res feeds.Result) {
		if !res.Class.OK() {
			err = usage(res.Hint, "%s: %s: %s", feeds.RedactURL(url), res.Class, res.Detail)
		}
	})
	return list, err
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
		}
		return in.readEither(b)
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
	return b, subs.IsOPML(head), nil
}

// readList reads a plain list. Of a file that has no URL at all no line is said:
// it is no list, and what it is may be a secret.
func (in *input) readList(r io.Reader) error {
	var bad []*subs.ListError
	good := false
	for url, err := range subs.ReadList(r) {
		if line, ok := errors.AsType[*subs.ListError](err); ok {
			if bad = append(bad, line); !good && len(bad) == manyBad {
				break
			}
			continue
		}
		if err != nil {
			return err
		}
		if err := in.feeds.add(feeds.Subscription{URL: url}); err != nil {
			return err
		}
		if good = true; in.leftOut != nil { // said at once
			in.refuseLines(bad)
			bad = bad[:0]
		}
	}
	if !good && len(bad) > 0 {
		return usage("give one http or https URL a line", "no list: none of its lines is a URL")
	}
	in.refuseLines(bad)
	return nil
}

// manyBad is after how many lines without a URL among them a file is no list.
const manyBad = 10_000

func (in *input) readOPML(r io.Reader) error {
	for s, err := range subs.ReadOPML(r) {
		if bad, ok := errors.AsType[*subs.ListError](err); ok {
			in.refuseLines([]*subs.ListError{bad})
			continue
		}
		if err == nil {
			err = in.feeds.add(s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// refuseLines refuses entries of a list, with their places.
func (in *input) refuseLines(bad []*subs.ListError) {
	for _, e := range bad {
		in.refuse(e.URL, fmt.Sprintf("line %d of the list: ", e.Line), e.Err)
	}
}

// refuse makes a line that failed of what was given, at a place if it was a list.
func (in *input) refuse(given, place string, err error) {
	l := feedLine{URL: feeds.RedactURL(given), Class: feeds.BlockedScheme, Detail: err.Error()}
	if f, ok := errors.AsType[*feeds.Failure](err); ok {
		l.Class, l.Detail = f.Class, f.Detail
	}
	l.Detail = place + l.Detail
	if in.left++; in.leftOut != nil {
		in.leftOut(l)
		return
	}
	in.refused = append(in.refused, l)
}
