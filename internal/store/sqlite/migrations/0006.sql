-- What a document was remembered by is made no more: every document is read.
DROP TRIGGER spans_deleted;
DROP TABLE spans;

-- Which reader made the feed's items of its documents: see store/identity.go.
-- 0: one from before it was noted.
ALTER TABLE feeds ADD COLUMN reader INTEGER NOT NULL DEFAULT 0;

-- Keys that several items of a feed were seen to share, so that none of them is
-- known by it: what feeds.SharedKey makes of them.
CREATE TABLE shared (
  feed_id INTEGER NOT NULL REFERENCES feeds ON DELETE CASCADE,
  key     BLOB    NOT NULL CHECK (length(key) = 16),
  PRIMARY KEY (feed_id, key)
) STRICT, WITHOUT ROWID;

-- As for items: the sqlite3 shell leaves foreign keys off.
CREATE TRIGGER shared_deleted AFTER DELETE ON feeds
BEGIN
  DELETE FROM shared WHERE feed_id = OLD.id;
END;
