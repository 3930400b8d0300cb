"""adbc-driver-flightsql: who may call, queries, prepared statements, what there is, streams, errors, and rows that come in."""

import math
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import adbc_driver_flightsql.dbapi
import adbc_driver_manager
import pyarrow
from adbc_driver_flightsql import DatabaseOptions

from psycopg_client import at
from rows import COLUMNS, QUERY, same

TYPES = {
    "device": pyarrow.string(),
    "time": pyarrow.timestamp("us", "UTC"),
    "level": pyarrow.float64(),
    "temperature": pyarrow.float64(),
    "pulses": pyarrow.int64(),
    "is_open": pyarrow.bool_(),
    "note": pyarrow.string(),
    "seen": pyarrow.timestamp("us", "UTC"),
}
EDGES = [
    ("CAST('NaN' AS double)", math.nan),
    ("CAST('-Infinity' AS double)", -math.inf),
    ("CAST(12.340 AS decimal(9,3))", Decimal("12.340")),
    ("CAST('0001-01-01' AS date)", datetime(1, 1, 1).date()),
    ("CAST('9999-12-31' AS date)", datetime(9999, 12, 31).date()),
    ("CAST('0001-01-01T00:00:00' AS timestamp)", datetime(1, 1, 1)),
    ("CAST('9999-12-31T23:59:59.999999' AS timestamp)", datetime(9999, 12, 31, 23, 59, 59, 999_999)),
    ("CAST(NULL AS bigint)", None),
    ("[1, NULL, 3]", [1, None, 3]),
    ("X'00ff'", b"\x00\xff"),
    ("''", ""),
]
INGESTED = datetime(2026, 3, 1, tzinfo=timezone.utc)


def connect(server, user="admin", password=None, **options):
    options |= {"username": user, "password": server.password if password is None else password}
    return adbc_driver_flightsql.dbapi.connect(f"grpc://127.0.0.1:{server.http}", db_kwargs=options, autocommit=True)


def connect_with_token(server, token):
    options = {DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {token}"}
    return adbc_driver_flightsql.dbapi.connect(f"grpc://127.0.0.1:{server.http}", db_kwargs=options, autocommit=True)


def refused(action, words: str, status=None):
    """Fails unless the server refuses it with these words."""
    try:
        action()
    except adbc_driver_manager.Error as error:
        assert words in str(error), error
        assert status is None or error.status_code == status, error.status_code
        return
    raise AssertionError(f"it was not refused: {words}")


def read(connection, sql, parameters=None) -> pyarrow.Table:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetch_arrow_table()


def check(server):
    with connect(server) as connection:
        values(connection)
        listings(connection)
        errors(connection)
    callers(server)
    ingest(server)


def values(connection):
    table = read(connection, QUERY)
    assert {field.name: field.type for field in table.schema} == TYPES, table.schema
    assert table.schema.field("level").metadata[b"unit"] == b"m", table.schema
    same(row.values() for row in table.to_pylist())
    for expression, expected in EDGES:
        got = read(connection, f"SELECT {expression} AS x").column("x")[0].as_py()
        is_same = got == expected or isinstance(got, float) and math.isnan(got) and math.isnan(expected)
        assert is_same and type(got) is type(expected), f"{expression}: {got!r}, not {expected!r}"
    empty = read(connection, "SELECT time, level FROM probe WHERE false")
    assert empty.num_rows == 0 and empty.schema.field("time").type == TYPES["time"], empty.schema
    with connection.cursor() as cursor:
        cursor.execute("SELECT value FROM generate_series(1, 1000000)")
        batches = [batch.num_rows for batch in cursor.fetch_record_batch()]
        assert sum(batches) == 1_000_000 and len(batches) > 1, batches
    prepared(connection)


def prepared(connection):
    sql = "SELECT device FROM probe WHERE pulses = $1 AND time >= $2"
    assert read(connection, sql, (1, at(0))).to_pylist() == [{"device": "trạm-2"}]
    assert read(connection, sql, (1, at(5))).num_rows == 0
    assert read(connection, "SELECT count(*) AS n FROM probe WHERE note = $1", ("tiếng Việt",)).to_pylist() == [{"n": 1}]
    plans = read(connection, "EXPLAIN SELECT count(*) AS n FROM probe WHERE note = $1", ("tiếng Việt",)).to_pylist()
    assert plans and all("$1" not in row["plan"] for row in plans), plans
    assert any("tiếng Việt" in row["plan"] for row in plans), plans
    with connection.cursor() as cursor:
        cursor.adbc_prepare(sql)
        assert cursor.adbc_execute_schema(sql).names == ["device"]
        for pulses, rows in ((1, 1), (0, 1), (7, 0), (1, 1)):
            cursor.execute(sql, (pulses, at(0)))
            assert len(cursor.fetchall()) == rows, pulses
    refused(lambda: read(connection, sql), "none is bound")
    refused(lambda: read(connection, sql, ("x", at(0))), "x")


def listings(connection):
    assert connection.adbc_get_info()["vendor_name"] == "Zonelake", connection.adbc_get_info()
    assert "TABLE" in connection.adbc_get_table_types()
    assert set(COLUMNS) <= set(connection.adbc_get_table_schema("probe").names)
    [catalog] = connection.adbc_get_objects(depth="all").read_all().to_pylist()
    assert catalog["catalog_name"] == "zonelake", catalog["catalog_name"]
    schemas = {schema["db_schema_name"]: schema["db_schema_tables"] for schema in catalog["catalog_db_schemas"]}
    assert {"public", "system", "information_schema"} <= set(schemas), schemas.keys()
    tables = {table["table_name"]: table["table_columns"] for table in schemas["public"]}
    assert {"probe", "environment", "provinces"} <= set(tables), tables.keys()
    assert set(COLUMNS) <= {column["column_name"] for column in tables["probe"]}
    [catalog] = connection.adbc_get_objects(depth="tables", table_name_filter="prob%").read_all().to_pylist()
    found = [table["table_name"] for schema in catalog["catalog_db_schemas"] for table in schema["db_schema_tables"]]
    assert found == ["probe"], found


def errors(connection):
    refused(lambda: read(connection, "SELECT nothing"), "does not exist")
    refused(lambda: read(connection, "SELECT * FROM nowhere"), "does not exist")
    refused(lambda: read(connection, "INSERT INTO probe VALUES (1)"), "only statements that read")
    with connection.cursor() as cursor:
        refused(lambda: cursor.executemany("SELECT $1 + 1", [(1,), (2,)]), "SQL reads only")
    refused(lambda: read(connection, "SELECT 1; SELECT 2"), "one statement")
    refused(lambda: read(connection, "SELECT 1 / (value - 9999) FROM generate_series(1, 100000)"), "division by zero")
    assert read(connection, "SELECT 1 AS x").to_pylist() == [{"x": 1}]


def callers(server):
    denied = adbc_driver_manager.AdbcStatusCode.UNAUTHENTICATED
    for attempt in (
        lambda: read(connect(server, password="wrong"), "SELECT 1"),
        lambda: read(connect(server, user="nobody"), "SELECT 1"),
        lambda: read(connect_with_token(server, "wrong"), "SELECT 1"),
        lambda: read(adbc_driver_flightsql.dbapi.connect(f"grpc://127.0.0.1:{server.http}", autocommit=True), "SELECT 1"),
    ):
        refused(attempt, "", denied)
    token = server.add_gateway("writes-only")
    refused(lambda: read(connect_with_token(server, token), "SELECT 1"), "may write only")
    password = server.run("role", "add", "flight-reader", "--statement-seconds-max", "2").stdout.strip()
    with connect(server, user="flight-reader", password=password) as reader:
        listed = read(reader, 'SELECT DISTINCT "user" AS u, interface AS i, state AS s FROM system.queries').to_pylist()
        assert listed == [{"u": "flight-reader", "i": "flight", "s": "running"}], listed
        endless = "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b WHERE a.value + b.value < 0"
        refused(lambda: read(reader, endless), "limit of 2 s")


def batch(names, seconds, levels) -> pyarrow.Table:
    times = [INGESTED + timedelta(seconds=second) for second in seconds]
    return pyarrow.table({
        "time": pyarrow.array(times, pyarrow.timestamp("us", "UTC")),
        "device": pyarrow.array(names),
        "level": pyarrow.array(levels, pyarrow.float64()),
    })  # fmt: skip


def ingest(server):
    token = server.add_gateway("flight")

    def append(rows, table="arrivals", mode="append", connection=None):
        with connection or connect_with_token(server, token) as opened, opened.cursor() as cursor:
            return cursor.adbc_ingest(table, rows, mode=mode)

    many = 50_000
    rows = batch([f"f{number % 7}" for number in range(many)], range(many), [number / 8 for number in range(many)])
    assert append(pyarrow.RecordBatchReader.from_batches(rows.schema, rows.to_batches(max_chunksize=9_000))) == many
    # The token as password; a NaN is no reading, a row of the far future is none at all.
    years = 100 * 365 * 86_400
    mixed = batch(["g0", "g1", "g2"], [0, 1, years], [1.5, math.nan, 2.5])
    assert append(mixed, connection=connect(server, user="flight", password=token)) == 3
    with connect(server) as reader:
        stored = read(reader, "SELECT count(*) AS n, sum(level) AS s FROM arrivals WHERE device LIKE 'f_'").to_pylist()
        assert stored == [{"n": many, "s": many * (many - 1) / 16}], stored
        stored = read(reader, "SELECT device, level, zone FROM arrivals WHERE device LIKE 'g_' ORDER BY 1").to_pylist()
        assert [(row["device"], row["level"]) for row in stored] == [("g0", 1.5), ("g1", None)], stored
        assert {row["zone"] for row in stored} == {"vung-ang"}, stored
        kept = read(reader, "SELECT device, reason FROM rejected WHERE gateway = 'flight' ORDER BY 1").to_pylist()
        assert [(row["device"], row["reason"]) for row in kept] == [("g1", "not_finite"), (None, "future_time")], kept
    refused(lambda: append(mixed, table="nowhere"), "no table nowhere")
    refused(lambda: append(mixed, mode="create"), "append to it")
    refused(lambda: append(mixed, mode="replace"), "append to it")
    refused(lambda: append(mixed.rename_columns(["time", "device", "x"])), 'no column "x"')
    refused(lambda: append(mixed, connection=connect(server)), "the token of a gateway")
