-- Heads of the server's change log (common/changelog/chain.h): kept here, where who
-- changes that log can't reach them.
ALTER TABLE cursor ADD COLUMN head_no INTEGER NOT NULL DEFAULT 0; -- entry, 0: not told yet
ALTER TABLE cursor ADD COLUMN head BLOB;                          -- first 16 bytes of its hash
ALTER TABLE cursor ADD COLUMN head_timeline INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device_state ADD COLUMN heads_at INTEGER NOT NULL DEFAULT 0; -- shown last, server time
