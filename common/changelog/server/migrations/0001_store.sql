-- What the consolidated store holds beside the catalogue's tables. Later versions only add.

CREATE TABLE store_state (
  one           INTEGER PRIMARY KEY CHECK (one = 1),
  timeline      INTEGER NOT NULL,
  timeline_id   BLOB NOT NULL,
  digest_key    BLOB NOT NULL,               -- 16 bytes, SipHash key of digests
  next_device   INTEGER NOT NULL DEFAULT 1,
  catalogue     INTEGER NOT NULL,
  company       BLOB NOT NULL,               -- id of the one company row
  house_book    BLOB NOT NULL                -- id of the book of what has no rep
) STRICT;

-- Scopes that rows point to by a small number, with the counter that gives sequence numbers.
CREATE TABLE scope (
  no         INTEGER PRIMARY KEY,
  kind       INTEGER NOT NULL,               -- enum scope_kind
  id         BLOB NOT NULL CHECK (length(id) = 16),
  counter    INTEGER NOT NULL DEFAULT 0,
  purged_to  INTEGER NOT NULL DEFAULT 0,
  head       BLOB,                           -- hash of the last change log entry
  UNIQUE (kind, id)
) STRICT;

CREATE TABLE departure (
  scope    INTEGER NOT NULL,
  seq      INTEGER NOT NULL,
  tbl      INTEGER NOT NULL,
  row      BLOB NOT NULL,
  left_at  INTEGER NOT NULL,
  PRIMARY KEY (scope, seq)
) STRICT;
CREATE INDEX departure_row ON departure (row, scope);

-- Human numbers: the next counter of each prefix.
CREATE TABLE number_counter (
  prefix  TEXT PRIMARY KEY,
  next    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Devices as sync knows them; the `device` row of the catalogue is what people see.
CREATE TABLE device_key (
  number         INTEGER PRIMARY KEY,        -- authors in _made and _cols; 0 is the server itself
  device         BLOB NOT NULL UNIQUE,
  person         BLOB NOT NULL,
  key_id         TEXT NOT NULL UNIQUE,       -- short name of the key in signatures
  public_key     BLOB NOT NULL,              -- Ed25519
  enrolled_at    INTEGER NOT NULL,
  revoked_at     INTEGER,
  epoch          INTEGER NOT NULL DEFAULT 1,
  epoch_pending  INTEGER NOT NULL DEFAULT 1, -- > epoch: the next one was asked for, not shown yet
  token          BLOB NOT NULL,              -- confirmed: the device has shown it
  token_pending  BLOB NOT NULL,              -- given in the last answers, not shown yet
  verdict_last   INTEGER NOT NULL DEFAULT 0, -- last number given
  verdict_seen   INTEGER NOT NULL DEFAULT 0, -- last number acknowledged
  hello_ms       INTEGER NOT NULL DEFAULT 0, -- server time of the last hello
  complete_ms    INTEGER NOT NULL DEFAULT 0, -- last hello whose whole outbox was judged
  offset_ms      INTEGER NOT NULL DEFAULT 0, -- server minus device wall clock at that hello
  mask           INTEGER NOT NULL DEFAULT 0,
  catalogue      INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX device_key_person ON device_key (person);

CREATE TABLE epoch_closed (
  device  INTEGER NOT NULL,
  epoch   INTEGER NOT NULL,
  token   BLOB NOT NULL,
  PRIMARY KEY (device, epoch, token)
) STRICT, WITHOUT ROWID;

-- Scopes that a device held at its last finished pull, for scope_enter and scope_leave.
CREATE TABLE device_scope (
  device  INTEGER NOT NULL,
  scope   INTEGER NOT NULL,
  done    INTEGER NOT NULL DEFAULT 0,        -- acknowledged cursor
  PRIMARY KEY (device, scope)
) STRICT, WITHOUT ROWID;

-- Verdicts until the device has acknowledged their number (body), and for ever (the rest).
CREATE TABLE verdict (
  device      INTEGER NOT NULL,
  number      INTEGER NOT NULL,
  epoch       INTEGER NOT NULL,
  device_seq  INTEGER NOT NULL,
  identity    BLOB NOT NULL,
  outcome     INTEGER NOT NULL,
  body        BLOB,                          -- the encoded verdict, NULL once acknowledged
  PRIMARY KEY (device, number)
) STRICT;
CREATE INDEX verdict_identity ON verdict (device, identity);
CREATE INDEX verdict_seq ON verdict (device, epoch, device_seq);

-- Every judged transaction, appended once and never changed.
CREATE TABLE change_log (
  no          INTEGER PRIMARY KEY,           -- rising: no entry is ever deleted
  device      INTEGER NOT NULL,              -- 0: the server (dashboard, import, rules)
  person      BLOB,                          -- author, NULL: nobody
  epoch       INTEGER NOT NULL,
  device_seq  INTEGER NOT NULL,
  identity    BLOB NOT NULL,
  received_at INTEGER NOT NULL,
  effective_at INTEGER NOT NULL,
  outcome     INTEGER NOT NULL,
  code        TEXT NOT NULL,
  intent      TEXT NOT NULL,
  body        BLOB NOT NULL                  -- row form as received; empty: the server's own write
) STRICT;

-- Reports count what was refused of a person's day; 3 is OUTCOME_REFUSED.
CREATE INDEX change_log_refused ON change_log (person, effective_at) WHERE outcome = 3;

-- Which rows an entry touched, with the number it gave them and the values it replaced.
CREATE TABLE change_row (
  no     INTEGER NOT NULL,                   -- change_log.no
  idx    INTEGER NOT NULL,
  scope  INTEGER NOT NULL,
  seq    INTEGER NOT NULL,
  tbl    INTEGER NOT NULL,
  row    BLOB NOT NULL,
  old    BLOB,                               -- CBOR: replaced values by column, NULL: an insert
  PRIMARY KEY (no, idx)
) STRICT, WITHOUT ROWID;

-- What a price was when an order on its way was written (13 is price_item).
CREATE INDEX change_row_price ON change_row (row) WHERE tbl = 13;

-- Parked transactions, judged again when what they wait for may have come.
CREATE TABLE parked (
  device      INTEGER NOT NULL,
  epoch       INTEGER NOT NULL,
  device_seq  INTEGER NOT NULL,
  parked_at   INTEGER NOT NULL,
  effective_at INTEGER NOT NULL,             -- fixed at the first judgement
  rests_on    BLOB,                          -- device_seq of its predecessors, 8 bytes each
  body        BLOB NOT NULL,
  PRIMARY KEY (device, epoch, device_seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE invitation (
  secret_hash  BLOB PRIMARY KEY,             -- SHA-256 of the one-time secret
  person       BLOB NOT NULL,
  made_at      INTEGER NOT NULL,
  expires_at   INTEGER NOT NULL,
  used_at      INTEGER,
  used_by      INTEGER                       -- device_key.number
) STRICT, WITHOUT ROWID;

-- Dashboard logins.
CREATE TABLE password (
  person  BLOB PRIMARY KEY,
  hash    TEXT NOT NULL                      -- argon2id, libsodium's own format
) STRICT, WITHOUT ROWID;

CREATE TABLE import_batch (
  no         INTEGER PRIMARY KEY AUTOINCREMENT,
  tbl        INTEGER NOT NULL,
  file       TEXT NOT NULL,
  rows       INTEGER NOT NULL,
  made_at    INTEGER NOT NULL,
  undone_at  INTEGER
) STRICT;
CREATE TABLE import_row (
  batch  INTEGER NOT NULL,
  tbl    INTEGER NOT NULL,
  row    BLOB NOT NULL,
  seq    INTEGER NOT NULL,                   -- given by the import; changed since: can't be undone
  old    BLOB,                               -- CBOR: replaced values, NULL: the import made the row
  PRIMARY KEY (batch, tbl, row)
) STRICT, WITHOUT ROWID;
CREATE INDEX import_row_row ON import_row (row);
