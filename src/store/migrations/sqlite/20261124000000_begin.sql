CREATE TABLE terminal (
    id   INTEGER PRIMARY KEY,
    code TEXT NOT NULL UNIQUE
);

CREATE TABLE point (
    id          INTEGER PRIMARY KEY,
    terminal_id INTEGER NOT NULL REFERENCES terminal (id),
    kind        INTEGER NOT NULL,
    UNIQUE (terminal_id, kind)
);

-- `at` is the source time, or the time of arrival where the wire carried none; times are ms since the epoch.
-- Position in the journal and place in its input make each reading its own row, even with the same time twice.
CREATE TABLE reading (
    point_id    INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    place       INTEGER NOT NULL,
    source_time INTEGER,
    arrived_at  INTEGER NOT NULL,
    value       INTEGER NOT NULL,
    quality     INTEGER NOT NULL,
    cause       INTEGER NOT NULL,
    PRIMARY KEY (point_id, at, position, place)
) WITHOUT ROWID;

CREATE TABLE event (
    position    INTEGER NOT NULL,
    place       INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    source_time INTEGER,
    kind        TEXT NOT NULL,
    subject     TEXT NOT NULL,
    text        TEXT NOT NULL,
    json        TEXT NOT NULL,
    PRIMARY KEY (position, place)
) WITHOUT ROWID;
CREATE INDEX event_at ON event (at);

CREATE TABLE alarm (
    id         INTEGER PRIMARY KEY,
    state      TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    json       TEXT NOT NULL
);

CREATE TABLE "order" (
    id         INTEGER PRIMARY KEY,
    terminal   TEXT NOT NULL,
    state      TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    json       TEXT NOT NULL
);

CREATE TABLE audit (
    position INTEGER NOT NULL,
    place    INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    who      TEXT NOT NULL,
    json     TEXT NOT NULL,
    PRIMARY KEY (position, place)
) WITHOUT ROWID;

-- What is stored: everything up to here, and nothing after it.
CREATE TABLE journal_position (
    only     INTEGER PRIMARY KEY CHECK (only = 1),
    position INTEGER NOT NULL
);
INSERT INTO journal_position (only, position) VALUES (1, 0);
