-- What the last document of a feed is remembered by, so that the next reading can
-- leave out the items that have not changed. Only the program that wrote it knows
-- how to read it; without it everything is read. Apart from feeds, whose rows are
-- read and written for every request, with or without a document.
CREATE TABLE spans (
  feed_id INTEGER PRIMARY KEY REFERENCES feeds ON DELETE CASCADE,
  spans   BLOB    NOT NULL
) STRICT;

-- As for items: the sqlite3 shell leaves foreign keys off.
CREATE TRIGGER spans_deleted AFTER DELETE ON feeds
BEGIN
  DELETE FROM spans WHERE feed_id = OLD.id;
END;
