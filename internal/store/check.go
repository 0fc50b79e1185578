package store

import (
	"fmt"
	"strings"

	"feedmill/internal/feeds"
)

// MaxProblems bounds how many violations of one rule a Check names.
const MaxProblems = 10

// Invariants are what must hold of a store's rows beyond its constraints, whichever
// engine keeps them. Each query returns one line of text for each violation.
var Invariants = []string{
	`SELECT format('item %s of feed %s: seq is above the last one given, %s', i.seq, f.id, f.seq)
		FROM items i JOIN feeds f ON f.id = i.feed_id WHERE i.seq > f.seq`,
	`SELECT format('item %s of feed %s: seq is below 1', seq, feed_id) FROM items WHERE seq < 1`,
	`SELECT format('item %s of feed %s: seq did not grow; the item before has %s', seq, feed_id, before) FROM (
		SELECT seq, feed_id, lag(seq) OVER (PARTITION BY feed_id ORDER BY id) AS before FROM items) i WHERE seq <= before`,
	`SELECT format('feed %s: %s items are counted and %s are there', id, items, n) FROM (
		SELECT id, items, (SELECT count(*) FROM items WHERE feed_id = feeds.id) AS n FROM feeds) f WHERE items <> n`,
	`SELECT format('item %s of feed %s: is there although it was removed', i.seq, i.feed_id)
		FROM removed r JOIN items i ON i.feed_id = r.feed_id AND i.key = r.key`,
	`SELECT format('item %s of feed %s: was edited %s times', seq, feed_id, edits)
		FROM items WHERE edits NOT BETWEEN 0 AND ` + fmt.Sprint(MaxEdits),
	`SELECT format('feed %s: has validators or a body hash without any success', id) FROM feeds
		WHERE last_success IS NULL AND (etag <> '' OR last_modified <> '' OR body_hash <> 0)`,
	`SELECT format('feed %s: succeeded, but counts %s failures', id, fails) FROM feeds
		WHERE class IN (` + SQLClasses(feeds.Class.OK) + `) AND (fails <> 0 OR last_success IS NULL OR last_success <> last_checked)`,
	`SELECT format('feed %s: has the unknown class ''%s''', id, class) FROM feeds
		WHERE class <> '' AND class NOT IN (` + SQLClasses(func(feeds.Class) bool { return true }) + `)`,
	`SELECT format('feed %s: was never tried, but has items or a state', id) FROM feeds
		WHERE class = '' AND (seq <> 0 OR items <> 0 OR fails <> 0 OR status <> 0 OR last_checked IS NOT NULL)`,
	`SELECT format('feed %s: a count is negative', id) FROM feeds WHERE seq < 0 OR items < 0 OR fails < 0`,
}

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
