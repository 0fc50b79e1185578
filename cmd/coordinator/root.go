package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"feedmill/internal/version"
)

const rootLong = `coordinator refreshes feeds with worker processes and keeps their items.

It deals the feeds to worker processes by host, sends each its shard over its
stdin, collects the item lists on its stdout and stores what is new in an
SQLite file that the sqlite3 shell can read. A feed that kills its worker costs
that feed; a run that is killed at any moment loses nothing that it reported.

Exit status:
  0         the run did its work, whatever became of single feeds
  1         usage or configuration: nothing was attempted; or the results
            could not be printed
  3         the workers gave the round up; --strict: some feeds failed;
            verify, bench compare: there is a difference
  4         the store failed, what was stored stays; or there is none
  5         another run holds the store
  6         --sandbox require, and it is not to be had
  7         no network: nearly no host could be reached, or none any more;
            or no certificate is trusted here
  8         --deadline came first; what was stored stays
  9         --exec or --post failed; its items are given to it again
  130, 143  interrupted, after what was finished was stored; a second signal
            ends it at once`

// rootCommand returns the whole command line.
func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "coordinator",
		Short:         "Refresh feeds with worker processes and keep their items",
		Long:          rootLong,
		Version:       version.Release() + " (" + version.Build() + ")",
		SilenceErrors: true,
		SilenceUsage:  true,

		SuggestionsMinimumDistance: 2,

		Args: noSuchCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
		PersistentPreRunE: func(c *cobra.Command, _ []string) error {
			s, err := readSettings(a.config)
			a.settings = s
			if err == nil {
				err = errors.Join(s.check(c.Root()), s.apply(c))
			}
			if err != nil {
				return err
			}
			if a.db == "" && c.Flags().Changed("db") { // a variable that is not set
				return usage("leave --db out for the usual store", "--db names no file")
			}
			return nil
		},
	}
	root.SetVersionTemplate("coordinator {{.Version}}\n")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage("see "+c.CommandPath()+" --help", "%s", flagError(err))
	})
	root.PersistentFlags().StringVar(&a.config, "config", "", "read settings from `FILE` [default: $XDG_CONFIG_HOME/feedmill/config.toml]")
	root.PersistentFlags().StringVar(&a.db, "db", "", "keep the store in `FILE`, or on a server: postgres://… [default: $XDG_DATA_HOME/feedmill/feeds.db]")
	root.PersistentFlags().BoolVarP(&a.verbose, "verbose", "v", false, "log requests and what else is done: --log-level debug")
	a.logLevel = choice{"warn", []string{"error", "warn", "info", "debug"}}
	a.logLevel.registerOn(root, root.PersistentFlags(), "log-level", "log to standard error: "+strings.Join(a.logLevel.of, ", "))
	a.logFormat = choice{"text", []string{"text", "json"}}
	a.logFormat.registerOn(root, root.PersistentFlags(), "log-format", "of the log: text or json")
	root.PersistentFlags().BoolVar(&a.noPager, "no-pager", false, "print tables without $PAGER, however long they are")
	root.SetUsageTemplate(strings.NewReplacer(".FlagUsages", ".FlagUsagesWrapped 80", `Use "{{.CommandPath}}`, `"{{.CommandPath}}`, " for more information about a command.", " says more.").
		Replace(root.UsageTemplate()))
	root.SetHelpCommand(helpCommand())
	root.AddCommand(
		a.refreshCommand(),
		a.feedsCommand(),
		a.itemsCommand(),
		a.verifyCommand(),
		a.originCommand(),
		a.demoCommand(),
		a.benchCommand(),
		a.benchChildCommand(),
		a.statusCommand(),
		a.storeCommand(),
		a.doctorCommand(),
		a.pageCommand(),
		a.configCommand(),
		a.indexCommand(),
	)
	if manCommand != nil {
		root.AddCommand(manCommand(a))
	}
	eachOf(root, func(c *cobra.Command) { c.Flags().SortFlags = false }) // they are registered in an order that means something
	return root
}

// manCommand is the command that writes the manual pages, where the build tag man
// says that there is one: what it needs would take every command a millisecond.
var manCommand func(*app) *cobra.Command

// addCompletion adds cobra's command that writes completions, which by itself helps,
// with the status of success, with whatever is no shell.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	if c, _, err := root.Find([]string{"completion"}); err == nil {
		c.SuggestionsMinimumDistance = 2
		c.Args, c.RunE = noArguments, func(c *cobra.Command, _ []string) error { return c.Help() }
	}
}

// helpCommand is --help as a command. Cobra's own takes what is no command for
// none, and has the exit status of one that helped.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Say more about a command",
		Long:  "Say more about a command, as --help behind it does.",
		ValidArgsFunction: func(c *cobra.Command, args []string, begun string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
			if of, rest, err := c.Root().Find(args); err == nil && len(rest) == 0 {
				for _, sub := range of.Commands() {
					if sub.IsAvailableCommand() && strings.HasPrefix(sub.Name(), begun) {
						names = append(names, sub.Name())
					}
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			of, rest, err := c.Root().Find(args)
			if err != nil {
				of, rest = c.Root(), args
			}
			if len(rest) > 0 {
				return noSuchCommand(of, rest)
			}
			return of.Help()
		},
	}
}
