-- What each node drew, as the engine tells it by the minute, and rollups of that; resolutions as in `rollup`. `sum` is the
-- mean load times the time in which it was known, W times ms.
CREATE TABLE load (
    node       TEXT NOT NULL,
    resolution INTEGER NOT NULL,
    start      INTEGER NOT NULL,
    low        INTEGER NOT NULL,
    high       INTEGER NOT NULL,
    high_at    INTEGER NOT NULL,
    sum        NUMERIC NOT NULL,
    last       INTEGER NOT NULL,
    last_at    INTEGER NOT NULL,
    known_ms   INTEGER NOT NULL,
    over_ms    INTEGER NOT NULL,
    limit_w    INTEGER,
    PRIMARY KEY (node, resolution, start)
) WITHOUT ROWID;
