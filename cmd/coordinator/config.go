package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"feedmill/internal/feeds"
	"feedmill/internal/terminal"
)

const configLong = `Print every setting that holds, and where it comes from: the command line, the
environment, the configuration file, or the program's own default.

Every flag has a key of its name in the file, and a variable FEEDMILL_NAME in
the environment, in capitals and with _ for -. In the file a key at the top
holds for every command that has the flag, and one in a table named for a
command for that command alone:

  allow-net = ["192.168.1.0/24"]
  contact = "https://example.org/about"
  [refresh]
  workers = 4
  report = "failing"
  [feeds.list]
  sort = "category"

The command line goes before the environment, and that before the file, which is
--config FILE, else $XDG_CONFIG_HOME/feedmill/config.toml, else the same below
~/.config.`

// settings are what the environment and the configuration file say of flags.
type settings struct {
	path string         // of the file; empty when there is none
	file map[string]any // its keys
	from map[string]string
}

// notSet are flags that are asked for on the command line only, and commands whose
// flags are what they do rather than how.
var (
	notSet       = []string{"help", "version", "config"}
	notSettables = []string{"set", "man", "completion", "bash", "zsh", "fish", "powershell"}
)

// variable returns the environment's name of a flag.
func variable(flag string) string {
	return "FEEDMILL_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// readSettings reads the configuration file that is named, or the usual one, which
// need not be there.
func readSettings(named string) (*settings, error) {
	s := &settings{path: cmp.Or(named, usualConfig()), from: make(map[string]string)}
	b, err := os.ReadFile(s.path)
	// A service may have the home of somebody else, which it cannot look into.
	if (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)) && named == "" {
		s.path = ""
		return s, nil
	}
	if err != nil {
		return nil, usage("", "read configuration: %w", err)
	}
	if err := toml.Unmarshal(b, &s.file); err != nil {
		where := ""
		if bad, ok := errors.AsType[*toml.DecodeError](err); ok {
			line, column := bad.Position()
			where = fmt.Sprintf(" line %d, column %d:", line, column)
		}
		return nil, usage("see coordinator config --help", "%s:%s %s", s.path, where, strings.TrimPrefix(err.Error(), "toml: "))
	}
	return s, nil
}

// usualConfig returns where the configuration file is looked for, which may be
// nowhere.
func usualConfig() string {
	dir, err := userDir("XDG_CONFIG_HOME", ".config")
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "config.toml")
}

// check refuses keys that no flag has, which would be believed to hold.
func (s *settings) check(root *cobra.Command) error {
	if len(s.file) == 0 {
		return nil
	}
	known := make(map[string]bool) // by path, with dots
	eachOf(root, func(c *cobra.Command) {
		table := strings.Join(append(words(c), ""), ".")
		c.InheritedFlags() // which adds those of its parents
		eachFlag(c, func(f *pflag.Flag) { known[f.Name], known[table+f.Name] = true, true })
	})
	var bad []string
	var walk func(prefix string, keys map[string]any)
	walk = func(prefix string, keys map[string]any) {
		for key, v := range keys {
			if sub, ok := v.(map[string]any); ok {
				walk(prefix+key+".", sub)
			} else if !known[prefix+key] {
				bad = append(bad, prefix+key)
			}
		}
	}
	walk("", s.file)
	if len(bad) > 0 {
		slices.Sort(bad)
		return usage("see coordinator config --help", "%s: no flag has the key %s", s.path, strings.Join(bad, ", "))
	}
	return nil
}

// words are those that name c, without the program's.
func words(c *cobra.Command) []string { return strings.Fields(c.CommandPath())[1:] }

// eachOf calls f for c and all commands below it.
func eachOf(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, sub := range c.Commands() {
		eachOf(sub, f)
	}
}

// eachFlag calls f for the flags of c that may be set elsewhere.
func eachFlag(c *cobra.Command, f func(*pflag.Flag)) {
	common := slices.Contains(notSettables, c.Name()) // then only what all commands have
	c.Flags().VisitAll(func(flag *pflag.Flag) {
		if !slices.Contains(notSet, flag.Name) && (!common || c.Root().PersistentFlags().Lookup(flag.Name) == flag) {
			f(flag)
		}
	})
}

// apply gives the flags of c that the command line leaves alone what is set
// elsewhere.
func (s *settings) apply(c *cobra.Command) error {
	var failed error
	eachFlag(c, func(f *pflag.Flag) {
		if f.Changed || failed != nil {
			return
		}
		if v := os.Getenv(variable(f.Name)); v != "" {
			s.from[f.Name] = "$" + variable(f.Name)
			failed = s.set(c, f.Name, v)
			return
		}
		v, ok := s.lookup(c, f.Name)
		if !ok {
			return
		}
		s.from[f.Name] = s.path
		list, ok := v.([]any)
		if !ok {
			list = []any{v}
		}
		for _, one := range list {
			if failed = s.set(c, f.Name, fmt.Sprint(one)); failed != nil {
				return
			}
		}
	})
	return failed
}

func (s *settings) set(c *cobra.Command, name, value string) error {
	if err := c.Flags().Set(name, value); err != nil {
		return usage("", "%s: %s", s.from[name], flagError(err))
	}
	return nil
}

// lookup returns what the file says of a flag of c: in the table of the command,
// else at the top.
func (s *settings) lookup(c *cobra.Command, name string) (any, bool) {
	table := s.file
	for _, word := range words(c) {
		table, _ = table[word].(map[string]any)
	}
	for _, keys := range []map[string]any{table, s.file} {
		if v, ok := keys[name]; ok {
			if _, isTable := v.(map[string]any); !isTable {
				return v, true
			}
		}
	}
	return nil, false
}

func (a *app) configCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "config [COMMAND]",
		Short:   "Print the settings that hold, and where they come from",
		Long:    configLong,
		Example: "  coordinator config\n  coordinator config refresh",
		RunE: func(c *cobra.Command, args []string) error {
			of, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return noSuchCommand(c.Root(), args)
			}
			return a.printConfig(of)
		},
	}
}

// printConfig prints what holds for a command and those below it. What holds for all
// of them is said once.
func (a *app) printConfig(of *cobra.Command) (err error) {
	s, shared := a.settings, of.Root().PersistentFlags()
	said := make(map[string]string) // of a flag that all have, where it comes from
	fmt.Fprintf(a.stdout, "# %s\n", cmp.Or(s.path, usualConfig()+" (not there)"))
	t := a.table(terminal.Column{Name: "COMMAND"}, terminal.Column{Name: "KEY"}, terminal.Column{Name: "VALUE", Least: 16}, terminal.Column{Name: "FROM", Least: 12})
	var rows [][]string
	eachOf(of, func(c *cobra.Command) {
		if !c.Runnable() || c.Hidden || err != nil {
			return
		}
		for name := range s.from { // what holds for another command
			if f := shared.Lookup(name); f != nil {
				f.Value.Set(f.DefValue) // which it had
				f.Changed = false
			}
		}
		c.InheritedFlags() // which adds those of its parents
		s.from = make(map[string]string)
		if err = s.apply(c); err != nil {
			return
		}
		name := strings.Join(words(c), " ")
		eachFlag(c, func(f *pflag.Flag) {
			from := s.from[f.Name]
			if from == "" && f.Changed {
				from = "command line"
			}
			if shared.Lookup(f.Name) == f {
				first, ok := said[f.Name]
				if ok && first == from {
					return
				}
				if !ok {
					said[f.Name] = from
				}
			}
			rows = append(rows, []string{name, f.Name, terminal.Printable(withoutSecrets(feeds.RedactURL(f.Value.String()))), cmp.Or(from, "default")})
		})
	})
	if err != nil {
		return err
	}
	t.Rows = slices.Values(rows)
	return a.show(t)
}
