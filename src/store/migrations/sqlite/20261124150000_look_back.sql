-- What looking back needs: rollups, last values, readings of impossible times, and who an alarm or order is about.

-- One row for each stretch of time of each point: resolution 1 is a minute, 2 a quarter of an hour, 3 an hour, 4 a day,
-- in UTC. `readings` counts all; what has a value and a time is of those whose quality may decide, but `bad`, the
-- first of the others. Values beyond 64 bits make `sum` a floating-point number.
CREATE TABLE rollup (
    resolution  INTEGER NOT NULL,
    point_id    INTEGER NOT NULL,
    start       INTEGER NOT NULL,
    readings    INTEGER NOT NULL,
    good        INTEGER NOT NULL,
    sum         NUMERIC NOT NULL,
    low         INTEGER,
    low_at      INTEGER,
    high        INTEGER,
    high_at     INTEGER,
    first       INTEGER,
    first_at    INTEGER,
    last        INTEGER,
    last_at     INTEGER,
    bad         INTEGER,
    bad_at      INTEGER,
    bad_quality INTEGER,
    invalid     INTEGER NOT NULL,
    not_topical INTEGER NOT NULL,
    substituted INTEGER NOT NULL,
    blocked     INTEGER NOT NULL,
    overflow    INTEGER NOT NULL,
    PRIMARY KEY (resolution, point_id, start)
) WITHOUT ROWID;
-- The same name on every engine.
CREATE VIEW rollups AS SELECT * FROM rollup;

CREATE TABLE last_value (
    point_id    INTEGER PRIMARY KEY,
    at          INTEGER NOT NULL,
    source_time INTEGER,
    arrived_at  INTEGER NOT NULL,
    value       INTEGER NOT NULL,
    quality     INTEGER NOT NULL,
    cause       INTEGER NOT NULL
);
INSERT INTO last_value
SELECT point.id, reading.at, source_time, arrived_at, value, quality, cause FROM point JOIN reading
ON point_id = point.id AND (reading.at, position, place) =
    (SELECT at, position, place FROM reading WHERE point_id = point.id ORDER BY at DESC, position DESC, place DESC LIMIT 1);

-- Readings whose source time cannot be true. They are part of no rollup and never a last value.
CREATE TABLE set_aside (
    position    INTEGER NOT NULL,
    place       INTEGER NOT NULL,
    point_id    INTEGER NOT NULL,
    source_time INTEGER,
    arrived_at  INTEGER NOT NULL,
    value       INTEGER NOT NULL,
    quality     INTEGER NOT NULL,
    cause       INTEGER NOT NULL,
    PRIMARY KEY (position, place)
) WITHOUT ROWID;
CREATE INDEX set_aside_point ON set_aside (point_id, arrived_at);

CREATE TABLE alarm_new (
    id         INTEGER PRIMARY KEY,
    subject    TEXT NOT NULL,
    state      TEXT NOT NULL,
    began_at   INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    json       TEXT NOT NULL
);
INSERT INTO alarm_new SELECT id, coalesce(json ->> '$.cause.terminal', json ->> '$.cause.node', ''), state,
    json ->> '$.raised_at', changed_at, json FROM alarm;
DROP TABLE alarm;
ALTER TABLE alarm_new RENAME TO alarm;
CREATE INDEX alarm_subject ON alarm (subject, id);

CREATE TABLE order_new (
    id         INTEGER PRIMARY KEY,
    subject    TEXT NOT NULL,
    state      TEXT NOT NULL,
    began_at   INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    json       TEXT NOT NULL
);
INSERT INTO order_new SELECT id, terminal, state, json ->> '$.issued_at', changed_at, json FROM "order";
DROP TABLE "order";
ALTER TABLE order_new RENAME TO "order";
CREATE INDEX order_subject ON "order" (subject, id);
CREATE INDEX event_subject ON event (subject, at);
CREATE INDEX audit_at ON audit (at);
