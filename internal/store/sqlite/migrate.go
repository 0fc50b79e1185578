package sqlite

import (
	"embed"
	"fmt"
	"strings"

	"zombiezen.com/go/sqlite"

	"feedmill/internal/store"
)

// applicationID marks a file as a store, in its header ("fmil").
const applicationID = 0x666d696c

// Migrations are files named 0001.sql and so on: each takes the tables from
// one version to the next and never changes once it was released.
//
//go:embed migrations/*.sql
var migrations embed.FS

// latestVersion is the version of the tables that this program works with.
var latestVersion = store.LatestVersion(migrations)

// identify returns the version of the tables in c's file, 0 for a new one. It
// writes nothing.
func identify(c *sqlite.Conn, path string) (int, error) {
	var app, version, objects int
	err := query(c, `SELECT a.application_id, v.user_version, (SELECT count(*) FROM sqlite_schema)
		FROM pragma_application_id a, pragma_user_version v`, func(s *sqlite.Stmt) error {
		app, version, objects = s.ColumnInt(0), s.ColumnInt(1), s.ColumnInt(2)
		return nil
	})
	switch {
	case err != nil:
		return 0, fmt.Errorf("read store version: %w", err)
	case app == 0 && version == 0 && objects == 0:
		return 0, nil
	case version < 0:
		return 0, &store.ForeignError{Path: path, Reason: fmt.Sprintf("its tables are of version %d, which no program makes", version)}
	case app != applicationID:
		return 0, &store.ForeignError{Path: path, Reason: fmt.Sprintf("another program's SQLite file (application id %d)", app)}
	case version > latestVersion:
		return 0, &store.SchemaError{Path: path, Have: version, Want: latestVersion}
	}
	return version, nil
}

// migrate brings the tables from version to the latest, one transaction a
// step, so that an interrupted migration goes on where it stopped. A new file
// gets all of them in one, as it has nothing to lose. None waits for the disk: a
// step that a power failure takes is done again.
func migrate(c *sqlite.Conn, version int) error {
	steps := 1
	if version == 0 {
		steps = latestVersion
	}
	for ; version < latestVersion; version += steps {
		var text strings.Builder
		for step := range steps {
			name := fmt.Sprintf("migrations/%04d.sql", version+step+1)
			part, err := migrations.ReadFile(name)
			if err != nil {
				return fmt.Errorf("read migration: %w", err)
			}
			text.Write(part)
			text.WriteString("\n")
		}
		to := version + steps
		if err := script(c, fmt.Sprintf("BEGIN IMMEDIATE;\n%sPRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT;",
			text.String(), applicationID, to)); err != nil {
			return fmt.Errorf("bring tables from version %d to %d: %w", version, to, err)
		}
	}
	return nil
}
