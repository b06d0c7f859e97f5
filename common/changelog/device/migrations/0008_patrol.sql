-- Which rows were looked through, and what they held then (patrol.h).
CREATE TABLE patrol (
  one        INTEGER PRIMARY KEY CHECK (one = 1),
  at         INTEGER NOT NULL DEFAULT 0,     -- server time of the last look
  tbl        INTEGER NOT NULL DEFAULT 0,     -- where it ended; 0: a round begins
  row        BLOB NOT NULL DEFAULT x'',
  mask       INTEGER NOT NULL DEFAULT 0,     -- roles and catalogue version of what was seen
  catalogue  INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO patrol (one) VALUES (1);
CREATE TABLE patrol_run (
  tbl       INTEGER NOT NULL,
  row       BLOB NOT NULL,                   -- the run's last one
  numbers   INTEGER NOT NULL,                -- sum over ids and numbers,
  contents  INTEGER NOT NULL,                -- and over all that the rows hold
  PRIMARY KEY (tbl, row)
) STRICT, WITHOUT ROWID;
