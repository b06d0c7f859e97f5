-- Digests, kept with the rows (common/changelog/sums.h). Filled from the rows by the program that
-- runs this first.
CREATE TABLE digest_part (
  part  INTEGER PRIMARY KEY,                 -- scope.no * 65536 + table
  sums  BLOB NOT NULL                        -- its buckets that hold rows, 21 bytes each
) STRICT;
ALTER TABLE scope ADD COLUMN rows INTEGER NOT NULL DEFAULT 0;
ALTER TABLE scope ADD COLUMN sum BLOB;       -- 16 bytes, NULL: no row yet
ALTER TABLE store_state ADD COLUMN digested INTEGER NOT NULL DEFAULT 0; -- 1: the sums are made
