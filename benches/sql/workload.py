"""The readings of the comparison: 1,000 devices in 20 zones, 8 fields of two decimals, one row per device per second.

Each field is a random walk that is reflected at zero and, where it has one, at its ceiling. Numpy and pyarrow only.
"""

import numpy
import pyarrow
import pyarrow.parquet

# Where walks start (minimum, maximum), standard deviation of a step, ceiling.
FIELDS = {
    "pm2_5": (10, 60, 0.30, None),
    "pm10": (20, 100, 0.50, None),
    "so2": (2, 20, 0.05, None),
    "no2": (5, 40, 0.10, None),
    "co": (0.2, 2, 0.01, None),
    "o3": (20, 80, 0.20, None),
    "temperature": (20, 35, 0.02, None),
    "humidity": (50, 95, 0.05, 100),
}
START_US = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
DEVICES, ZONES = 1_000, 20


def made(rows: int) -> pyarrow.Table:
    """So many rows in the order of time: time, device, zone (a number in text) and the fields."""
    seconds = rows // DEVICES
    random = numpy.random.default_rng(20260101)
    columns = {}
    for name, (low, high, step, ceiling) in FIELDS.items():
        walk = random.normal(0, step, (seconds, DEVICES))
        walk[0] = random.uniform(low, high, DEVICES)
        walk = numpy.abs(walk.cumsum(axis=0))
        if ceiling is not None:
            walk = ceiling - numpy.abs(ceiling - walk)
        columns[name] = walk.round(2).reshape(-1)
    since_us = numpy.arange(seconds)[:, None] * 1_000_000 + numpy.arange(DEVICES) * (1_000_000 // DEVICES)
    device = pyarrow.array(numpy.tile(numpy.arange(DEVICES, dtype=numpy.int32), seconds))
    names = pyarrow.array([f"station-{number:05d}" for number in range(DEVICES)])
    zones = pyarrow.array([f"zone-{number % ZONES:02d}" for number in range(DEVICES)])
    return pyarrow.table({
        "time": pyarrow.array((START_US + since_us).reshape(-1), pyarrow.timestamp("us", "UTC")),
        "device": names.take(device),
        "zone": zones.take(device),
        **columns,
    })  # fmt: skip


def read(file) -> pyarrow.Table:
    """The same columns from a Parquet file, in the order of time."""
    return pyarrow.parquet.read_table(file, columns=["time", "device", "zone", *FIELDS])
