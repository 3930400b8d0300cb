"""adbc-driver-postgresql: Arrow tables by way of binary copies."""

import adbc_driver_postgresql.dbapi
import pyarrow

from rows import COLUMNS, QUERY, same


def uri(server) -> str:
    return f"postgresql://admin:{server.password}@127.0.0.1:{server.postgres}/zonelake"


def check(server):
    with adbc_driver_postgresql.dbapi.connect(uri(server), autocommit=True) as connection:
        with connection.cursor() as cursor:
            cursor.execute(QUERY)
            table = cursor.fetch_arrow_table()
            assert table.column_names == list(COLUMNS), table.column_names
            assert pyarrow.types.is_float64(table.schema.field("level").type), table.schema
            assert pyarrow.types.is_timestamp(table.schema.field("time").type), table.schema
            same(row.values() for row in table.to_pylist())
            cursor.execute("SELECT value FROM generate_series(1, 1000000)")
            assert cursor.fetch_arrow_table().num_rows == 1_000_000
            cursor.execute("SELECT time FROM probe WHERE false")
            assert cursor.fetch_arrow_table().num_rows == 0
            cursor.execute("SELECT device FROM probe WHERE pulses = $1", (1,))
            assert cursor.fetchall() == [("trạm-2",)]
