-- What a replica holds beside the catalogue's tables. All of it is local and never leaves the
-- device as it stands. Created at enrolment; later versions only add.

-- One row: who this device is and where it stands with its server.
CREATE TABLE device_state (
  one            INTEGER PRIMARY KEY CHECK (one = 1),
  device         BLOB NOT NULL,              -- 16 bytes, given at enrolment
  number         INTEGER NOT NULL,           -- small, prefix of human numbers: D7-0042
  person         BLOB NOT NULL,              -- whose device it is
  epoch          INTEGER NOT NULL,
  token          BLOB NOT NULL,              -- epoch token last received
  timeline       INTEGER NOT NULL,
  timeline_id    BLOB NOT NULL,
  digest_key     BLOB NOT NULL,
  catalogue      INTEGER NOT NULL,           -- version that tables and triggers were made for
  mask           INTEGER NOT NULL DEFAULT 0, -- role mask under which the cursors were made
  cursors_under  INTEGER NOT NULL DEFAULT 0, -- catalogue version under which they were made
  next_seq       INTEGER NOT NULL DEFAULT 1, -- next device_seq of this epoch
  outbox_floor   INTEGER NOT NULL DEFAULT 0, -- no key of the outbox up to here is given again
  next_no        INTEGER NOT NULL DEFAULT 1, -- next counter of human numbers
  verdict_seen   INTEGER NOT NULL DEFAULT 0, -- highest verdict number stored
  clock          INTEGER NOT NULL DEFAULT 0, -- hybrid logical clock: last stamp given or seen
  offset_ms      INTEGER NOT NULL DEFAULT 0, -- server time minus this device's wall clock
  seen_ms        INTEGER NOT NULL DEFAULT 0, -- last server time seen
  last_sync_at   INTEGER                     -- server time of the last sync that finished
) STRICT;

-- Free settings of this device: server addresses, CA, language.
CREATE TABLE setting (
  name   TEXT PRIMARY KEY,
  value  ANY
) STRICT, WITHOUT ROWID;

-- Scopes that rows point to by a small number.
CREATE TABLE scope (
  no    INTEGER PRIMARY KEY,
  kind  INTEGER NOT NULL,                    -- enum scope_kind
  id    BLOB NOT NULL CHECK (length(id) = 16),
  held  INTEGER NOT NULL DEFAULT 1,          -- 0: left
  UNIQUE (kind, id)
) STRICT;

CREATE TABLE cursor (
  scope  INTEGER PRIMARY KEY REFERENCES scope (no),
  done   INTEGER NOT NULL DEFAULT 0,         -- everything up to it is here
  pos    INTEGER NOT NULL DEFAULT 0,         -- how far this pass came
  goal   INTEGER NOT NULL DEFAULT 0,         -- head that the pass began with, 0: none under way
  mark   INTEGER NOT NULL DEFAULT 0          -- what two verified backups hold
) STRICT;

-- One row for each changed row of a transaction not yet judged. Written by triggers only.
-- New values stand in the tables themselves; what a later change destroyed stands in its `old`.
CREATE TABLE outbox (
  key     INTEGER PRIMARY KEY,               -- given by capture; never reused: see outbox_floor
  tx      INTEGER NOT NULL,                  -- key of the transaction's first row
  tbl     INTEGER NOT NULL,
  row     BLOB NOT NULL,
  op      INTEGER NOT NULL,                  -- enum change_op
  cols    INTEGER NOT NULL,                  -- update: bit n, column n changed; delete: was not NULL
  base    INTEGER NOT NULL,                  -- the row's _seq as its author saw it, 0: none
  old     BLOB,                              -- CBOR items: old values of `cols` by rising number;
                                             -- a delete's begin with the row's _scope
  stamp   INTEGER,                           -- the rest only in a transaction's first row:
  wall    INTEGER,                           -- hybrid logical stamp, wall clock,
  mono    INTEGER,                           -- monotonic clock,
  boot    BLOB,                              -- boot id (NULL: unknown),
  seen    INTEGER,                           -- last server time seen,
  intent  TEXT                               -- what the user did
) STRICT;

-- Frozen transactions: content and number fixed before the first byte leaves.
CREATE TABLE sent (
  tx          INTEGER PRIMARY KEY,           -- outbox.tx
  epoch       INTEGER NOT NULL,
  device_seq  INTEGER NOT NULL,
  rests_on    BLOB,                          -- CBOR items: sent.tx of predecessors, NULL: none
  identity    BLOB NOT NULL,                 -- SHA-256 of body
  body        BLOB NOT NULL,                 -- row form, sent as it is for ever
  state       INTEGER NOT NULL,              -- 0 waiting, 1 accepted, 2 merged, 3 parked, 4 refused
  verdict     INTEGER,                       -- its number
  judged_at   INTEGER,                       -- server time
  rows        BLOB,                          -- CBOR: (scope no, seq)s, to know when a backup covers it
  UNIQUE (epoch, device_seq)
) STRICT;
CREATE INDEX sent_waiting ON sent (tx) WHERE state IN (0, 3);

-- What people should look at: refused and merged work.
CREATE TABLE inbox (
  id        INTEGER PRIMARY KEY AUTOINCREMENT,
  tx        INTEGER NOT NULL UNIQUE,
  kind      TEXT NOT NULL CHECK (kind IN ('refused', 'held', 'merged', 'parked')),
  code      TEXT NOT NULL,
  field     TEXT NOT NULL,
  detail    TEXT NOT NULL,
  losers    BLOB,                            -- CBOR, merged: what lost against what
  at        INTEGER NOT NULL,                -- server time of the verdict
  done      TEXT                             -- NULL: needs you; else resent, noted, discarded, restored, seen
) STRICT;

-- The server's state below pending columns: what refusal and discard restore.
CREATE TABLE under (
  tbl    INTEGER NOT NULL,
  row    BLOB NOT NULL,
  col    INTEGER NOT NULL,
  base   INTEGER NOT NULL,                   -- _seq that the pending edit's author saw
  value  BLOB NOT NULL,                      -- CBOR: the hidden server value
  PRIMARY KEY (tbl, row, col)
) STRICT, WITHOUT ROWID;
