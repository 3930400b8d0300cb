"""What is asked of both, each in its own SQL. `{zone}`, `{device}` and times are filled in by the caller."""

from dataclasses import dataclass, replace

from workload import FIELDS


@dataclass(frozen=True)
class Question:
    """One question. `kind` is "point" where a few rows are looked for, which must be faster than in DuckDB."""

    name: str
    kind: str
    zonelake: str
    duckdb: str
    # Relative difference at which two numbers are still the same; sketches of percentiles are only near to each other.
    tolerance: float = 1e-9

    def filled_in(self, values):
        """The question with the words of `values` in it."""
        return replace(self, zonelake=self.zonelake.format(**values), duckdb=self.duckdb.format(**values))


def same(name: str, kind: str, sql: str, **others) -> Question:
    return Question(name, kind, sql, sql, **others)


ALL_FIELDS = ", ".join(FIELDS)
EVERY_AGGREGATE = ", ".join(f"avg({field}) AS avg_{field}, max({field}) AS max_{field}" for field in FIELDS)
LAST_VALUES = ", ".join(f"arg_max({field}, time) AS {field}" for field in FIELDS)
LAG = """
    WITH minutes AS (
        SELECT device, time_bucket(INTERVAL '1 minute', time) AS minute, avg(pm2_5) AS mean
        FROM environment GROUP BY 1, 2)
    SELECT device, minute, mean - lag(mean) OVER (PARTITION BY device ORDER BY minute) AS change FROM minutes
"""

QUESTIONS = [
    Question(
        "last row of each device",
        "point",
        f"SELECT device, time, {ALL_FIELDS} FROM latest(environment)",
        f"SELECT device, max(time) AS time, {LAST_VALUES} FROM environment GROUP BY device",
    ),
    same(
        "mean of one field per minute, one zone, one hour",
        "point",
        "SELECT time_bucket(INTERVAL '1 minute', time) AS minute, avg(pm2_5) AS mean FROM environment "
        "WHERE zone = '{zone}' AND time >= '{start}' AND time < '{hour_end}' GROUP BY 1",
    ),
    same(
        "mean and maximum of 8 fields by zone and 10 minutes",
        "scan",
        f"SELECT zone, time_bucket(INTERVAL '10 minutes', time) AS bucket, {EVERY_AGGREGATE} FROM environment GROUP BY 1, 2",
    ),
    same(
        "one device's rows in ten minutes",
        "point",
        f"SELECT time, {ALL_FIELDS} FROM environment "
        "WHERE device = '{device}' AND time >= '{some_time}' AND time < '{ten_minutes_later}'",
    ),
    same(
        "ten devices with the most exceedances",
        "scan",
        "SELECT device, count(*) AS exceedances FROM environment WHERE pm2_5 > 50 "
        "GROUP BY device ORDER BY exceedances DESC, device LIMIT 10",
    ),
    same("count(*)", "point", "SELECT count(*) AS n FROM environment"),
    Question(
        "95th percentile by zone, exact",
        "scan",
        "SELECT zone, percentile_cont(0.95) WITHIN GROUP (ORDER BY pm2_5) AS p95 FROM environment GROUP BY zone",
        "SELECT zone, quantile_cont(pm2_5::DOUBLE, 0.95) AS p95 FROM environment GROUP BY zone",
    ),
    Question(
        "95th percentile by zone, approximate",
        "scan",
        "SELECT zone, approx_percentile_cont(0.95) WITHIN GROUP (ORDER BY pm2_5) AS p95 FROM environment GROUP BY zone",
        "SELECT zone, approx_quantile(pm2_5, 0.95) AS p95 FROM environment GROUP BY zone",
        tolerance=0.02,
    ),
    same("change of a minute's mean to the minute before, by device", "scan", LAG),
]
