-- Backups and what they hold, timelines and what each of them lost, and work that waits for an
-- admin's word before it becomes rows.

ALTER TABLE store_state ADD COLUMN superseded INTEGER NOT NULL DEFAULT 0; -- timeline that took over from this store: it writes no more
ALTER TABLE store_state ADD COLUMN mark_no INTEGER NOT NULL DEFAULT 0;    -- how often marks have risen

ALTER TABLE scope ADD COLUMN mark INTEGER NOT NULL DEFAULT 0;             -- two verified backups hold everything up to it
ALTER TABLE scope ADD COLUMN mark_no INTEGER NOT NULL DEFAULT 0;          -- store_state.mark_no when it last rose

ALTER TABLE device_key ADD COLUMN mark_told INTEGER NOT NULL DEFAULT 0;    -- store_state.mark_no that the device has heard of
ALTER TABLE device_key ADD COLUMN mark_pending INTEGER NOT NULL DEFAULT 0; -- told with token_pending
ALTER TABLE device_key ADD COLUMN timeline INTEGER NOT NULL DEFAULT 1;     -- the last one in which it has brought all it had

-- Verified backups, as they were when they were made.
CREATE TABLE backup (
  no        INTEGER PRIMARY KEY AUTOINCREMENT,
  seal      BLOB NOT NULL,                   -- as in its backup_seal
  file      TEXT NOT NULL,                   -- absolute path
  made_at   INTEGER NOT NULL,
  timeline  INTEGER NOT NULL,
  bytes     INTEGER NOT NULL,
  sha256    BLOB NOT NULL,                   -- of the whole file
  replaced  INTEGER NOT NULL DEFAULT 0       -- another backup stands at that path by now
) STRICT;
CREATE TABLE backup_scope (
  backup  INTEGER NOT NULL,
  scope   INTEGER NOT NULL,
  seq     INTEGER NOT NULL,                  -- the scope's counter
  head    BLOB,                              -- and its change log's head
  PRIMARY KEY (backup, scope)
) STRICT, WITHOUT ROWID;

-- Has one row in a backup file and none in a store: what the backup says of itself.
CREATE TABLE backup_seal (
  one       INTEGER PRIMARY KEY CHECK (one = 1),
  seal      BLOB NOT NULL,                   -- 16 random bytes, its name in the ledger
  made_at   INTEGER NOT NULL,
  timeline  INTEGER NOT NULL,
  log_no    INTEGER NOT NULL                 -- last entry of the change log
) STRICT;
CREATE TABLE backup_rows (
  tbl   INTEGER PRIMARY KEY,
  rows  INTEGER NOT NULL                     -- tombstones too
) STRICT;

-- Restores in this store's past, and up to which number each kept what the scopes held.
CREATE TABLE timeline (
  counter   INTEGER PRIMARY KEY,
  id        BLOB NOT NULL,
  began_at  INTEGER NOT NULL,
  backup_at INTEGER NOT NULL                 -- when the backup was made that it began with
) STRICT;
CREATE TABLE timeline_scope (
  counter  INTEGER NOT NULL,
  scope    INTEGER NOT NULL,
  seq      INTEGER NOT NULL,
  PRIMARY KEY (counter, scope)
) STRICT, WITHOUT ROWID;

-- What the store that was put aside knew and the backup didn't, for the report.
CREATE TABLE lost (
  timeline     INTEGER NOT NULL,             -- that began without it
  device       BLOB,                         -- NULL: the server's own
  person       BLOB,
  identity     BLOB NOT NULL,
  received_at  INTEGER NOT NULL,
  intent       TEXT NOT NULL,
  scope_kind   INTEGER,
  scope_id     BLOB,
  seq          INTEGER
) STRICT;
CREATE INDEX lost_identity ON lost (identity);

-- The highest numbers of a lost part that devices have shown.
CREATE TABLE lost_head (
  timeline    INTEGER NOT NULL,              -- that began without them
  scope_kind  INTEGER NOT NULL,
  scope_id    BLOB NOT NULL,
  seq         INTEGER NOT NULL,
  PRIMARY KEY (timeline, scope_kind, scope_id)
) STRICT, WITHOUT ROWID;

-- Rows that a device brought back, with the number they had: bases from the lost part name it.
CREATE TABLE given_again (
  tbl  INTEGER NOT NULL,
  row  BLOB NOT NULL,
  seq  INTEGER NOT NULL,                     -- given now
  was  INTEGER NOT NULL,
  PRIMARY KEY (tbl, row, seq)
) STRICT, WITHOUT ROWID;

-- Devices that the ledger names as revoked, known here or not.
CREATE TABLE revoked_device (
  device      BLOB PRIMARY KEY,
  revoked_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What isn't taken as it comes: rows that a device held of a lost part and nobody brought back, and
-- work of a revoked device that came by file. An admin releases or discards it.
CREATE TABLE quarantine (
  no           INTEGER PRIMARY KEY AUTOINCREMENT,
  kind         TEXT NOT NULL CHECK (kind IN ('witness', 'revoked')),
  device       BLOB NOT NULL,                -- who brought it
  person       BLOB,                         -- whose device that is, NULL: unknown
  received_at  INTEGER NOT NULL,
  hash         BLOB NOT NULL,                -- SHA-256 of body: what came before isn't kept twice
  tbl          INTEGER,                      -- witness: the row
  row          BLOB,
  body         BLOB NOT NULL,                -- witness: a ROWS message of one row; revoked: a transaction in row form
  state        TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'released', 'discarded')),
  decided_at   INTEGER,
  decided_by   TEXT,
  UNIQUE (kind, hash)
) STRICT;
CREATE INDEX quarantine_waiting ON quarantine (no) WHERE state = 'waiting';
