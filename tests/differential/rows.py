"""The rows of the statement files, which `ProbeRow::numbered` of query/tests/sql/harness.rs makes as well, in a server."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "replay"))

from server import Server, binary  # noqa: E402

__all__ = ["COLUMNS", "PLACES", "ROWS", "binary", "start"]

NEW_YEAR_US = 1_767_225_600_000_000
HOUR_US = 3_600_000_000
# Rows in memory, in files, and half and half.
PLACES = ("live", "files", "mixed")
TABLE = """
name = "probe"
description = "Every kind of field."
[[field]]
name = "level"
type = "double"
[[field]]
name = "temperature"
type = "double"
decimals = 2
[[field]]
name = "volume"
type = "double"
decimals = 3
digits = 15
[[field]]
name = "pulses"
type = "bigint"
[[field]]
name = "is_open"
type = "boolean"
[[field]]
name = "note"
type = "text"
[[field]]
name = "seen"
type = "timestamp"
"""
COLUMNS = {
    "time": "timestamptz",
    "device": "text",
    "level": "float8",
    "temperature": "float8",
    "pulses": "int8",
    "is_open": "bool",
    "note": "text",
    "seen": "timestamptz",
}


def row(number: int) -> dict:
    """A row, of whose values every few are null."""
    time_us = NEW_YEAR_US + number * HOUR_US
    hundredths = {1: 999_999_999, 2: -999_999_999}.get(number % 97, number * 37 % 20_001 - 10_000)
    fields = {
        "level": (4, number * 0.1 - 7.0),
        "temperature": (5, hundredths / 100),
        "volume": (6, 999_999_999_999.999 if number % 89 == 1 else (number * 1_000_003 - 5) / 1000),
        "pulses": (7, 2**63 - 1 if number % 83 == 1 else number * number - 50),
        "is_open": (8, number % 2 == 0),
        "note": (3, f"note {number} {'of some length ' * (number % 4)}"),
        "seen": (9, time_us - number),
    }
    present = {name: value for name, (every, value) in fields.items() if number % every != 0}
    return {"time": time_us, "device": f"d{number % 2}"} | present


ROWS = [row(number) for number in range(24)]


def line(of: dict) -> str:
    """Line protocol of a row, times in microseconds."""

    def text(name, value):
        match value:
            case bool():
                return str(value).lower()
            case int():
                return f"{value}i"
            case str():
                return f'"{value}"'
            case _:
                return repr(value)

    fields = ",".join(f"{name}={text(name, value)}" for name, value in of.items() if name not in ("time", "device"))
    # A row needs a field, and one of those that are null here stands for none.
    fields = fields or 'quality="good"'
    return f"probe,device={of['device']} {fields} {of['time']}\n"


def start(place: str) -> Server:
    """A server whose rows are in memory, in files, or half of them each."""
    # Longer than any test: rows reach files when the server ends, and not before.
    server = Server(flush_age_seconds=3_600)
    tables = Path(server.folder.name) / "tables"
    tables.mkdir()
    (tables / "probe.toml").write_text(TABLE)
    server.settings["TABLES"] = str(tables)
    server.start()
    token = server.add_gateway("differential")
    in_files = {"live": 0, "files": len(ROWS), "mixed": len(ROWS) // 2}[place]
    if in_files:
        server.write(token, "".join(map(line, ROWS[:in_files])))
        server.end()
        server.start()
    if in_files < len(ROWS):
        server.write(token, "".join(map(line, ROWS[in_files:])))
    state = server.sql("SELECT rows, live_rows FROM system.tables WHERE table_name = 'probe'").to_pylist()
    assert state == [{"rows": len(ROWS), "live_rows": len(ROWS) - in_files}], state
    return server
