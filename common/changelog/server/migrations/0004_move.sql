-- Moves of many customers: a job that was begun is finished, whatever ends its process.
CREATE TABLE move_job (
  no       INTEGER PRIMARY KEY AUTOINCREMENT,
  to_book  BLOB NOT NULL,
  made_at  INTEGER NOT NULL,
  done_at  INTEGER                           -- NULL: not all of it has had its turn
) STRICT;
CREATE INDEX move_job_open ON move_job (no) WHERE done_at IS NULL;
CREATE TABLE move_item (
  job       INTEGER NOT NULL,
  idx       INTEGER NOT NULL,                -- in the order in which they were named
  customer  BLOB NOT NULL,
  rows      INTEGER,                         -- moved with it, 0: it was there; NULL: its turn comes
  error     TEXT,                            -- why it could not be moved
  PRIMARY KEY (job, idx)
) STRICT, WITHOUT ROWID;
CREATE INDEX move_item_open ON move_item (job, idx) WHERE rows IS NULL;
