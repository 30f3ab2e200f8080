-- Readings come in the order of their time, and PostgreSQL fills an index's pages only where that is the order of the index
-- too: 32 bytes for a reading instead of 56, and written half as fast again. It is read backwards as well as forwards.
CREATE INDEX reading_point_time ON reading (point_id, at);
DROP INDEX reading_point_at;
