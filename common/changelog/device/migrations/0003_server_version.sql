-- What the server was last seen to speak, where that is older than this program: the next request
-- is written for it. Now and then the newest is tried again.
ALTER TABLE device_state ADD COLUMN server_protocol  INTEGER NOT NULL DEFAULT 0; -- 0: not known
ALTER TABLE device_state ADD COLUMN server_catalogue INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device_state ADD COLUMN server_older_at  INTEGER NOT NULL DEFAULT 0; -- found so, device's time
