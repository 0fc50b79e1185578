//go:build man

package main

import (
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"feedmill/internal/version"
)

func init() { manCommand = (*app).writesPages }

// writesPages is the command that make install runs.
func (a *app) writesPages() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the manual pages",
		Args:   oneArgument,
		Hidden: true,
		RunE: func(c *cobra.Command, args []string) error {
			head := &doc.GenManHeader{Section: "1", Source: "feedmill " + version.Release(), Manual: "feedmill"}
			if at, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil { // builds that can be repeated
				date := time.Unix(at, 0).UTC()
				head.Date = &date
			}
			c.Root().DisableAutoGenTag = true
			if err := doc.GenManTree(c.Root(), head, args[0]); err != nil {
				return usage("", "write manual pages into %s: %w", args[0], err)
			}
			return nil
		},
	}
}
