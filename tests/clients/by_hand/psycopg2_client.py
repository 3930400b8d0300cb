"""psycopg 2: values put into the text, lists, cursors on the server, zones, errors."""

from datetime import timedelta
from decimal import Decimal

import psycopg2
import psycopg2.errors

from rows import QUERY, at, same


def check(server):
    with psycopg2.connect(
        host="127.0.0.1", port=server.postgres, user="admin", password=server.password, dbname="zonelake"
    ) as connection:
        with connection.cursor() as cursor:
            cursor.execute(QUERY)
            same(cursor.fetchall())
            cursor.execute("SELECT device FROM probe WHERE device = ANY(%s) AND time >= %s ORDER BY time", (["d1"], at(0)))
            assert cursor.fetchall() == [("d1",), ("d1",)]
            for value in ("it's \\ %", 7, 1.5, True, Decimal("1.25"), timedelta(days=1, hours=2), [1, 2], None):
                cursor.execute("SELECT %s", (value,))
                assert cursor.fetchone() == (value,), value
            cursor.execute("SET TIME ZONE 'Asia/Ho_Chi_Minh'")
            cursor.execute("SELECT min(time) FROM probe")
            assert cursor.fetchone()[0].isoformat() == "2026-01-01T07:00:00+07:00"
        connection.commit()
        with connection.cursor("on_the_server") as cursor:
            cursor.itersize = 1_000
            cursor.execute("SELECT value FROM generate_series(1, 10000) AS value")
            assert sum(row[0] for row in cursor) == 50_005_000
        connection.commit()
        with connection.cursor() as cursor:
            try:
                cursor.execute("INSERT INTO probe VALUES (1)")
                raise AssertionError("it was written")
            except psycopg2.errors.ReadOnlySqlTransaction:
                connection.rollback()
