"""Values of every kind corrected by the command line: what PostgreSQL, Flight SQL and HTTP say the moment it returns."""

import csv
import tempfile

import flight_client
import psycopg_client
from rows import COLUMNS, QUERY, ROWS, at, same

NEW = {
    "level": ("-2.5e10", -2.5e10),
    "temperature": ("36.6", 36.6),
    "pulses": ("9007199254740993", 9_007_199_254_740_993),
    "is_open": ("false", False),
    "note": ("sửa, \"lại\"\nhai dòng", "sửa, \"lại\"\nhai dòng"),
    "seen": ("2026-01-02T07:00:00+07:00", at(86_400)),
}


def correct(server, row, values, *more):
    """Corrects fields of a row; returns what the command prints."""
    with tempfile.NamedTemporaryFile("w", suffix=".csv", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["table", "zone", "device", "time", "field", "value"])
        for field, value in values.items():
            writer.writerow(["probe", "vung-ang", row[0], row[1].isoformat(), field, value])
        file.flush()
        return server.run("correct", file.name, "--reason", "a test", *more).stdout.strip()


def text(value) -> str:
    """A value as a file has it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if hasattr(value, "isoformat") else str(value) if isinstance(value, (str, int)) else repr(value)


def seen_by_all(server, expected):
    with psycopg_client.connect(server, autocommit=True) as connection:
        for binary in (False, True):
            with connection.cursor(binary=binary) as cursor:
                same(cursor.execute(QUERY).fetchall(), expected)
    with flight_client.connect(server) as connection, connection.cursor() as cursor:
        cursor.execute(QUERY)
        same((row.values() for row in cursor.fetch_arrow_table().to_pylist()), expected)
    same((row.values() for row in server.sql(QUERY).to_pylist()), expected)


def check(server):
    first, *others = ROWS
    count = str(len(NEW))
    values = {field: sent for field, (sent, _) in NEW.items()}
    assert correct(server, first, values, "--dry-run") == count
    seen_by_all(server, ROWS)
    assert correct(server, first, values) == count
    corrected = (*first[:2], *(NEW[field][1] for field in COLUMNS[2:]))
    seen_by_all(server, [corrected, *others])
    assert correct(server, first, values) == "0", "the same file once more"
    # Null, and back to what it was for the other clients.
    assert correct(server, first, dict.fromkeys(values, "")) == count
    seen_by_all(server, [(*first[:2], *[None] * len(NEW)), *others])
    assert correct(server, first, {field: text(value) for field, value in zip(COLUMNS[2:], first[2:])}) == count
    seen_by_all(server, ROWS)
