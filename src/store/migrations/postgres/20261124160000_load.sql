-- What each node drew, as the engine tells it by the minute, and rollups of that; resolutions as in `rollup`. `sum` is the
-- mean load times the time in which it was known, W times ms. The program keeps it on every edition: a row for each node
-- and minute is little.
CREATE TABLE load (
    node       text NOT NULL,
    resolution smallint NOT NULL,
    start      timestamptz NOT NULL,
    low        bigint NOT NULL,
    high       bigint NOT NULL,
    high_at    timestamptz NOT NULL,
    sum        numeric NOT NULL,
    last       bigint NOT NULL,
    last_at    timestamptz NOT NULL,
    known_ms   bigint NOT NULL,
    over_ms    bigint NOT NULL,
    limit_w    bigint,
    PRIMARY KEY (node, resolution, start)
) WITH (fillfactor = 90);
