-- Verdicts in the order of their numbers, without a row number beside: one tree less to write for
-- each of them.
CREATE TABLE verdict_in_order (
  device      INTEGER NOT NULL,
  number      INTEGER NOT NULL,
  epoch       INTEGER NOT NULL,
  device_seq  INTEGER NOT NULL,
  identity    BLOB NOT NULL,
  outcome     INTEGER NOT NULL,
  body        BLOB,                          -- what it says (verdict_body.h), NULL once acknowledged
  PRIMARY KEY (device, number)
) STRICT, WITHOUT ROWID;
INSERT INTO verdict_in_order (device, number, epoch, device_seq, identity, outcome, body)
  SELECT device, number, epoch, device_seq, identity, outcome, body FROM verdict
  ORDER BY device, number;
DROP TABLE verdict;
ALTER TABLE verdict_in_order RENAME TO verdict;
-- Led by the hash alone: questions hide `device` behind a plus, or the planner would walk through all
-- verdicts of the device instead.
CREATE INDEX verdict_identity ON verdict (identity);
CREATE INDEX verdict_seq ON verdict (device, epoch, device_seq);
