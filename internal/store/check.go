package store

import (
	"strings"

	"feedmill/internal/feeds"
)

// MaxProblems bounds how many violations of one rule a Check names.
const MaxProblems = 10

// SQLClasses returns the classes that take says, for what stands in the brackets
// of SQL's IN.
func SQLClasses(take func(feeds.Class) bool) string {
	var list []string
	for _, c := range feeds.Classes() {
		if take(c) {
			list = append(list, "'"+string(c)+"'")
		}
	}
	return strings.Join(list, ", ")
}
