-- What persons could see and write once: work done before its device can have heard of the loss is
-- judged as it was, later work becomes a proposal.
CREATE TABLE right_lost (
  person   BLOB NOT NULL,
  scope    INTEGER NOT NULL,                 -- scope.no; 0: a role
  role     INTEGER NOT NULL,                 -- enum role, where scope is 0
  lost_at  INTEGER NOT NULL,
  PRIMARY KEY (person, scope)
) STRICT, WITHOUT ROWID;

-- Devices that have shown that they know of it: a hello without the scope, or under the new role.
CREATE TABLE right_lost_heard (
  device  INTEGER NOT NULL,
  scope   INTEGER NOT NULL,
  PRIMARY KEY (device, scope)
) STRICT, WITHOUT ROWID;

-- The highest `done` that the device ever showed: what it has heard of it can't take back.
ALTER TABLE device_scope ADD COLUMN heard INTEGER NOT NULL DEFAULT 0;
UPDATE device_scope SET heard = done;
