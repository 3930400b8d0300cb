"""Every query of dashboards/grafana, its macros and variables expanded as Grafana does, over two plausible days: each panel gets rows of the shape that
its kind needs."""

import json
import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import plausible_day
from psycopg_client import connect
from server import REPOSITORY

FOLDER = REPOSITORY / "dashboards" / "grafana"
DASHBOARDS = {"energy", "environment", "network", "overview", "production", "security"}
NUMBERS = (int, float, Decimal)


def expand(sql: str, since: datetime, until: datetime, variables: dict) -> str:
    """The text that Grafana sends."""
    first, last = (time.strftime("'%Y-%m-%dT%H:%M:%SZ'") for time in (since, until))
    sql = re.sub(r"\$__timeFilter\(([^)]*)\)", lambda found: f"{found[1]} BETWEEN {first} AND {last}", sql)
    sql = sql.replace("$__timeFrom()", first).replace("$__timeTo()", last)
    for name, values in variables.items():
        quoted = ",".join("'" + value.replace("'", "''") + "'" for value in values)
        sql = sql.replace("${" + name + ":sqlstring}", quoted)
    assert "$" not in sql, f"a macro or a variable that the test does not know: {sql}"
    return sql


def check_shape(kind: str, rows: list, columns: list):
    """Fails where the rows are not what a panel of the kind can show."""
    assert rows, "no rows"

    def has(column: int, *types) -> bool:
        values = [row[column] for row in rows if row[column] is not None]
        return bool(values) and all(isinstance(value, types) and not isinstance(value, bool) for value in values)

    at = range(len(columns))
    numbers = [column for column in at if has(column, *NUMBERS)]
    texts = [column for column in at if has(column, str)]
    if kind in ("timeseries", "state-timeline"):
        assert columns[0] == "time" and has(0, datetime), f"no column of time: {columns}"
        times = [row[0] for row in rows]
        assert None not in times and times == sorted(times), "times are not in their order"
        assert numbers if kind == "timeseries" else "state" in columns and texts, f"nothing to draw: {columns}"
        assert len({*times}) > 1, "one moment is no line"
    elif kind in ("barchart", "piechart"):
        assert texts == [0] and numbers and len(numbers) == len(columns) - 1, f"not a name and numbers: {columns}"
        assert len({row[0] for row in rows}) == len(rows), "a name stands twice"
    elif kind == "stat":
        assert len(rows) == 1 and len(numbers) == len(columns) == 1, f"not one number: {columns} {rows[:2]}"
    else:
        assert kind == "table", f"a kind that the test does not know: {kind}"
        for column in at:
            values = [row[column] for row in rows]
            # A reason is none where there is nothing to tell, and a figure where there is something.
            may_be_empty = columns[column].endswith(("reason", "verdict")) or not all(value is None for value in values)
            assert may_be_empty or columns[column] in EMPTY, f"the column {columns[column]} is empty"


# Columns that the two days have no value for: no factor is built in, no oxygen of reference is known, no upload was measured, and so on.
EMPTY = {"kg_per_kwh", "co2_t", "corrected", "mean_upload", "added", "converted", "missing", "rollout_on_air", "aqi", "oee_today", "exceedances_today"}
EMPTY |= {"completeness_percent", "network_verdict", "shift", "alarm"}


def one_column(cursor) -> list:
    return [row[0] for row in cursor.fetchall()]


def values_of(connection, board: dict, since: datetime, until: datetime) -> dict:
    """Values of the variables, one after the other, all of each; names of provinces and zones have their codes for values."""
    values = {}
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            cursor = connection.execute(expand(variable["query"], since, until, values))
            columns = [column.name for column in cursor.description]
            assert columns[0] in ("__value", "device"), columns
            values[variable["name"]] = one_column(cursor)
            assert values[variable["name"]], f"the variable {variable['name']} has no values"
    return values


def check(server):
    plausible_day.bring(server)
    until = datetime.now(timezone.utc)
    since = until - timedelta(hours=plausible_day.HOURS)
    files = sorted(FOLDER.glob("*.json"))
    assert {file.stem for file in files} == DASHBOARDS, files
    asked = 0
    with connect(server, autocommit=True) as connection:
        for file in files:
            board = json.loads(file.read_text())
            assert " · " in board["title"] and all(" · " in panel["title"] for panel in board["panels"]), "a title in one language"
            variables = values_of(connection, board, since, until)
            for panel in board["panels"]:
                for target in panel["targets"]:
                    sql = expand(target["rawSql"], since, until, variables)
                    try:
                        cursor = connection.execute(sql)
                        check_shape(panel["type"], cursor.fetchall(), [column.name for column in cursor.description])
                    except Exception as error:
                        raise AssertionError(f"{file.name}, {panel['title']}: {error}\n{sql}") from error
                    asked += 1
    assert asked >= 40, asked
