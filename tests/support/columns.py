"""Reads objects as people do, with DuckDB or pandas, and says what it found as JSON.

usage: columns.py duckdb|pandas FILE...

One object: {"columns": [[name, type], ...], "rows": [[text or null, ...], ...]}, values as the reader
spells them, bytes in base64.
"""

import base64
import datetime
import json
import sys


def by_duckdb(files):
    import duckdb

    def quoted(name):
        return '"' + name.replace('"', '""') + '"'

    connection = duckdb.connect()
    if files[0].endswith(".parquet"):
        table = connection.read_parquet(files)
    else:
        # A quoted empty field is a text, as livecosmos writes it.
        table = connection.query(
            f"SELECT * FROM read_csv({files!r}, header = true, all_varchar = true,"
            " allow_quoted_nulls = false)"
        )
    types = [str(kind) for kind in table.types]
    spelled = [
        f"base64({quoted(name)})" if kind == "BLOB" else f"{quoted(name)}::VARCHAR"
        for name, kind in zip(table.columns, types)
    ]
    rows = table.project(", ".join(spelled)).fetchall()
    return {"columns": list(zip(table.columns, types)), "rows": rows}


def by_pandas(files):
    import pandas

    def spelled(value):
        if value is None or value is pandas.NaT or value is pandas.NA or value != value:
            return None
        if isinstance(value, bytes):
            return base64.b64encode(value).decode()
        if isinstance(value, (datetime.datetime, datetime.date)):
            return value.isoformat()
        return str(value)

    if files[0].endswith(".parquet"):
        tables = [pandas.read_parquet(file) for file in files]
    else:
        tables = [pandas.read_csv(file, dtype=str, keep_default_na=False) for file in files]
    table = pandas.concat(tables)
    types = [str(kind) for kind in table.dtypes]
    rows = [[spelled(value) for value in row] for row in table.astype(object).itertuples(index=False)]
    return {"columns": list(zip(table.columns, types)), "rows": rows}


if __name__ == "__main__":
    reader = {"duckdb": by_duckdb, "pandas": by_pandas}[sys.argv[1]]
    print(json.dumps(reader(sys.argv[2:])))
