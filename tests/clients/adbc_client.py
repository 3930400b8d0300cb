"""adbc-driver-postgresql: Arrow tables by way of binary copies."""

import adbc_driver_postgresql.dbapi
import pyarrow

from rows import COLUMNS, EDGE_QUERY, MILLION, QUERY, same, same_edges, whole_million


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
            cursor.execute(EDGE_QUERY)
            [row] = cursor.fetch_arrow_table().to_pylist()
            same_edges(row.values())
            cursor.execute(MILLION)
            table = cursor.fetch_arrow_table()
            first, last = table.slice(0, 1).to_pylist() + table.slice(table.num_rows - 1).to_pylist()
            whole_million(table.num_rows, first.values(), last.values())
            cursor.execute("SELECT time FROM probe WHERE false")
            empty = cursor.fetch_arrow_table()
            assert empty.num_rows == 0 and pyarrow.types.is_timestamp(empty.schema.field("time").type), empty.schema
            cursor.execute("SELECT device FROM probe WHERE pulses = $1", (1,))
            assert cursor.fetchall() == [("trạm-2",)]
