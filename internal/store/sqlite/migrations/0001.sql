-- Times are Unix seconds; NULL means never or unknown. Try
--   SELECT title, datetime(last_success, 'unixepoch') FROM feeds;
-- Text that a feed gave is '' when it gave none.

CREATE TABLE feeds (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given twice
  url           TEXT    NOT NULL UNIQUE,
  title         TEXT    NOT NULL DEFAULT '',
  link          TEXT    NOT NULL DEFAULT '',        -- the home page
  category      TEXT    NOT NULL DEFAULT '',
  next_due      INTEGER NOT NULL DEFAULT 0,         -- 0: at once
  class         TEXT    NOT NULL DEFAULT '',        -- how the last refresh ended; '': never tried
  detail        TEXT    NOT NULL DEFAULT '',
  status        INTEGER NOT NULL DEFAULT 0,         -- of HTTP; 0: no answer
  fails         INTEGER NOT NULL DEFAULT 0,         -- failures in a row
  last_checked  INTEGER,
  last_success  INTEGER,
  etag          TEXT    NOT NULL DEFAULT '',        -- as the server gave it, byte for byte
  last_modified TEXT    NOT NULL DEFAULT '',        -- likewise
  body_hash     INTEGER NOT NULL DEFAULT 0,         -- of the last body; 0: none
  moved_to      TEXT    NOT NULL DEFAULT '',        -- a permanent redirect, seen once so far
  moved_run     INTEGER NOT NULL DEFAULT 0,         -- the run that saw it
  seq           INTEGER NOT NULL DEFAULT 0,         -- the last one given to an item
  items         INTEGER NOT NULL DEFAULT 0          -- rows in items
) STRICT;

CREATE INDEX feeds_due ON feeds (next_due);

CREATE TABLE items (
  id         INTEGER PRIMARY KEY,            -- grows by arrival over all feeds
  feed_id    INTEGER NOT NULL REFERENCES feeds ON DELETE CASCADE,
  seq        INTEGER NOT NULL,               -- grows by arrival within the feed, never changes
  key        BLOB    NOT NULL CHECK (length(key) = 16),
  hash       INTEGER NOT NULL,               -- of the content; 64 bits
  first_seen INTEGER NOT NULL,
  edits      INTEGER NOT NULL DEFAULT 0,     -- times the content was replaced
  published  INTEGER,
  updated    INTEGER,
  guid       TEXT    NOT NULL DEFAULT '',
  link       TEXT    NOT NULL DEFAULT '',
  title      TEXT    NOT NULL DEFAULT '',
  author     TEXT    NOT NULL DEFAULT '',
  image      TEXT    NOT NULL DEFAULT '',
  categories TEXT    NOT NULL DEFAULT '[]',  -- JSON: ["news", …]
  enclosures TEXT    NOT NULL DEFAULT '[]',  -- JSON: [{"url":…, "type":…, "length":…}, …]
  summary    TEXT    NOT NULL DEFAULT '',
  content    TEXT    NOT NULL DEFAULT '',
  UNIQUE (feed_id, key)
) STRICT;

-- Answers "what is known of this feed?" and "its items in order" without
-- touching a page of content. Not UNIQUE (feed_id, seq) besides: one more
-- B-tree costs a tenth of an insert, and the one writer counts.
CREATE INDEX items_known ON items (feed_id, seq, key, hash, edits);

-- Items that somebody deleted from items. They do not come back. Whoever wants
-- one back deletes it here: it comes with the next document that has changed.
CREATE TABLE removed (
  feed_id INTEGER NOT NULL REFERENCES feeds ON DELETE CASCADE,
  key     BLOB    NOT NULL CHECK (length(key) = 16),
  PRIMARY KEY (feed_id, key)
) STRICT, WITHOUT ROWID;

-- Registrable domains that asked to be left alone.
CREATE TABLE hosts (
  domain     TEXT    NOT NULL PRIMARY KEY,
  hold_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
  id        INTEGER PRIMARY KEY AUTOINCREMENT,
  started   INTEGER NOT NULL,
  finished  INTEGER,                         -- NULL: under way, or killed
  mode      TEXT    NOT NULL DEFAULT '',
  workers   INTEGER NOT NULL DEFAULT 0,
  pid       INTEGER NOT NULL DEFAULT 0,
  feeds     INTEGER NOT NULL DEFAULT 0,
  succeeded INTEGER NOT NULL DEFAULT 0,
  failed    INTEGER NOT NULL DEFAULT 0,
  new       INTEGER NOT NULL DEFAULT 0,
  updated   INTEGER NOT NULL DEFAULT 0
) STRICT;

-- These two work whoever deletes, also the sqlite3 shell, which leaves foreign
-- keys off.
CREATE TRIGGER items_deleted AFTER DELETE ON items
WHEN EXISTS (SELECT 1 FROM feeds WHERE id = OLD.feed_id)
BEGIN
  INSERT INTO removed (feed_id, key) VALUES (OLD.feed_id, OLD.key) ON CONFLICT DO NOTHING;
  UPDATE feeds SET items = items - 1 WHERE id = OLD.feed_id;
END;

CREATE TRIGGER feeds_deleted AFTER DELETE ON feeds
BEGIN
  DELETE FROM items WHERE feed_id = OLD.id;
  DELETE FROM removed WHERE feed_id = OLD.id;
END;

-- For people: the newest arrivals first. Add a LIMIT.
CREATE VIEW latest AS
SELECT coalesce(nullif(f.title, ''), f.url)     AS feed,
       i.title                                  AS title,
       i.link                                   AS link,
       datetime(i.published, 'unixepoch')       AS published,
       datetime(i.first_seen, 'unixepoch')      AS arrived,
       i.feed_id                                AS feed_id,
       i.seq                                    AS seq
FROM items i JOIN feeds f ON f.id = i.feed_id
ORDER BY i.id DESC;
