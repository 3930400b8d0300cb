"""Coverage by class of RSRP, and percentiles of round trips, computed with pandas and decimals from the drive tests, with nothing of the product's own."""

from decimal import Decimal
from pathlib import Path

import pandas

# Lower bound of each class, within it; above all, and below the last one, is no measurement.
CLASSES = {1: -80, 2: -90, 3: -100, 4: -110, 5: -156}
HIGHEST = -31


def read(files: list[Path]) -> pandas.DataFrame:
    raw = pandas.concat([pandas.read_csv(file, dtype=str, keep_default_na=False) for file in files])
    # Irish winter time is UTC, and the day is that of Hà Tĩnh.
    local = pandas.to_datetime(raw["Timestamp"], format="%Y.%m.%d_%H.%M.%S") + pandas.Timedelta("7h")
    raw["day"] = local.dt.normalize()
    return raw[raw["NetworkMode"] != ""]


def numbers(column) -> list[Decimal]:
    return [Decimal(text) for text in column if text not in ("", "-")]


def coverage(raw: pandas.DataFrame) -> dict:
    """By operator, mode, day and class: samples, and of the whole day those measured and the rest."""
    found = {}
    for (operator, mode, day), group in raw.groupby(["Operatorname", "NetworkMode", "day"]):
        levels = [level for level in numbers(group["RSRP"]) if CLASSES[5] <= level <= HIGHEST]
        classes = [next(number for number, low in CLASSES.items() if level >= low) for level in levels]
        for number in sorted({*classes}) or [None]:
            samples = classes.count(number) if number else 0
            found[operator, mode, day.date(), number] = (samples, len(levels), len(group) - len(levels))
    return found


def percentile(values: list[Decimal], part: Decimal) -> Decimal:
    """On the straight line between the two values that stand around the part."""
    place = part * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (place - low)


def latency(raw: pandas.DataFrame) -> dict:
    """By operator, mode and day: pings, mean and percentiles."""
    found = {}
    for (operator, mode, day), group in raw.groupby(["Operatorname", "NetworkMode", "day"]):
        pings = sorted(numbers(group["PINGAVG"]))
        if pings:
            parts = [percentile(pings, Decimal(part)) for part in ("0.5", "0.95", "0.99")]
            found[operator, mode, day.date()] = (len(pings), sum(pings) / len(pings), *parts)
    return found
