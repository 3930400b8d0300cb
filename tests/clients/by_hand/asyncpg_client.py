"""asyncpg: its codecs, lists of texts as parameters, cursors, prepared statements, zones, errors. Arrays of numbers it looks up in the
catalog by a recursive query, which is not answered as it needs."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import asyncpg

from rows import EDGE_QUERY, QUERY, at, same


def check(server):
    asyncio.run(asked(server))


async def asked(server):
    connection = await asyncpg.connect(
        host="127.0.0.1", port=server.postgres, user="admin", password=server.password, database="zonelake"
    )
    try:
        same(await connection.fetch(QUERY))
        assert len(await connection.fetch(EDGE_QUERY)) == 1
        devices = await connection.fetch("SELECT device FROM probe WHERE device = ANY($1::text[]) ORDER BY time", ["d1"])
        assert [row["device"] for row in devices] == ["d1", "d1"], devices
        for value, of in [
            (["a b", 'c"d', "e,f"], "text[]"),
            (timedelta(days=1, hours=2), "interval"),
            (Decimal("12345678901234567890.123456789"), "numeric"),
            (at(0), "timestamptz"),
            (b"\x00\xff", "bytea"),
            (True, "bool"),
        ]:
            got = await connection.fetchval(f"SELECT $1::{of}", value)
            assert got == value, (of, got, value)
        statement = await connection.prepare("SELECT device, pulses FROM probe WHERE time >= $1 AND pulses = $2")
        assert [column.name for column in statement.get_attributes()] == ["device", "pulses"]
        assert await statement.fetch(at(0), 1) == [("trạm-2", 1)]
        async with connection.transaction():
            count = 0
            async for row in connection.cursor("SELECT value FROM generate_series(1, 5000) AS value ORDER BY value"):
                count += row["value"]
            assert count == 12_502_500, count
        await connection.execute("SET TIME ZONE 'Asia/Ho_Chi_Minh'")
        assert await connection.fetchval("SELECT min(time)::text FROM probe") == "2026-01-01 07:00:00+07"
        try:
            await connection.fetch("SELECT nothing FROM probe")
            raise AssertionError("the error was lost")
        except asyncpg.UndefinedColumnError:
            pass
    finally:
        await connection.close()
