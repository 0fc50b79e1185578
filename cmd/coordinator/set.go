package main

import (
	"context"
	"errors"
	"fmt"
	"net/textproto"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/net/http/httpguts"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
	"feedmill/internal/terminal"
)

const setLong = `Change what you say of feeds: name, folder, address and how they are asked. What
is not given stays, and no refresh changes any of it.

FEED is an id or a URL, as feeds list shows them, or a part of the URL, name or
title that fits one feed. --in FOLDER means all feeds in a folder and below.

Headers go to the feed's own origin and to no other; a NAME without a value
takes one away. With another URL a feed keeps its items. A feed that is paused
is not asked until --pause=false.`

type setFlags struct {
	in                             string
	name, category, url, userAgent string
	headers                        []string
	interval                       time.Duration
	pause                          bool
}

func (a *app) feedsSetCommand() *cobra.Command {
	r := &setFlags{}
	c := &cobra.Command{
		Use:   "set FEED ...",
		Short: "Rename, file, move, pause feeds, or say how they are asked",
		Long:  setLong,
		Example: "  coordinator feeds set https://example.org/feed.xml --name 'My name'\n" +
			"  coordinator feeds set 1 --category News/Local --interval 6h\n" +
			"  coordinator feeds set 1 --user-agent 'me/1' --header 'Cookie: a=b'",
	}
	f := c.Flags()
	f.StringVar(&r.in, "in", "", "all feeds in this `FOLDER`, and below")
	f.StringVar(&r.name, "name", "", "show the feed as `NAME`; empty: as its own title")
	f.StringVar(&r.category, "category", "", "put the feed into this `FOLDER`, a path such as News/Local")
	f.StringVar(&r.url, "url", "", "ask at this `URL` from now on")
	f.Var((*age)(&r.interval), "interval", "the least `TIME` between two requests, such as 6h or 1d; 0s: as for all")
	f.StringArrayVar(&r.headers, "header", nil, "send this `'NAME: VALUE'`, too; repeatable")
	f.StringVar(&r.userAgent, "user-agent", "", "the `NAME` that the server sees")
	f.BoolVar(&r.pause, "pause", false, "do not ask; --pause=false: do again")
	c.RunE = func(c *cobra.Command, args []string) error {
		change, err := r.change(f)
		if err != nil {
			return err
		}
		return a.setFeeds(c.Context(), r, change, args)
	}
	return c
}

// change returns what the flags that were given say.
func (r *setFlags) change(f *pflag.FlagSet) (c store.Change, err error) {
	given := 0
	for name, set := range map[string]func() error{
		"name": func() error { c.Name = &r.name; return oneLine(r.name) },
		"category": func() error {
			r.category = strings.Trim(r.category, "/")
			c.Category = &r.category
			return oneLine(r.category)
		},
		"interval": func() error { c.Interval = &r.interval; return r.checkInterval() },
		"pause":    func() error { c.Paused = &r.pause; return nil },
		"url": func() error {
			url, err := webURL(r.url)
			c.URL = &url
			return err
		},
		"header": func() error { return r.addHeaders(&c) },
		"user-agent": func() error {
			c.Headers = append(c.Headers, store.Header{Name: "User-Agent", Value: r.userAgent})
			return nil
		},
	} {
		if f.Changed(name) {
			given++
			if err := set(); err != nil {
				return c, usage("", "--%s: %w", name, err)
			}
		}
	}
	if given == 0 {
		return c, usage("see coordinator feeds set --help", "feeds set: nothing to change was given")
	}
	for _, h := range c.Headers {
		if !httpguts.ValidHeaderFieldName(h.Name) || !httpguts.ValidHeaderFieldValue(h.Value) || len(h.Value) > 4096 {
			return c, usage("", "no request may have a header %q with that value", h.Name) // which may be a secret
		}
	}
	return c, nil
}

// oneLine refuses a name that no list could be exported with.
func oneLine(name string) error {
	if strings.ContainsFunc(name, unicode.IsControl) || !utf8.ValidString(name) {
		return fmt.Errorf("%q: want one line of text", name)
	}
	return nil
}

func (r *setFlags) checkInterval() error {
	if r.interval != 0 && r.interval < time.Minute || r.interval > 365*24*time.Hour || r.interval < 0 {
		return fmt.Errorf("%v: want 1m to 8760h, or 0s", r.interval)
	}
	return nil
}

func (r *setFlags) addHeaders(c *store.Change) error {
	for _, line := range r.headers {
		name, value, ok := strings.Cut(line, ":")
		name = textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name))
		switch {
		case !ok:
			return errors.New("want a header such as 'Cookie: a=b'") // and not what was given: it may be a secret
		case name == "Host" || name == "Connection" || name == "Content-Length" || name == "Transfer-Encoding":
			return fmt.Errorf("%s is not the user's to say", name)
		}
		c.Headers = append(c.Headers, store.Header{Name: name, Value: strings.TrimSpace(value)})
	}
	return nil
}

// setFeeds changes all feeds that are named, or none.
func (a *app) setFeeds(ctx context.Context, r *setFlags, change store.Change, args []string) error {
	if (len(args) == 0) == (r.in == "") {
		return usage("see coordinator feeds set --help", "feeds set: name feeds, or a folder with --in")
	}
	return a.withStore(ctx, store.Options{Beside: true}, func(db store.DB) error {
		list, err := namedFeeds(ctx, db, args)
		if err != nil {
			return err
		}
		if r.in != "" {
			if list, err = feedsInFolder(ctx, db, r.in); err != nil {
				return err
			}
		}
		if len(list) > 1 && (change.URL != nil || change.Name != nil) {
			return usage("", "--url and --name are for one feed, and %d are named", len(list))
		}
		var ids []int64
		for _, f := range list {
			ids = append(ids, f.ID)
		}
		err = db.Edit(ctx, ids, change)
		if errors.Is(err, store.ErrTaken) {
			return usage("see coordinator feeds list", "%w", err)
		}
		if err != nil {
			return err
		}
		for _, f := range list {
			fmt.Fprintf(a.stdout, "%-8s %s\n", "set", terminal.Printable(feeds.RedactURL(f.URL)))
		}
		return nil
	})
}

// feedsInFolder returns the feeds of a folder; that it has none is an error.
func feedsInFolder(ctx context.Context, db store.DB, folder string) (list []store.Feed, err error) {
	for f, err := range db.Feeds(ctx, store.FeedQuery{}) {
		if err != nil {
			return nil, err
		}
		if inFolder(f.Category, folder) {
			list = append(list, f)
		}
	}
	if len(list) == 0 {
		return nil, usage("see coordinator feeds list --sort category", "no feed is in %s", folder)
	}
	return list, nil
}
