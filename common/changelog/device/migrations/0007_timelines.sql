-- After a restore of the server: what was acknowledged goes out again, and rows of the lost part
-- are handed in before the server's take their place (common/changelog/recovery.h).

ALTER TABLE device_state ADD COLUMN recovering INTEGER NOT NULL DEFAULT 0; -- first number of the new timeline; 0: nothing to recover

-- Up to where the restored server had each scope. Others: nothing of them.
CREATE TABLE restored (
  scope  INTEGER PRIMARY KEY,                -- scope.no
  seq    INTEGER NOT NULL
) STRICT;

-- The server's word on verdicts: an OFFER message as it would be sent (sent.state 5: offered again).
CREATE TABLE proof (
  no    INTEGER PRIMARY KEY,
  body  BLOB NOT NULL
) STRICT;
ALTER TABLE sent ADD COLUMN proof INTEGER;   -- proof.no, NULL: none
CREATE INDEX sent_offered ON sent (tx) WHERE state = 5;
CREATE INDEX sent_proof ON sent (proof) WHERE proof IS NOT NULL;
