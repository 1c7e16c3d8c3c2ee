-- What people say of routes is kept with the rows of the routes; nothing ever wrote here.
DROP TABLE decisions;
DROP TABLE incumbents;
DELETE FROM counts WHERE name LIKE 'decisions/%';

-- Users of nodes, whom policy names. A node or pre-auth key refers to the number, so that a name may
-- change.
CREATE TABLE node_users (
    number       INTEGER PRIMARY KEY,
    name         TEXT    NOT NULL UNIQUE,
    display_name TEXT    NOT NULL,
    email        TEXT    NOT NULL,
    created      INTEGER NOT NULL
) STRICT;

-- What a join token for a node says beside being one. Tags: joined by commas.
CREATE TABLE preauth_keys (
    token        TEXT    NOT NULL PRIMARY KEY REFERENCES tokens (id) ON DELETE CASCADE,
    user         INTEGER REFERENCES node_users (number),
    tags         TEXT    NOT NULL,
    ephemeral    INTEGER NOT NULL,
    CHECK (user IS NOT NULL OR tags <> '')
) STRICT;

CREATE INDEX preauth_keys_by_user ON preauth_keys (user);

-- Lists are joined by commas, words are JSON. A node is a user's or tagged.
CREATE TABLE nodes (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    public_key  BLOB    NOT NULL UNIQUE CHECK (length(public_key) = 32),
    name        TEXT    NOT NULL UNIQUE,
    user        INTEGER REFERENCES node_users (number),
    tags        TEXT    NOT NULL,
    addresses   TEXT    NOT NULL,
    created     INTEGER NOT NULL,
    expiry      INTEGER,
    ephemeral   INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    last_seen   INTEGER,
    endpoints   TEXT    NOT NULL,
    approval    TEXT,
    preference  TEXT,
    drain       TEXT,
    CHECK ((user IS NULL) <> (tags = ''))
) STRICT;

CREATE INDEX nodes_by_user ON nodes (user);

CREATE TABLE route_rows (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    node        INTEGER NOT NULL REFERENCES nodes (number) ON DELETE CASCADE,
    prefix      TEXT    NOT NULL,
    advertised  INTEGER NOT NULL,
    enabled     INTEGER NOT NULL,
    is_primary  INTEGER NOT NULL,
    was_primary INTEGER NOT NULL,
    approval    TEXT,
    preference  TEXT,
    drain       TEXT,
    was_enabled TEXT,
    created     INTEGER NOT NULL,
    updated     INTEGER NOT NULL,
    UNIQUE (node, prefix)
) STRICT;

CREATE TRIGGER node_users_in AFTER INSERT ON node_users BEGIN
    INSERT INTO counts VALUES ('node_users', 1) ON CONFLICT (name) DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER node_users_out AFTER DELETE ON node_users BEGIN
    UPDATE counts SET n = n - 1 WHERE name = 'node_users';
END;
CREATE TRIGGER nodes_in AFTER INSERT ON nodes BEGIN
    INSERT INTO counts VALUES ('nodes', 1) ON CONFLICT (name) DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER nodes_out AFTER DELETE ON nodes BEGIN
    UPDATE counts SET n = n - 1 WHERE name = 'nodes';
END;
