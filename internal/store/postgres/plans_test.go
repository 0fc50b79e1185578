package postgres

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"feedmill/internal/feeds"
	"feedmill/internal/store/storetest"
)

// planned are the statements of a round, each with how many arguments it has, and the
// scans that it must consist of.
var planned = []struct {
	name, text string
	args       int
	want       []string
}{
	{"jobs", jobsSQL, 3, []string{"Index Scan using feeds_pkey", "Index Only Scan using items_pkey"}},
	{"known", knownSQL, 1, []string{"Index Only Scan using items_pkey"}},
	{"left alone", leftAloneSQL, 1, []string{"removed_pkey", "shared_pkey"}},
	{"states", statesSQL, 1, []string{"Index Scan using feeds_pkey"}},
	{"hosts", hostsSQL, 1, []string{"using hosts_pkey"}},
	{"removed", removedSQL, 1, []string{"removed_pkey"}},
	{"update items", updateItemsSQL, 15, []string{"Index Scan using items_pkey"}},
	{"succeed", succeedSQL, 21, []string{"Index Scan using feeds_pkey"}},
	{"fail", failSQL, 11, []string{"Index Scan using feeds_pkey"}},
	{"claim", fmt.Sprintf(claimSQL, dueSQL), 6, []string{"Index Scan using hosts_due", "hosts_pkey", "using feeds_domain"}},
	{"claim suspects", fmt.Sprintf(claimSQL, suspectSQL), 8, []string{"Index Scan using hosts_lost", "hosts_pkey"}},
	{"claim named", fmt.Sprintf(claimSQL, `domain = ANY($5)`), 5, []string{"hosts_pkey"}},
	{"held", `SELECT * FROM ` + ofHeld, 3, []string{"hosts_pkey"}},
}

// lookups are the conditions that may limit a scan.
var lookups = regexp.MustCompile(`Index Cond`)

// TestPlansUseIndexes: of tables that are new and believed to be empty, that somebody
// had analysed when they were, and of full ones. Without pinned the first two are read
// from end to end, for each group of feeds of a round.
func TestPlansUseIndexes(t *testing.T) {
	url := engine{}.New(t)
	db := openStore(t, url, Options{})
	look := func(state string, but ...string) {
		t.Helper()
		db.rounds.Reset() // plans are kept
		for _, p := range planned {
			if slices.Contains(but, p.name) {
				continue
			}
			plan := explained(t, db, p.text, p.args)
			for _, want := range p.want {
				if !strings.Contains(plan, want) {
					t.Errorf("%s, %s: want %s in\n%s", state, p.name, want, plan)
				}
			}
			scans := strings.Count(plan, "Scan using") - strings.Count(plan, "Scan using hosts_due") // which is read in its order
			if strings.Contains(plan, "Seq Scan") || len(lookups.FindAllString(plan, -1)) < scans {
				t.Errorf("%s, %s: a table is read from end to end:\n%s", state, p.name, plan)
			}
		}
	}
	const vacuum = "VACUUM ANALYZE feeds, items, removed, shared, moved, hosts" // and not the tables of all tests before
	look("new")
	ids := storetest.Subscribe(t, db, 300)
	look("feeds alone")
	engine{}.Exec(t, url, vacuum)
	look("feeds alone, analysed", "update items") // of which there is none
	var outcomes []feeds.Outcome
	for _, id := range ids {
		var items []feeds.Item
		for i := range 10 {
			items = append(items, storetest.Item(fmt.Sprint(id, i), "x"))
		}
		outcomes = append(outcomes, storetest.Succeeded(id, storetest.Epoch, items...))
	}
	storetest.Save(t, db, outcomes...)
	look("full")
	engine{}.Exec(t, url, vacuum)
	look("full, analysed")
}

// TestAGroupOfFeedsIsWrittenInPlace: each new row of a feed is on the page of the old one,
// also when all feeds of a page are written at once, so that no index is.
func TestAGroupOfFeedsIsWrittenInPlace(t *testing.T) {
	url := engine{}.New(t)
	db := openStore(t, url, Options{})
	var first, second []feeds.Outcome
	for _, id := range storetest.Subscribe(t, db, 256) {
		first = append(first, storetest.Succeeded(id, storetest.Epoch))
		second = append(second, storetest.Succeeded(id, storetest.Epoch.Add(time.Hour)))
	}
	storetest.Save(t, db, first...)
	engine{}.Exec(t, url, "VACUUM FULL feeds") // as they come into a new table
	const page = "(ctid::text::point)[0]"
	engine{}.Exec(t, url, "CREATE TABLE before AS SELECT id, "+page+" AS page FROM feeds")
	storetest.Save(t, db, second...)
	if n := (engine{}).Number(t, url, "SELECT count(*) FROM (SELECT id, "+page+" AS page FROM feeds) f JOIN before b USING (id) WHERE f.page <> b.page"); n != 0 {
		t.Errorf("%d of %d feeds were put elsewhere", n, len(first))
	}
}

// explained returns the plan of a statement, whatever its arguments.
func explained(t *testing.T, db *DB, text string, args int) string {
	t.Helper()
	var lines []string
	err := pgx.BeginFunc(t.Context(), db.rounds, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "PREPARE looked AS "+text, pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
		defer tx.Exec(context.Background(), "DEALLOCATE looked", pgx.QueryExecModeSimpleProtocol)
		rows, err := tx.Query(t.Context(), "EXPLAIN EXECUTE looked("+strings.TrimSuffix(strings.Repeat("NULL,", args), ",")+")", pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			return err
		}
		lines, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return strings.Join(lines, "\n")
}
