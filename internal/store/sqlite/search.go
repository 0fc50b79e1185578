package sqlite

import (
	"context"

	"zombiezen.com/go/sqlite"
)

// indexSQL makes a full-text index that has no text of its own and that whoever
// changes an item keeps.
const indexSQL = `
CREATE VIRTUAL TABLE search USING fts5 (title, author, summary, content, content = 'items', content_rowid = 'id',
  tokenize = 'unicode61 remove_diacritics 2');
CREATE TRIGGER search_added AFTER INSERT ON items BEGIN
  INSERT INTO search (rowid, title, author, summary, content) VALUES (NEW.id, NEW.title, NEW.author, NEW.summary, NEW.content);
END;
CREATE TRIGGER search_left AFTER DELETE ON items BEGIN
  INSERT INTO search (search, rowid, title, author, summary, content)
    VALUES ('delete', OLD.id, OLD.title, OLD.author, OLD.summary, OLD.content);
END;
CREATE TRIGGER search_changed AFTER UPDATE OF title, author, summary, content ON items BEGIN
  INSERT INTO search (search, rowid, title, author, summary, content)
    VALUES ('delete', OLD.id, OLD.title, OLD.author, OLD.summary, OLD.content);
  INSERT INTO search (rowid, title, author, summary, content) VALUES (NEW.id, NEW.title, NEW.author, NEW.summary, NEW.content);
END;
INSERT INTO search (search) VALUES ('rebuild');`

const noIndexSQL = `
DROP TRIGGER IF EXISTS search_added; DROP TRIGGER IF EXISTS search_left; DROP TRIGGER IF EXISTS search_changed;
DROP TABLE IF EXISTS search;`

// SetIndex makes the index that ItemQuery.Search needs, of all items that are
// there and of those that come, or drops it. An index that is there is made anew.
//
// Rejected: an index in every store. A round of new items takes 3.6 times the
// processor time with one (docs/performance.md), and nobody need search.
func (db *DB) SetIndex(ctx context.Context, on bool) error {
	return db.write(ctx, "change the index", func(w *writer) error {
		text := noIndexSQL
		if on {
			text += indexSQL
		}
		return script(w.conn, text)
	})
}

// Indexed reports whether there is an index.
func (db *DB) Indexed(ctx context.Context) (there bool, err error) {
	err = db.read(ctx, "look for an index", func(c *sqlite.Conn) error {
		return query(c, "SELECT 1 FROM sqlite_schema WHERE name = 'search'", func(*sqlite.Stmt) error { there = true; return nil })
	})
	return there, err
}
