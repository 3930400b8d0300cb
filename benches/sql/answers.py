"""What questions are filled in with, and whether two answers are the same."""

import math
from datetime import datetime, timedelta
from decimal import Decimal


def values(zone, device, first, middle):
    """The words of questions for a zone and a device, of readings from `first` on with their middle at `middle`."""
    whole = middle.replace(microsecond=0)
    named = {
        "start": first,
        "hour_end": first + timedelta(hours=1),
        "some_time": whole,
        "ten_minutes_later": whole + timedelta(minutes=10),
    }
    return {"zone": zone, "device": device} | {name: time.strftime("%Y-%m-%d %H:%M:%S+00") for name, time in named.items()}


def assert_same(question, ours, theirs):
    """Fails where the two have other rows, in whatever order."""
    assert ours.num_rows == theirs.num_rows, f"{question.name}: {ours.num_rows} and {theirs.num_rows} rows"
    assert ours.num_rows > 0, f"{question.name}: no rows"
    left, right = (sorted(map(tuple, (map(plain, row.values()) for row in table.to_pylist())), key=key) for table in (ours, theirs))
    for one, other in zip(left, right):
        alike = len(one) == len(other) and all(near(a, b, question.tolerance) for a, b in zip(one, other))
        assert alike, f"{question.name}: {one} here and {other} in DuckDB"


def key(row):
    """Names and times first, since sums may differ in their last bits."""
    return [value for value in row if isinstance(value, (str, datetime))]


def plain(value):
    return float(value) if isinstance(value, (Decimal, int)) else value


def near(a, b, tolerance):
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance)
    return a == b
