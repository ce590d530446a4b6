#!/usr/bin/env python3
"""Compares stored ndjson objects with the CSV they come from: every row once, every value as text.

It shares no code with the product. Exit code 0 when nothing is missing, doubled or changed.
"""

import argparse
import csv
import gzip
import json
import os
import re
import sys
from collections import Counter

JSON_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?\Z")


def open_text(path):
    opener = gzip.open if path.endswith(".gz") else open
    return opener(path, "rt", encoding="utf-8-sig", newline="")


def expected_rows(paths, site, time, nulls):
    """Each row as the line that should be stored: kinds and spelling of every value."""
    for path in paths:
        with open_text(path) as file:
            reader = csv.reader(file)
            names = next(reader)
            for cells in reader:
                yield "\x1f".join(
                    f"{name}={spelled(name, cell, site, time, nulls)}" for name, cell in zip(names, cells, strict=True)
                )


def spelled(name, cell, site, time, nulls):
    if name == time:
        return "t" + cell.replace(" ", "T") + "Z"
    if name == site:
        return "t" + cell
    if cell in nulls:
        return "null"
    return ("n" if JSON_NUMBER.match(cell) else "t") + cell


class Number(str):
    """A JSON number as it is spelled."""


def stored_rows(folders):
    for folder in folders:
        for path in sorted(objects(folder)):
            with open(path, "rb") as file:
                data = file.read()
            if data[:2] == b"\x1f\x8b":
                data = gzip.decompress(data)
            if not data.endswith(b"\n"):
                sys.exit(f"{path} does not end with a line end")
            for line in data.decode("utf-8").splitlines():
                pairs = json.loads(line, object_pairs_hook=list, parse_float=Number, parse_int=Number)
                yield "\x1f".join(f"{name}={kind(value)}" for name, value in pairs)


def kind(value):
    if value is None:
        return "null"
    return ("n" if isinstance(value, Number) else "t") + value


def objects(folder):
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != ".livecosmos"]
        for name in files:
            yield os.path.join(parent, name)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--csv", action="append", required=True, help="a source file, plain or .gz")
    parser.add_argument("--objects", action="append", required=True, help="a folder of stored objects")
    parser.add_argument("--site", default="SITE_ID")
    parser.add_argument("--time", default="DATE_TIME")
    parser.add_argument("--null", action="append", default=None, help="a text that means 'no value'")
    arguments = parser.parse_args()
    nulls = set(arguments.null if arguments.null is not None else ["", "NA", "NAN"])

    due = Counter(expected_rows(arguments.csv, arguments.site, arguments.time, nulls))
    stored = Counter(stored_rows(arguments.objects))
    missing, surplus = due - stored, stored - due
    doubled = sum(count for row, count in surplus.items() if row in due)
    foreign = sum(count for row, count in surplus.items() if row not in due)
    print(
        f"due {due.total()} stored {stored.total()} objects {sum(1 for f in arguments.objects for _ in objects(f))} "
        f"missing {missing.total()} doubled {doubled} foreign {foreign}"
    )
    for name, rows in (("missing", missing), ("surplus", surplus)):
        for row in list(rows)[:3]:
            print(f"  {name}: {row.replace(chr(31), ' ')}")
    sys.exit(1 if missing or surplus else 0)


if __name__ == "__main__":
    main()
