package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"feedmill/internal/origin"
)

const originLong = `Serve feeds on the loopback range, for trying and testing.

Generated feeds (RSS, Atom, RDF and JSON) are spread over many hosts of
127.0.0.0/8. They are the same in every run with the same flags, and they move
on with the epoch: by POST to /-/epoch?add=1, or by --every. Files of your own
are served with --dir, as they are. /hostile/ has a kit of answers that no feed
reader should fall for, each with the class that a refresh should end in.

  /            what is served        /list   one feed URL a line
  /opml        the same as OPML      /hostile/   the kit, with classes
  /-/stats     counters as JSON      /dir/   the files of --dir

Only loopback connections are answered. It runs until it is interrupted.`

const originExample = `  coordinator origin --feeds 200 --hosts 40 --addr 127.0.0.1:8080
  coordinator origin --dir feeds/ --latency 50ms --log requests.jsonl`

func (a *app) originCommand() *cobra.Command {
	o := origin.Options{}
	var logFile, authority string
	var skew bool
	c := &cobra.Command{
		Use:     "origin",
		Short:   "Serve generated and hostile feeds on the loopback range",
		Long:    originLong,
		Example: originExample,
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			o.Feeds = cmp.Or(o.Feeds, -1) // to the origin 0 means its default
			if skew && o.Feeds > 0 {
				o.HostCounts = origin.WebSkew(o.Feeds)
			}
			return a.serveOrigin(c, o, logFile, authority)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Addr, "addr", "127.0.0.1:8080", "`ADDRESS` of the first host; port 0 takes a free one")
	f.IntVar(&o.Feeds, "feeds", origin.DefaultFeeds, "`N` generated feeds; 0 for none")
	f.IntVar(&o.Hosts, "hosts", 10, "`N` hosts that they are spread on")
	f.BoolVar(&skew, "skew", false, "spread them as unevenly as real lists are, instead of --hosts")
	f.IntVar(&o.Items, "items", origin.DefaultItems, "`N` items of a feed")
	f.IntVar(&o.Bytes, "bytes", origin.DefaultBytes, "`N` bytes of an item, about")
	f.Uint64Var(&o.Seed, "seed", 0, "`N` from which the content is generated")
	f.IntVar(&o.Epoch, "epoch", 0, "begin with epoch `N`")
	f.DurationVar(&o.Every, "every", 0, "begin the next epoch every `TIME` [default: only when told]")
	f.IntVar(&o.NewsEvery, "news-every", 1, "each feed gets a new item in one of `N` epochs")
	f.BoolVar(&o.NoValidators, "no-validators", false, "leave out ETag and Last-Modified")
	f.BoolVar(&o.NoGzip, "no-gzip", false, "never compress")
	f.BoolVar(&o.HTTPS, "tls", false, "https feeds, over HTTP/2 and HTTP/1.1, and the hostile TLS cases too")
	f.StringVar(&authority, "authority", "", "write the certificate to trust to `FILE`, for SSL_CERT_FILE [default: a file in the temporary folder]")
	f.BoolVar(&o.Web, "web", false, "every host has a latency and a fate of its own, as on the web")
	f.DurationVar(&o.Latency, "latency", 0, "wait `TIME` before each answer")
	f.StringVar(&o.Dir, "dir", "", "serve the files of this `FOLDER` under /dir/")
	f.StringVar(&logFile, "log", "", "append a line of JSON for each request to `FILE`")
	return c
}

// serveOrigin runs an origin until the command's context ends, which is its
// ordinary end.
func (a *app) serveOrigin(c *cobra.Command, o origin.Options, logFile, authority string) (err error) {
	if logFile != "" {
		f, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return usage("", "open request log: %w", err)
		}
		defer f.Close()
		o.Log = f
	}
	o.TLS = o.HTTPS
	s, err := origin.New(o)
	if err != nil {
		return usage("", "%w", err)
	}
	scheme := "http"
	if o.HTTPS {
		scheme = "https"
		if authority == "" {
			authority = filepath.Join(os.TempDir(), "feedmill-origin-"+s.Addr()[strings.LastIndexByte(s.Addr(), ':')+1:]+".pem")
		}
		if err := os.WriteFile(authority, s.AuthorityPEM(), 0o644); err != nil {
			return errors.Join(fmt.Errorf("write authority: %w", err), s.Close())
		}
	}
	if _, err := fmt.Fprintf(a.stdout, "serving %s://%s/ (%s on %s)\n", scheme, s.Addr(), count(s.Feeds(), "feed"), count(s.Hosts(), "host")); err != nil {
		return errors.Join(printError(err), s.Close()) // nobody would know where it serves
	}
	if o.HTTPS {
		fmt.Fprintf(a.stdout, "trusted with SSL_CERT_FILE=%s\n", authority)
	}
	if !s.Loopbacks() {
		fmt.Fprintln(a.stderr, "coordinator: this system answers on 127.0.0.1 only: every feed is on that one host")
	}
	return s.Run(c.Context())
}
