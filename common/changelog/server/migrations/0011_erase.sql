-- Erasing people's data: what is erased stays so, and a job that was begun is finished, whatever
-- ends its process.
CREATE TABLE erased (
  tbl  INTEGER NOT NULL,
  row  BLOB NOT NULL,                        -- here or not: a backup may not have had it
  at   INTEGER NOT NULL,
  PRIMARY KEY (tbl, row)
) STRICT, WITHOUT ROWID;
CREATE TABLE erase_job (
  no       INTEGER PRIMARY KEY AUTOINCREMENT,
  tbl      INTEGER NOT NULL,
  row      BLOB NOT NULL,
  made_at  INTEGER NOT NULL,
  done_at  INTEGER                           -- NULL: not all of it has had its turn
) STRICT;
CREATE INDEX erase_job_open ON erase_job (no) WHERE done_at IS NULL;
CREATE TABLE erase_item (
  job      INTEGER NOT NULL,
  tbl      INTEGER NOT NULL,
  row      BLOB NOT NULL,
  entries  INTEGER,                          -- of the change log that were emptied; NULL: its turn comes
  PRIMARY KEY (job, tbl, row)
) STRICT, WITHOUT ROWID;
