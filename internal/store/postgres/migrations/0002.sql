-- Domains that may kill who refreshes them, which are few: each claim looks whether one has
-- waited for long.
CREATE INDEX hosts_lost ON hosts (next_due) WHERE lost > 1;
