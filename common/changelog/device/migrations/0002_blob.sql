-- Pictures that this device made and their way to the server. The bytes are files beside the
-- replica (blobs/), named by their hash; what other rows of `media` name is fetched when asked for.
CREATE TABLE blob (
  sha256       TEXT PRIMARY KEY,              -- hexadecimal, as in media
  size         INTEGER NOT NULL,
  uploaded_at  INTEGER,                       -- server time when the server had all; NULL: it waits
  refused      TEXT                           -- code with which the server refused it for good
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_waiting ON blob (size) WHERE uploaded_at IS NULL AND refused IS NULL;
