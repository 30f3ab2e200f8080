"""Says what DuckDB finds in a Parquet file: its columns with their types, then its rows, as JSON lines."""

import json
import sys

import duckdb

_, file = sys.argv
database = duckdb.connect()
table = database.read_parquet(file)
types = {name: str(kind) for name, kind in zip(table.columns, table.types)}
print(json.dumps(types))


def shown(name):
    # Milliseconds, so that neither a zone nor DuckDB's way of printing times comes between.
    if types[name].startswith("TIMESTAMP"):
        return f'epoch_ms("{name}")::VARCHAR'
    return f'"{name}"::VARCHAR'


for row in table.project(", ".join(shown(name) for name in table.columns)).fetchall():
    print(json.dumps(dict(zip(table.columns, row))))
