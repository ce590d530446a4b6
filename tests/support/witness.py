"""Reads tables from an Oracle server with Oracle's own thin client, and prints what it read as JSON.

It shares no code with the reader under test. Arguments: connect string, user, rows of a fetch, "inline" or
"locator" for how LOBs come, names of tables; the password is in ORACLE_PASSWORD.
"""

import datetime
import decimal
import json
import math
import os
import struct
import sys

import oracledb


def number(cursor, metadata):
    """Numbers as decimal text, which loses nothing."""
    if metadata.type_code is oracledb.DB_TYPE_NUMBER:
        return cursor.var(decimal.Decimal, arraysize=cursor.arraysize)
    return None


def shortest(value, is_float):
    """The shortest text that gives the same number again."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    text = repr(value)
    if is_float:
        exact = struct.pack(">f", value)
        text = next(
            short
            for digits in range(1, 18)
            for short in [f"{value:.{digits}g}"]
            if struct.pack(">f", float(short)) == exact
        )
        text = repr(float(text))
    return text.replace("e+", "e")


def spelled(value, metadata):
    """A value as the tests write it down."""
    kind = metadata.type_code
    if value is None:
        return "null"
    if isinstance(value, oracledb.LOB):
        value = value.read()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, float):
        return shortest(value, kind is oracledb.DB_TYPE_BINARY_FLOAT)
    if isinstance(value, datetime.datetime):
        return value.isoformat(timespec="seconds" if kind is oracledb.DB_TYPE_DATE else "microseconds")
    if isinstance(value, datetime.timedelta):
        return f"{value.total_seconds():.6f}"
    if isinstance(value, oracledb.IntervalYM):
        return f"{value.years} {value.months}"
    return value


def main():
    dsn, user, rows, lobs, *tables = sys.argv[1:]
    decimal.getcontext().prec = 60
    oracledb.defaults.fetch_lobs = lobs == "locator"
    with oracledb.connect(user=user, password=os.environ["ORACLE_PASSWORD"], dsn=dsn) as connection:
        connection.outputtypehandler = number
        for table in tables:
            cursor = connection.cursor()
            cursor.arraysize = cursor.prefetchrows = int(rows)
            cursor.execute(f"SELECT * FROM {table}")
            columns = cursor.description
            read = [[spelled(value, column) for value, column in zip(row, columns)] for row in cursor]
            print(json.dumps(read))
        connection.ping()
        connection.commit()


main()
