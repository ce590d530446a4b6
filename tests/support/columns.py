"""Reads objects as people do, with DuckDB, pandas or Python's own json, and says what it found as JSON.

usage: columns.py duckdb|pandas|json FILE...

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
    elif files[0].endswith("json"):
        table = connection.read_json(files)
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


def by_json(files):
    def spelled(value):
        return json.dumps(value) if isinstance(value, bool) else value

    def documents(file):
        with open(file, encoding="utf-8") as opened:
            text = opened.read()
        return text.rstrip("\n").split("\n") if file.endswith(".ndjson") else [text]

    rows = []
    for document in (document for file in files for document in documents(file)):
        # A number as it is spelled.
        found = json.loads(document, parse_float=str, parse_int=str)
        rows += found if isinstance(found, list) else [found]
    names = list(rows[0])
    assert all(list(row) == names for row in rows), "every object has the same members in the same order"
    return {
        "columns": [(name, "") for name in names],
        "rows": [[spelled(value) for value in row.values()] for row in rows],
    }


if __name__ == "__main__":
    reader = {"duckdb": by_duckdb, "pandas": by_pandas, "json": by_json}[sys.argv[1]]
    print(json.dumps(reader(sys.argv[2:])))
