-- Times are milliseconds since the Unix epoch, durations milliseconds.

CREATE TABLE identities (
    user_id       TEXT    NOT NULL PRIMARY KEY,
    name          TEXT    UNIQUE,
    server_domain TEXT,
    public_key    BLOB    CHECK (length(public_key) = 32),
    seed          BLOB    CHECK (length(seed) = 32),
    created       INTEGER NOT NULL,
    updated       INTEGER NOT NULL,
    last_seen     INTEGER
) STRICT;

CREATE TABLE leases (
    user_id      TEXT    NOT NULL REFERENCES identities (user_id) ON DELETE CASCADE,
    source       TEXT    NOT NULL,
    incarnation  INTEGER NOT NULL,
    lease_ms     INTEGER NOT NULL,
    remaining_ms INTEGER NOT NULL,
    written      INTEGER NOT NULL,
    routes       TEXT    NOT NULL,
    PRIMARY KEY (user_id, source)
) STRICT;

-- Counters that must never give the same number twice; what is stored was reserved.
CREATE TABLE counters (
    name     TEXT    NOT NULL PRIMARY KEY,
    reserved INTEGER NOT NULL
) STRICT;

INSERT INTO counters (name, reserved) VALUES ('incarnation', 0);

-- An empty kind and destination mean the whole source.
CREATE TABLE decisions (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    table_name  TEXT    NOT NULL,
    source      TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    destination TEXT    NOT NULL,
    aspect      TEXT    NOT NULL,
    by_kind     TEXT    NOT NULL,
    by_name     TEXT    NOT NULL,
    decision    TEXT    NOT NULL,
    preference  INTEGER,
    why         TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    UNIQUE (table_name, source, kind, destination, aspect, by_kind)
) STRICT;

CREATE INDEX decisions_by_source ON decisions (source);

CREATE TABLE incumbents (
    table_name  TEXT NOT NULL,
    view_name   TEXT NOT NULL,
    kind        TEXT NOT NULL,
    destination TEXT NOT NULL,
    source      TEXT NOT NULL,
    path        TEXT NOT NULL,
    PRIMARY KEY (table_name, view_name, kind, destination)
) STRICT;

CREATE INDEX incumbents_by_source ON incumbents (source);

-- The id is the beginning of the hash; the secret itself is nowhere.
CREATE TABLE tokens (
    id        TEXT    NOT NULL PRIMARY KEY,
    hash      BLOB    NOT NULL CHECK (length(hash) = 32),
    kind      TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    scopes    TEXT    NOT NULL,
    user_id   TEXT    REFERENCES identities (user_id) ON DELETE CASCADE,
    reusable  INTEGER NOT NULL,
    created   INTEGER NOT NULL,
    expires   INTEGER,
    revoked   INTEGER,
    last_used INTEGER
) STRICT;

CREATE INDEX tokens_by_user ON tokens (user_id);

CREATE TABLE audit (
    number  INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    who     TEXT    NOT NULL,
    what    TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    detail  TEXT    NOT NULL
) STRICT;

-- How many rows the bounded tables have, since counting them anew for each write would make
-- filling them cost the square of their size.
CREATE TABLE counts (
    name TEXT    NOT NULL PRIMARY KEY,
    n    INTEGER NOT NULL
) STRICT;

CREATE TRIGGER identities_in AFTER INSERT ON identities BEGIN
    INSERT INTO counts VALUES ('identities', 1) ON CONFLICT (name) DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER identities_out AFTER DELETE ON identities BEGIN
    UPDATE counts SET n = n - 1 WHERE name = 'identities';
END;
CREATE TRIGGER tokens_in AFTER INSERT ON tokens BEGIN
    INSERT INTO counts VALUES ('tokens', 1) ON CONFLICT (name) DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER tokens_out AFTER DELETE ON tokens BEGIN
    UPDATE counts SET n = n - 1 WHERE name = 'tokens';
END;
CREATE TRIGGER decisions_in AFTER INSERT ON decisions BEGIN
    INSERT INTO counts VALUES ('decisions/' || new.table_name, 1)
    ON CONFLICT (name) DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER decisions_out AFTER DELETE ON decisions BEGIN
    UPDATE counts SET n = n - 1 WHERE name = 'decisions/' || old.table_name;
END;
