-- 0: the device's last hello was without the scope, which it has left: it holds nothing back there.
ALTER TABLE device_scope ADD COLUMN held INTEGER NOT NULL DEFAULT 1;
