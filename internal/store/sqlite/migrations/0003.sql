-- The URLs that feeds had before a permanent redirect was believed. Whoever
-- names one of them, in a list that is older than the move, means the feed.
CREATE TABLE moved (
  url     TEXT    NOT NULL PRIMARY KEY,
  feed_id INTEGER NOT NULL REFERENCES feeds ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX moved_feed ON moved (feed_id);

-- As for items: the sqlite3 shell leaves foreign keys off.
CREATE TRIGGER moved_deleted AFTER DELETE ON feeds
BEGIN
  DELETE FROM moved WHERE feed_id = OLD.id;
END;
