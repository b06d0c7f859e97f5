-- The change log is chained by hash, one chain for each scope (chain.h). Entries of older programs
-- stand before its beginning.

ALTER TABLE change_log ADD COLUMN seal BLOB;   -- 16 bytes: salt of identity and body, hashed with
                                               -- them; 32: that hash itself, the rest being erased
ALTER TABLE change_log ADD COLUMN chain BLOB;  -- CBOR: scope no, index, hash, for each scope touched

ALTER TABLE change_row ADD COLUMN seal BLOB;         -- as above, of `old`; NULL where that is
ALTER TABLE change_row ADD COLUMN left_scope INTEGER; -- a move: the scope that the row left,
ALTER TABLE change_row ADD COLUMN left_seq INTEGER;   -- and the number of its departure there

-- What changed or moved a row. Inserts are found from the row's own time: they are the bulk, and
-- each is needed once in a while.
CREATE INDEX change_row_row ON change_row (row, no) WHERE old IS NOT NULL;

-- Rows that a refused or parked entry names: its body did nothing that change_row could tell.
CREATE TABLE refused_row (
  row  BLOB NOT NULL,
  no   INTEGER NOT NULL,                       -- change_log.no
  tbl  INTEGER NOT NULL,
  PRIMARY KEY (row, no, tbl)
) STRICT, WITHOUT ROWID;

-- The last entry that isn't chained: 0, or what an older program had logged.
ALTER TABLE store_state ADD COLUMN chain_from INTEGER NOT NULL DEFAULT 0;
UPDATE store_state SET chain_from = (SELECT coalesce(max(no), 0) FROM change_log);

-- Heads that a device showed and that the chain doesn't know: the log was cut or replaced.
CREATE TABLE chain_alarm (
  device  INTEGER NOT NULL,                    -- device_key.number
  scope   INTEGER NOT NULL,
  no      INTEGER NOT NULL,                    -- the entry that it was told of
  head    BLOB NOT NULL,                       -- the first 16 bytes of its hash
  at      INTEGER NOT NULL,                    -- server time, first seen
  PRIMARY KEY (device, scope, no)
) STRICT, WITHOUT ROWID;
