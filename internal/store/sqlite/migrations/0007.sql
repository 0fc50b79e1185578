-- Which URL gave etag and last_modified, where that was not the feed's own but the
-- end of its redirects: they are sent to no other one.
ALTER TABLE feeds ADD COLUMN validators_url TEXT NOT NULL DEFAULT '';
