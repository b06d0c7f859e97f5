-- What courier files are sealed to; NULL: the server wasn't asked yet.
ALTER TABLE device_state ADD COLUMN courier_key BLOB;

-- The device's clocks at its last exchange, and how far its wall clock was set between two of them.
-- Shown to people; nothing is ordered or refused by it.
ALTER TABLE device_state ADD COLUMN wall_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device_state ADD COLUMN mono_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device_state ADD COLUMN boot BLOB;
ALTER TABLE device_state ADD COLUMN jump_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device_state ADD COLUMN jumped_at INTEGER;

-- Sessions that `sync` ended because nothing came on.
ALTER TABLE device_state ADD COLUMN stalls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device_state ADD COLUMN stalled_at INTEGER;
