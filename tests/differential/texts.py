"""Values of Arrow as PostgreSQL writes them."""

from datetime import datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pyarrow

EPOCH = datetime(1970, 1, 1)
MONTHS, DAY_US, SECOND_US = 12, 86_400_000_000, 1_000_000
ERA_DAYS = 146_097


def cells(table: pyarrow.Table, zone: str) -> list[list[str]]:
    """Rows of texts."""
    columns = [[text(value, zone) for value in column] for column in table.columns]
    return [list(row) for row in zip(*columns, strict=True)] if columns else [[] for _ in range(table.num_rows)]


def text(value: pyarrow.Scalar, zone: str) -> str:
    """A value; a null is NULL."""
    of = value.type
    if not value.is_valid:
        return "NULL"
    if pyarrow.types.is_boolean(of):
        return "t" if value.as_py() else "f"
    if pyarrow.types.is_timestamp(of):
        return instant(in_us(value.value, of.unit), zone if of.tz else None)
    if pyarrow.types.is_date(of):
        return day(value.value)
    if pyarrow.types.is_interval(of):
        months, days, nanos = value.as_py()
        return interval(months, days, nanos // 1_000)
    if pyarrow.types.is_duration(of):
        return interval(0, 0, in_us(value.value, of.unit))
    if pyarrow.types.is_time(of):
        return clock(in_us(value.value, of.unit))
    if pyarrow.types.is_list(of) or pyarrow.types.is_large_list(of):
        return "{" + ",".join(item(part, zone) for part in value) + "}"
    if pyarrow.types.is_binary(of) or pyarrow.types.is_large_binary(of):
        return "\\x" + value.as_py().hex()
    if pyarrow.types.is_floating(of):
        return repr(value.as_py()).removesuffix(".0")
    return str(value.as_py())


def item(value: pyarrow.Scalar, zone: str) -> str:
    """An item of an array, in quotation marks where it needs them."""
    written = text(value, zone)
    if not value.is_valid or pyarrow.types.is_list(value.type):
        return written
    special = (
        not written
        or written.upper() == "NULL"
        or any(sign in written for sign in '{},"\\')
        or written != written.strip()
    )
    if special or any(sign.isspace() for sign in written):
        return '"' + written.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return written


def in_us(value: int, unit: str) -> int:
    return value // 1_000 if unit == "ns" else value * {"s": 1_000_000, "ms": 1_000, "us": 1}[unit]


def instant(us: int, zone: str | None) -> str:
    """A time, with the offset of its zone where it has one."""
    if zone is None:
        return local(us)
    offset = (EPOCH.replace(tzinfo=timezone.utc) + timedelta(microseconds=us)).astimezone(zone_of(zone)).utcoffset()
    seconds = round(offset.total_seconds())
    parts = (abs(seconds) // 3_600, abs(seconds) // 60 % 60, abs(seconds) % 60)
    shown = f"{'-' if seconds < 0 else '+'}{parts[0]:02}"
    if parts[1] or parts[2]:
        shown += f":{parts[1]:02}"
    if parts[2]:
        shown += f":{parts[2]:02}"
    return local(us + seconds * SECOND_US) + shown


def zone_of(zone: str) -> tzinfo:
    return timezone.utc if zone == "UTC" else ZoneInfo(zone)


def local(us: int) -> str:
    days, rest = divmod(us, DAY_US)
    return f"{day(days)} {clock(rest)}"


def day(days: int) -> str:
    """A day as PostgreSQL writes it. Python's own dates begin in the year 1; 400 years have as many days in any millennium."""
    eras = min(0, (days + EPOCH.toordinal() - 1) // ERA_DAYS)
    date = (EPOCH + timedelta(days=days - eras * ERA_DAYS)).date()
    year = date.year + 400 * eras
    return f"{year:04}-{date:%m-%d}" if year > 0 else f"{1 - year:04}-{date:%m-%d} BC"


def clock(us: int) -> str:
    seconds, part = divmod(us, SECOND_US)
    fraction = f".{part:06}".rstrip("0") if part else ""
    return f"{seconds // 3_600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction}"


def interval(months: int, days: int, us: int) -> str:
    """`1 year 2 mons 3 days 04:05:06.7`; a part behind a negative one has its sign."""
    years, months = divide(months, MONTHS)
    parts, is_negative = [], False
    for count, name in ((years, "year"), (months, "mon"), (days, "day")):
        if count:
            sign = "+" if is_negative and count > 0 else ""
            parts.append(f"{sign}{count} {name}{'' if count == 1 else 's'}")
            is_negative = count < 0
    if us or not parts:
        sign = "-" if us < 0 else "+" if is_negative else ""
        parts.append(sign + clock(abs(us)))
    return " ".join(parts)


def divide(value: int, by: int) -> tuple[int, int]:
    """Quotient and rest, both with the sign of the value."""
    quotient = abs(value) // by * (1 if value >= 0 else -1)
    return quotient, value - quotient * by
