-- The machine starts that a device last spoke from, with the latest moment of each: a request from
-- before is a late copy of one that was answered (gate.h).
ALTER TABLE device_key ADD COLUMN boots BLOB;  -- 24 bytes each, latest first: boot, mono_ms
