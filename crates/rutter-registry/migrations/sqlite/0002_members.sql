-- Parts of Rutter that speak `rutter.v1` and own no name. An agent is a user, never a member.
CREATE TABLE members (
    name       TEXT    NOT NULL PRIMARY KEY,
    role       TEXT    NOT NULL CHECK (role <> 'agent'),
    public_key BLOB    NOT NULL UNIQUE CHECK (length(public_key) = 32),
    created    INTEGER NOT NULL,
    last_seen  INTEGER
) STRICT;

CREATE TRIGGER members_in AFTER INSERT ON members BEGIN
    INSERT INTO counts VALUES ('members', 1) ON CONFLICT (name) DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER members_out AFTER DELETE ON members BEGIN
    UPDATE counts SET n = n - 1 WHERE name = 'members';
END;

-- Who enrols brings a key, and may bring no other's.
CREATE INDEX identities_by_key ON identities (public_key) WHERE public_key IS NOT NULL;

-- Of join tokens: what they let join. One without was made for an agent.
ALTER TABLE tokens ADD COLUMN role TEXT;
