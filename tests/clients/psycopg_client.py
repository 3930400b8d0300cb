"""psycopg 3: text and binary, parameters, cursors on the server, pipelines, copies, cancelling, transactions."""

import io
import threading
import time
from datetime import date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import psycopg

from rows import COLUMNS, EDGE_QUERY, MILLION, QUERY, ROWS, at, same, same_edges, whole_million

VALUES = [
    ("12.340::numeric(9,3)", Decimal("12.340")),
    ("(-0.001)::numeric(9,3)", Decimal("-0.001")),
    ("interval '1 day 2 hours'", timedelta(days=1, hours=2)),
    ("'\\x00ff'::bytea", b"\x00\xff"),
    ("1::smallint", 1),
    ("1.5::real", 1.5),
    ("[1, null, 3]", [1, None, 3]),
]


def connect(server, **options):
    return psycopg.connect(
        host="127.0.0.1", port=server.postgres, user="admin", password=server.password, dbname="zonelake", **options
    )


def check(server):
    with connect(server, autocommit=True, application_name="psycopg") as connection:
        for binary in (False, True):
            with connection.cursor(binary=binary) as cursor:
                cursor.execute(QUERY)
                same(cursor.fetchall())
                assert [column.name for column in cursor.description] == list(COLUMNS)
                same_edges(cursor.execute(EDGE_QUERY).fetchone())
                for expression, expected in VALUES:
                    got = cursor.execute(f"SELECT {expression}").fetchone()[0]
                    assert got == expected and type(got) is type(expected), f"{expression}: {got!r}, not {expected!r}"
                assert cursor.execute("SELECT time FROM probe WHERE false").fetchall() == []
            parameters(connection, binary)
        zones(connection)
        copies(connection)
        cancelling(connection)
        pipeline(connection)
    with connect(server) as connection:
        cursors(connection)
    with connect(server) as connection:
        transactions(connection)


def parameters(connection, binary):
    with connection.cursor(binary=binary) as cursor:
        rows = cursor.execute(
            "SELECT device FROM probe WHERE time >= %s AND time < %s AND pulses <> %s ORDER BY time",
            (at(0), at(2), 5),
        ).fetchall()
        assert rows == [("d0",), ("d0",)], rows
        for value in ("it's", 7, 2**40, 1.5, True, Decimal("1.25"), b"\x00\x01", date(2026, 1, 1), None):
            got = cursor.execute("SELECT %s", (value,)).fetchone()[0]
            assert got == value, f"{value!r} comes back as {got!r}"
        got = cursor.execute("SELECT %s::timestamptz", (at(0),)).fetchone()[0]
        assert got == at(0), got
        rows = cursor.execute("SELECT device FROM probe WHERE device = ANY(%s) ORDER BY time", (["d1"],)).fetchall()
        assert rows == [("d1",), ("d1",)], rows
        # More than five times, so that it is prepared on the server.
        for number in range(8):
            assert cursor.execute("SELECT %s::int + 1", (number,)).fetchone() == (number + 1,)


def zones(connection):
    connection.execute("SET TIME ZONE 'Asia/Ho_Chi_Minh'")
    for binary in (False, True):
        with connection.cursor(binary=binary) as cursor:
            first = cursor.execute("SELECT min(time) FROM probe").fetchone()[0]
            assert first == at(0) and first.tzinfo == ZoneInfo("Asia/Ho_Chi_Minh"), first
            count = "SELECT count(*) FROM probe WHERE time < '2026-01-01 07:00:02'"
            assert cursor.execute(count).fetchone() == (2,)
    connection.execute("RESET TIME ZONE")


def copies(connection):
    with connection.cursor() as cursor:
        with cursor.copy("COPY (SELECT device, pulses, is_open FROM probe ORDER BY time) TO STDOUT") as copy:
            rows = list(copy.rows())
        assert rows[0] == ("d0", "9223372036854775807", "t") and rows[3] == ("d1", None, None), rows
        with cursor.copy("COPY (SELECT device, pulses, level FROM probe ORDER BY time) TO STDOUT (FORMAT BINARY)") as copy:
            copy.set_types(["text", "int8", "float8"])
            rows = list(copy.rows())
        assert rows == [(row[0], row[4], row[2]) for row in ROWS], rows
        text = io.BytesIO()
        with cursor.copy("COPY (SELECT note FROM probe ORDER BY time) TO STDOUT (FORMAT CSV, HEADER)") as copy:
            for part in copy:
                text.write(part)
        assert text.getvalue().decode().startswith("note\ntiếng Việt\n"), text.getvalue()


def cancelling(connection):
    threading.Timer(0.5, connection.cancel).start()
    began = time.monotonic()
    long = "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b WHERE sqrt(a.value) + sqrt(b.value) < -1"
    try:
        connection.execute(long)
        raise AssertionError("the statement was not cancelled")
    except psycopg.errors.QueryCanceled:
        assert time.monotonic() - began < 10
    connection.execute("SET statement_timeout = 200")
    try:
        connection.execute(long)
        raise AssertionError("the statement was not ended")
    except psycopg.errors.QueryCanceled:
        pass
    connection.execute("RESET statement_timeout")
    assert connection.execute("SELECT 1").fetchone() == (1,)


def pipeline(connection):
    with connection.pipeline():
        cursors = [connection.execute("SELECT %s::int", (number,)) for number in range(20)]
        assert [cursor.fetchone()[0] for cursor in cursors] == list(range(20))
    try:
        with connection.pipeline():
            connection.execute("SELECT 1")
            connection.execute("SELECT nothing")
            connection.execute("SELECT 2")
        raise AssertionError("the error was lost")
    except (psycopg.errors.UndefinedColumn, psycopg.errors.PipelineAborted):
        pass
    assert connection.execute("SELECT 3").fetchone() == (3,)


def cursors(connection):
    with connection.cursor(name="on_the_server", binary=True) as cursor:
        cursor.itersize = 1_000
        cursor.execute("SELECT value FROM generate_series(1, 10000)")
        assert sum(row[0] for row in cursor) == 50_005_000
    with connection.cursor(name="a_million", binary=True) as cursor:
        cursor.itersize = 50_000
        rows = cursor.execute(MILLION).fetchall()
        whole_million(len(rows), rows[0], rows[-1])
    with connection.cursor(name="with_parameters") as cursor:
        cursor.execute("SELECT device, pulses FROM probe WHERE pulses = %s AND time >= %s ORDER BY time", (1, at(0)))
        assert cursor.fetchall() == [("trạm-2", 1)]
        assert [column.name for column in cursor.description] == ["device", "pulses"]
    connection.commit()


def transactions(connection):
    with connection.transaction():
        assert connection.execute("SELECT 1").fetchone() == (1,)
        try:
            with connection.transaction():
                connection.execute("SELECT nothing")
        except psycopg.errors.UndefinedColumn:
            pass
        assert connection.execute("SELECT 2").fetchone() == (2,)
    try:
        connection.execute("INSERT INTO probe VALUES (1)")
        raise AssertionError("it was written")
    except psycopg.errors.ReadOnlySqlTransaction:
        connection.rollback()
