-- Devices that enrolled again with the work of an older one: what any of a family has got judged
-- is known to all of it. 0: it has no kin; else the number of the first of them.
ALTER TABLE device_key ADD COLUMN family INTEGER NOT NULL DEFAULT 0;
CREATE INDEX device_key_family ON device_key (family) WHERE family > 0;

-- The secret half of the key to which courier files are sealed (X25519); made by the program.
-- Here, not in a file beside, so that a backup of the store can still open what is on its way.
ALTER TABLE store_state ADD COLUMN courier_secret BLOB;

-- The device's clocks at its last hello, and how far its wall clock was set between two of them. Shown
-- to people; nothing is ordered or refused by it.
ALTER TABLE device_key ADD COLUMN wall_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device_key ADD COLUMN mono_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device_key ADD COLUMN boot BLOB;
ALTER TABLE device_key ADD COLUMN jump_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device_key ADD COLUMN jumped_at INTEGER;
