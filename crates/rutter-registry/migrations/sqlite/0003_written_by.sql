-- Which version of the program wrote last: what an older one that finds a newer schema tells.
CREATE TABLE written_by (
    one     INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    version TEXT    NOT NULL
) STRICT;
