CREATE TABLE terminal (
    id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code text NOT NULL UNIQUE
);

CREATE TABLE point (
    id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    terminal_id integer NOT NULL REFERENCES terminal (id),
    kind        smallint NOT NULL,
    UNIQUE (terminal_id, kind)
);

-- One row for each reading, made so that what is nearly always the same costs nothing once it is compressed. `at` is the
-- earlier of source time and arrival; the arrival is `at` plus `delay_ms`; the source time is `at` plus `ahead_ms`, or
-- `at` where that is null, and there was none where `timed` is false. `nth` tells readings of one point with the same two
-- times apart. There is no key: the journal's position, which moves in the same transaction, keeps a reading from being
-- stored twice.
CREATE TABLE reading (
    at       timestamptz NOT NULL,
    value    bigint NOT NULL,
    delay_ms bigint NOT NULL,
    ahead_ms bigint,
    point_id integer NOT NULL,
    quality  smallint NOT NULL,
    cause    smallint NOT NULL,
    nth      smallint NOT NULL,
    timed    boolean NOT NULL
);
CREATE INDEX reading_point_at ON reading (point_id, at DESC);

-- Readings whose source time cannot be true. They are part of no rollup and never a last value.
CREATE TABLE set_aside (
    position    bigint NOT NULL,
    place       bigint NOT NULL,
    point_id    integer NOT NULL,
    source_time timestamptz,
    arrived_at  timestamptz NOT NULL,
    value       bigint NOT NULL,
    quality     smallint NOT NULL,
    cause       smallint NOT NULL,
    PRIMARY KEY (position, place)
);
CREATE INDEX set_aside_point ON set_aside (point_id, arrived_at);

CREATE TABLE last_value (
    point_id    integer PRIMARY KEY,
    at          timestamptz NOT NULL,
    source_time timestamptz,
    arrived_at  timestamptz NOT NULL,
    value       bigint NOT NULL,
    quality     smallint NOT NULL,
    cause       smallint NOT NULL
) WITH (fillfactor = 50);

-- One row for each stretch of time of each point: resolution 1 is a minute, 2 a quarter of an hour, 3 an hour, 4 a day,
-- in UTC. `readings` counts all; what has a value and a time is of those whose quality may decide, but `bad`, the
-- first of the others. The program keeps it where TimescaleDB does not.
CREATE TABLE rollup (
    resolution  smallint NOT NULL,
    point_id    integer NOT NULL,
    start       timestamptz NOT NULL,
    readings    bigint NOT NULL,
    good        bigint NOT NULL,
    sum         numeric NOT NULL,
    low         bigint,
    low_at      timestamptz,
    high        bigint,
    high_at     timestamptz,
    first       bigint,
    first_at    timestamptz,
    last        bigint,
    last_at     timestamptz,
    bad         bigint,
    bad_at      timestamptz,
    bad_quality smallint,
    invalid     bigint NOT NULL,
    not_topical bigint NOT NULL,
    substituted bigint NOT NULL,
    blocked     bigint NOT NULL,
    overflow    bigint NOT NULL,
    PRIMARY KEY (resolution, point_id, start)
) WITH (fillfactor = 70);
-- The same name on every engine; with continuous aggregates, these too.
CREATE VIEW rollups AS SELECT * FROM rollup;

CREATE TABLE event (
    position    bigint NOT NULL,
    place       bigint NOT NULL,
    at          timestamptz NOT NULL,
    source_time timestamptz,
    kind        text NOT NULL,
    subject     text NOT NULL,
    text        text NOT NULL,
    json        text NOT NULL
);
CREATE INDEX event_at ON event (at DESC, position DESC, place DESC);
CREATE INDEX event_subject ON event (subject, at DESC);

CREATE TABLE alarm (
    id         bigint PRIMARY KEY,
    subject    text NOT NULL,
    state      text NOT NULL,
    began_at   timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    json       text NOT NULL
);
CREATE INDEX alarm_subject ON alarm (subject, id);

CREATE TABLE "order" (
    id         bigint PRIMARY KEY,
    subject    text NOT NULL,
    state      text NOT NULL,
    began_at   timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    json       text NOT NULL
);
CREATE INDEX order_subject ON "order" (subject, id);

CREATE TABLE audit (
    position bigint NOT NULL,
    place    bigint NOT NULL,
    at       timestamptz NOT NULL,
    who      text NOT NULL,
    json     text NOT NULL,
    PRIMARY KEY (position, place)
);
CREATE INDEX audit_at ON audit (at);

-- What is stored: everything up to here, and nothing after it.
CREATE TABLE journal_position (
    one      smallint PRIMARY KEY CHECK (one = 1),
    position bigint NOT NULL
);
INSERT INTO journal_position (one, position) VALUES (1, 0);
