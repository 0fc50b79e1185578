-- What the user said of a feed, beside what the feed says of itself. No refresh
-- changes these columns, nor category.
ALTER TABLE feeds ADD COLUMN name     TEXT    NOT NULL DEFAULT '';  -- shown in the title's place
ALTER TABLE feeds ADD COLUMN headers  TEXT    NOT NULL DEFAULT '';  -- sent to its host: a line 'Cookie: …' each
ALTER TABLE feeds ADD COLUMN interval INTEGER NOT NULL DEFAULT 0;   -- seconds between requests; 0: as for all
ALTER TABLE feeds ADD COLUMN paused   INTEGER NOT NULL DEFAULT 0;   -- 1: not asked

-- Whether the user has been told that the feed is failing.
ALTER TABLE feeds ADD COLUMN told INTEGER NOT NULL DEFAULT 0;

-- What no feed has said can only be the user's.
UPDATE feeds SET name = title, title = '' WHERE last_success IS NULL;

-- The highest id of an item that was deleted: ids are never given twice, so that
-- whoever remembers one knows what came after it.
CREATE TABLE arrivals (last INTEGER NOT NULL) STRICT;
INSERT INTO arrivals (last) VALUES (0);

CREATE TRIGGER items_left AFTER DELETE ON items
BEGIN
  UPDATE arrivals SET last = OLD.id WHERE last < OLD.id;
END;

-- The place that a removed item had: those that are long past are forgotten.
ALTER TABLE removed ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;

DROP TRIGGER items_deleted;
CREATE TRIGGER items_deleted AFTER DELETE ON items
WHEN EXISTS (SELECT 1 FROM feeds WHERE id = OLD.feed_id)
BEGIN
  INSERT INTO removed (feed_id, key, seq) VALUES (OLD.feed_id, OLD.key, OLD.seq) ON CONFLICT DO NOTHING;
  UPDATE feeds SET items = items - 1 WHERE id = OLD.feed_id;
END;

-- Who has had which items: a file that keeps an item's id itself (items --cursor),
-- or a hook, with the id of the last item that it was given. What they have not
-- passed is not to be pruned.
CREATE TABLE cursors (
  name TEXT NOT NULL PRIMARY KEY,
  at   INTEGER                    -- NULL: the file knows
) STRICT, WITHOUT ROWID;

DROP VIEW latest;
CREATE VIEW latest AS
SELECT coalesce(nullif(f.name, ''), nullif(f.title, ''), f.url) AS feed,
       i.title                                  AS title,
       i.link                                   AS link,
       datetime(i.published, 'unixepoch')       AS published,
       datetime(i.first_seen, 'unixepoch')      AS arrived,
       i.feed_id                                AS feed_id,
       i.seq                                    AS seq
FROM items i JOIN feeds f ON f.id = i.feed_id
ORDER BY i.id DESC;
