package main

import (
	"feedmill/internal/feeds"
	"strings"

	"github.com/spf13/cobra"
)

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
