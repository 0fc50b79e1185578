-- When the server last sent a document, or answered a request without
-- validators. One that has said 304 for a long time may have got stuck.
ALTER TABLE feeds ADD COLUMN last_full INTEGER;

-- What the last document asked for, which counts also after a 304.
ALTER TABLE feeds ADD COLUMN ttl        INTEGER NOT NULL DEFAULT 0;  -- seconds
ALTER TABLE feeds ADD COLUMN skip_hours INTEGER NOT NULL DEFAULT 0;  -- bit h: not in hour h, GMT
ALTER TABLE feeds ADD COLUMN skip_days  INTEGER NOT NULL DEFAULT 0;  -- bit d: not on weekday d, Sunday is 0

UPDATE feeds SET last_full = last_success;
