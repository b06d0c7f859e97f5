-- Who brought a picture whole, and so had it: knowing its hash isn't having it. A row of media gives
-- it to others only where its author stands here.
CREATE TABLE blob_proof (
  sha256  TEXT NOT NULL,
  person  BLOB NOT NULL,
  at      INTEGER NOT NULL,                 -- server time
  PRIMARY KEY (sha256, person)
) STRICT, WITHOUT ROWID;
INSERT INTO blob_proof (sha256, person, at)
  SELECT b.sha256, k.person, b.whole_at FROM blob b JOIN device_key k ON k.number = b.device;
