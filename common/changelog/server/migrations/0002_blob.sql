-- Pictures that came whole: their files (blobs/) must be there. One whose row isn't here is still on
-- its way, or on a device.
CREATE TABLE blob (
  sha256    TEXT PRIMARY KEY,                 -- hexadecimal, as in media
  size      INTEGER NOT NULL,
  whole_at  INTEGER NOT NULL,
  device    INTEGER NOT NULL                  -- device_key.number of who brought it
) STRICT, WITHOUT ROWID;
