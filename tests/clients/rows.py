"""The rows that every client must read right: a table with a field of every kind, nulls and the edges of each."""

import math
import sys
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "replay"))

from server import Server  # noqa: E402

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
TABLE = """
name = "probe"
description = "A field of every kind."
[[field]]
name = "level"
type = "double"
unit = "m"
description = "Height of the water"
[[field]]
name = "temperature"
type = "double"
unit = "°C"
decimals = 2
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
ARRIVALS = """
name = "arrivals"
description = "For rows that clients send."
[[field]]
name = "level"
type = "double"
"""
COLUMNS = ("device", "time", "level", "temperature", "pulses", "is_open", "note", "seen")
QUERY = f"SELECT {', '.join(COLUMNS)} FROM probe ORDER BY time"


def at(seconds: int) -> datetime:
    return START + timedelta(seconds=seconds)


ROWS = [
    ("d0", at(0), 0.1, -40.25, 9_223_372_036_854_775_807, True, "tiếng Việt", at(3)),
    ("d0", at(1), -1.7976931348623157e308, 0.0, -9_223_372_036_854_775_808, False, 'quotes \' " and , \\', None),
    ("d1", at(2), 5e-324, 9_999_999.99, 0, None, None, at(-86_400 * 365 * 50)),
    ("d1", at(3), None, None, None, None, None, None),
    ("trạm-2", at(4), 1e15, -0.01, 1, True, "line\nbreak", at(1)),
]

# One row of what is at the edge of its type; each client reads it.
EDGES = {
    "nan": ("'NaN'::float8", math.nan),
    "infinite": ("'Infinity'::float8", math.inf),
    "below_all": ("'-Infinity'::float8", -math.inf),
    "smallest": ("5e-324::float8", 5e-324),
    "nothing": ("null::float8", None),
    "no_text": ("null::text", None),
    "no_time": ("null::timestamptz", None),
    "empty": ("''", ""),
    "least": ("(-9223372036854775807 - 1)::bigint", -9_223_372_036_854_775_808),
    "first_day": ("date '0001-01-01'", date(1, 1, 1)),
    "last_day": ("date '9999-12-31'", date(9999, 12, 31)),
    "first_local": ("timestamp '0001-01-01 00:00:00'", datetime(1, 1, 1)),
    "last_local": ("timestamp '9999-12-31 23:59:59.999999'", datetime(9999, 12, 31, 23, 59, 59, 999_999)),
    "first": ("timestamptz '0001-01-01 00:00:00+00'", datetime(1, 1, 1, tzinfo=timezone.utc)),
    "last": ("timestamptz '9999-12-31 23:59:59.999999+00'", datetime(9999, 12, 31, 23, 59, 59, 999_999, timezone.utc)),
}
EDGE_QUERY = f"SELECT {', '.join(f'{sql} AS {name}' for name, (sql, _) in EDGES.items())}"
MILLION = "SELECT value, value / 8.0 AS part, 'row ' || value AS name FROM generate_series(1, 1000000) ORDER BY 1"


def same_edges(row):
    """Fails where a row of the edges, as it was read, differs."""
    for (name, (_, wanted)), got in zip(EDGES.items(), row, strict=True):
        assert equal(got, wanted), f"{name}: read {got!r}, not {wanted!r}"


def whole_million(count, first, last):
    """Fails unless these are the number, the first and the last of the million rows."""
    assert count == 1_000_000, count
    assert tuple(first) == (1, 0.125, "row 1") and tuple(last) == (1_000_000, 125_000.0, "row 1000000"), (first, last)


def line(row) -> str:
    """Line protocol of a row, times in microseconds."""
    device, time, level, temperature, pulses, is_open, note, seen = row
    fields = []
    if level is not None:
        fields.append(f"level={level!r}")
    if temperature is not None:
        fields.append(f"temperature={temperature!r}")
    if pulses is not None:
        fields.append(f"pulses={pulses}i")
    if is_open is not None:
        fields.append(f"is_open={str(is_open).lower()}")
    if note is not None:
        escaped = note.replace("\\", "\\\\").replace('"', '\\"')
        fields.append(f'note="{escaped}"')
    if seen is not None:
        fields.append(f"seen={us(seen)}i")
    if not fields:
        fields.append('quality="good"')
    return f"probe,device={device} {','.join(fields)} {us(time)}\n"


def us(instant: datetime) -> int:
    return round((instant - datetime(1970, 1, 1, tzinfo=timezone.utc)) / timedelta(microseconds=1))


def start(**settings) -> Server:
    """A server that has the rows, half of them in files once they are old enough."""
    server = Server(flush_age_seconds=1, **settings)
    tables = Path(server.folder.name) / "tables"
    tables.mkdir()
    (tables / "probe.toml").write_text(TABLE)
    (tables / "arrivals.toml").write_text(ARRIVALS)
    server.settings["TABLES"] = str(tables)
    server.start()
    token = server.add_gateway("clients")
    server.write(token, "".join(map(line, ROWS)))
    return server


def same(read, expected=None):
    """Fails where a row differs from what was written."""
    expected = [list(row) for row in (ROWS if expected is None else expected)]
    read = [list(row) for row in read]
    assert len(read) == len(expected), f"{len(read)} rows, {len(expected)} were written"
    for got, wanted in zip(read, expected):
        assert all(map(equal, got, wanted)) and len(got) == len(wanted), f"read {got}, written {wanted}"


def equal(got, wanted) -> bool:
    if isinstance(wanted, float) and isinstance(got, float):
        return got == wanted or math.isnan(got) and math.isnan(wanted)
    return type(got) is type(wanted) and got == wanted
