"""The Python client against a real server: pushed, acknowledged, cut off, killed, resumed; nothing missing or double.

Run as `python gateway/python/test_client.py`, or with pytest. ZONELAKE_BINARY names the program under test; without it, the
release build is taken.
"""

import asyncio
import sys
import unittest
from pathlib import Path

import pyarrow as pa

import zonelake

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "replay"))
from server import Server  # noqa: E402

BATCHES, ROWS = 60, 400
FIRST_US = 1_735_689_600_000_000  # 2025-01-01T00:00:00Z


def production():
    """Batches with a time of its own for each row, devices in a dictionary that changes, and values that add up exactly."""
    for batch in range(BATCHES):
        rows = range(batch * ROWS, (batch + 1) * ROWS)
        yield pa.record_batch(
            {
                "time": pa.array([FIRST_US + row * 1_000_000 for row in rows], pa.timestamp("us", "UTC")),
                "device": pa.array([f"press-{batch // 7}-{row % 3}" for row in rows]).dictionary_encode(),
                "pressure": pa.array([row / 4 for row in rows]),
                "count_total": pa.array(list(rows), pa.int64()),
            }
        )


class WithoutServer(unittest.TestCase):
    def test_frames_are_those_of_the_document(self):
        opening = zonelake.encode((2, "zl_x"), (3, "p"), (4, 1), (5, "energy"), (6, 2), (7, 1))
        self.assertEqual(
            zonelake.frame(zonelake.OPEN, opening).hex(" "),
            "18 00 00 00 01 12 04 7a 6c 5f 78 1a 01 70 20 01 2a 06 65 6e 65 72 67 79 30 02 38 01",
        )
        self.assertEqual(
            zonelake.batch_frames(300, b"energy,device=m1 active_energy=1.5 1735689600000000000\n", {})[:13].hex(" "),
            "40 00 00 00 06 2c 01 00 00 00 00 00 00",
        )

    def test_messages_read_back(self):
        fields = {1: [0], 2: [b"zl_\xc3\xa9"], 3: [127, 128, 2**63], 15: [b""], 16: [2**64 - 1]}
        message = zonelake.encode(*((number, value) for number, values in fields.items() for value in values))
        self.assertEqual(zonelake.decode(message), fields)

    def test_schema_and_dictionaries_go_out_when_they_change(self):
        def kinds(frames):
            at, found = 0, []
            while at < len(frames):
                found.append(frames[at + 4])
                at += 4 + int.from_bytes(frames[at : at + 4], "little")
            return found

        in_force, first, *_, last = {}, *production()
        whole = [zonelake.SCHEMA, zonelake.DICTIONARY, zonelake.BATCH]
        self.assertEqual(kinds(zonelake.batch_frames(1, first, in_force)), whole)
        self.assertEqual(kinds(zonelake.batch_frames(2, first, in_force)), [zonelake.BATCH])
        self.assertEqual(kinds(zonelake.batch_frames(3, last, in_force)), [zonelake.DICTIONARY, zonelake.BATCH])


class WithServer(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.server = self.enterContext(Server())
        self.server.start()
        self.gateway = self.gateway_with(self.server.add_gateway("python"))

    def gateway_with(self, token):
        certificate = str(self.server.data / "tls" / "cert.pem")
        # Few batches at once, so that the link breaks with most of them still to come.
        return zonelake.Gateway("localhost", self.server.quic, certificate, token, unacked_bytes_max=64 << 10)

    async def pushed(self, *arguments, **options):
        """Pushes as soon as the server has heard of the new gateway."""
        for _ in range(100):
            try:
                return await self.gateway.push(*arguments, **options)
            except zonelake.Refused as refused:
                if refused.code != 3:
                    raise
                await asyncio.sleep(0.1)
        raise AssertionError("the server does not hear of the new gateway")

    async def test_what_is_cut_off_and_killed_on_the_way_is_there_exactly_once(self):
        batches, cut, killed, restarts = list(production()), [], [], []

        def disturb(durable):
            if durable >= 15 and not cut:
                cut.append(durable)
                self.gateway.quic.close()
            if durable >= 35 and not killed:
                killed.append(durable)
                self.server.kill()
                restarts.append(asyncio.get_running_loop().create_task(asyncio.to_thread(self.server.start)))

        totals = await self.pushed("line-3", "production", batches, on_ack=disturb)
        await restarts[0]
        self.assertLess(cut[0], BATCHES)
        self.assertLess(killed[0], BATCHES)
        self.assertEqual((totals["rejected_rows"], totals["rejected_readings"]), (0, 0))
        self.check_production()
        again = await self.pushed("line-3", "production", batches)
        self.assertEqual(again["rows"], 0)
        self.server.end()
        self.server.start()
        self.check_production()
        self.assertEqual(self.server.value("select count(*) from production where backfill"), BATCHES * ROWS)

    def check_production(self):
        rows = BATCHES * ROWS
        found = self.server.sql(
            "select count(*) as n, count(distinct time) as times, sum(count_total) as total, sum(pressure) as pressure,"
            " count(distinct device) as devices, min(zone) as zone from production"
        ).to_pylist()[0]
        total = rows * (rows - 1) // 2
        devices = 3 * ((BATCHES - 1) // 7 + 1)
        expected = {"n": rows, "times": rows, "total": total, "pressure": total / 4, "devices": devices, "zone": "vung-ang"}
        self.assertEqual(found, expected)

    async def test_lines_are_taken_and_a_batch_that_is_refused_stores_nothing(self):
        good = b"energy,device=m1 active_energy=1.5 1735689600000000000\nenergy,device=m2 active_energy=2.25 1735689600000000000\n"
        totals = await self.pushed("lines", "energy", [good], encoding=zonelake.LINE, lane=zonelake.LIVE)
        self.assertEqual((totals["rows"], totals["readings"]), (2, 2))
        with self.assertRaises(zonelake.Refused) as caught:
            await self.gateway.push("lines", "energy", [good, b"energy,device=m1 colour=1 1\n"], encoding=zonelake.LINE, lane=1)
        self.assertEqual((caught.exception.code, caught.exception.number, caught.exception.last_number), (6, 2, 1))
        self.assertEqual(self.server.value("select sum(active_energy) from energy"), 3.75)

    async def test_a_wrong_token_an_unknown_table_and_other_content_are_refused_by_name(self):
        batches = list(production())[:2]
        await self.pushed("line-3", "production", batches)
        for gateway, table, code in [(self.gateway_with("zl_wrong"), "production", 3), (self.gateway, "nonsense", 5)]:
            with self.assertRaises(zonelake.Refused) as caught:
                await gateway.push("line-3", table, batches)
            self.assertEqual(caught.exception.code, code)
        with self.assertRaises(ValueError):
            await self.gateway.push("line-3", "production", batches[:1])


if __name__ == "__main__":
    unittest.main()
