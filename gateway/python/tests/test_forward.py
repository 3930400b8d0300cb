"""Store and forward to a real server, with kills of both sides: each row that was taken is there exactly once."""

import asyncio
import json
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cases import ServerCase, check_production, production, wait_until, zonelake

from zonelake import ForwardOptions, RowsError, SpoolInUse, StateLost, aio
from zonelake.wire import Lane

ROWS = 50


class Forward(ServerCase):
    def setUp(self):
        super().setUp()
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="zonelake-spool-")))

    def forwarder(self, kind=zonelake.Forwarder, token=None, table="production", folder=None, **options):
        place = {"producer": "line-3", "table": table, "folder": folder or self.folder}
        place |= {name: options.pop(name) for name in ("encoding", "producer") if name in options}
        options = ForwardOptions(**({"segment_bytes": 20_000, "retry_refused_seconds": 0.2} | options))
        return kind(self.address, token or self.token, self.certificate, options=options, **place)

    def test_rows_of_every_kind_are_stored_and_the_spool_is_empty_behind_them(self):
        import pandas
        import polars

        now = datetime.now(timezone.utc).replace(microsecond=0)
        times = [now - timedelta(seconds=second) for second in range(4)]
        with self.forwarder() as forwarder:
            forwarder.send({"time": times[0], "device": "a", "pressure": 1.5, "count_total": 2})
            forwarder.send(pandas.DataFrame({"time": times[1:2], "device": ["b"], "pressure": [2.5]}))
            forwarder.send(polars.DataFrame({"time": times[2:3], "pressure": [3.5]}), device="c")
            [batch] = production(1, ROWS)
            self.assertEqual(forwarder.send(batch), [(Lane.LIVE, 4)])
            with self.assertRaises(RowsError):
                forwarder.send({"time": datetime(2026, 1, 1), "device": "a"})
            with self.assertRaises(RowsError):
                forwarder.send("production,device=a pressure=1 1\n")
            forwarder.drain(30)
            status = forwarder.status()
        self.assertEqual((status.waiting_batches, status.stopped, status.waits_for), (0, None, None))
        found = self.server.sql("select device, pressure, backfill from production where device in ('a', 'b', 'c') order by 1")
        self.assertEqual(
            [tuple(row.values()) for row in found.to_pylist()], [("a", 1.5, False), ("b", 2.5, False), ("c", 3.5, False)]
        )
        self.assertEqual(self.server.value("select count(*) from production"), ROWS + 3)

    def test_what_was_taken_without_a_link_is_sent_when_there_is_one_and_by_the_next_process(self):
        self.server.kill()
        batches = list(production(60, ROWS))
        with self.forwarder(live_bytes_max=40_000) as forwarder:
            for batch in batches[:40]:
                forwarder.send(batch)
            with self.assertRaises(SpoolInUse):
                self.forwarder()
            with self.assertRaises(TimeoutError):
                forwarder.drain(0.5)
            status = forwarder.status()
            self.assertEqual(status.waiting_batches, 40)
            self.assertGreater(status.backfill.taken, 0, "the live lane has little to catch up with")
        with self.forwarder(live_bytes_max=40_000) as forwarder:
            for batch in batches[40:]:
                forwarder.send(batch)
            self.server.start()
            forwarder.drain(60)
            self.assertEqual(forwarder.status().waiting_batches, 0)
            wait_until(lambda: forwarder.status().backfill.bytes < 25_000, what="the release of what is acknowledged")
        check_production(self.server, 60 * ROWS)
        self.assertGreater(self.server.value("select count(*) from production where backfill"), 0)
        self.assertGreater(self.server.value("select count(*) from production where not backfill"), 0)

    def test_no_kill_of_the_server_or_of_a_gateway_loses_or_doubles_a_row(self):
        """A gateway in a process of its own, which is killed again and again as the server is."""
        program = Path(__file__).with_name("gateway_program.py")
        told, rounds = 0, 8
        for round_ in range(rounds):
            arguments = [self.address, self.token, self.certificate, self.folder]
            process = subprocess.Popen([sys.executable, program, *map(str, arguments)], stdout=subprocess.PIPE, text=True)
            for line in process.stdout:
                told = json.loads(line)["taken"]
                if told >= 25 * (round_ + 1):
                    break
            if round_ % 2:
                self.server.kill()
                self.server.start()
            process.send_signal(signal.SIGKILL)
            for line in process.stdout.read().splitlines():
                told = json.loads(line)["taken"]
            process.stdout.close()
            process.wait()
        # The last of them may have been taken without a word of it.
        with self.forwarder() as forwarder:
            forwarder.drain(60)
            status = forwarder.status()
        taken = status.live.taken + status.backfill.taken
        self.assertIn(taken, (told, told + 1))
        self.assertEqual((status.lost_batches, status.refused_batches, status.rejected_rows), (0, 0, 0))
        check_production(self.server, taken * ROWS)

    def test_a_table_that_is_not_there_is_waited_for_and_nothing_is_lost(self):
        tables = Path(self.server.folder.name) / "tables"
        tables.mkdir()
        self.server.settings["TABLES"] = str(tables)
        with self.forwarder(table="pumps", encoding="line") as forwarder, self.assertLogs("zonelake", "ERROR"):
            forwarder.send("pumps,device=p1 head=12.5 1735689600000000000\n")
            wait_until(lambda: forwarder.status().waits_for, what="the alarm")
            self.assertIn("pumps", forwarder.status().waits_for)
            (tables / "pumps.toml").write_text(
                'name = "pumps"\ndescription = "Pumps."\n[[field]]\nname = "head"\ntype = "double"\n'
            )
            self.server.end()
            self.server.start()
            forwarder.drain(30)
            self.assertIsNone(forwarder.status().waits_for)
        self.assertEqual(self.server.value("select head from pumps"), 12.5)

    def test_a_batch_that_can_never_be_taken_is_put_aside_and_the_rest_goes_on(self):
        good = "energy,device=m1 active_energy={} 17356896000000{:05}\n"
        with self.forwarder(table="energy", encoding="line") as forwarder, self.assertLogs("zonelake", "ERROR"):
            forwarder.send(good.format(1, 1))
            forwarder.send("this is no line protocol\n")
            forwarder.send(good.format(2, 2))
            forwarder.drain(30)
            status = forwarder.status()
        self.assertEqual((status.refused_batches, status.lost_batches, status.stopped), (1, 0, None))
        [aside] = (self.folder / "refused").iterdir()
        self.assertTrue(aside.read_bytes().endswith(b"this is no line protocol\n"))
        self.assertEqual(self.server.value("select sum(active_energy) from energy"), 3)

    def test_damage_of_the_spool_costs_what_is_damaged_alone(self):
        self.server.kill()
        batches = list(production(30, ROWS))
        with self.forwarder(live_bytes_max=1 << 30, segment_bytes=5_000) as forwarder:
            for batch in batches:
                forwarder.send(batch)
        damaged = sorted((self.folder / "live").glob("*.spool"))[1]
        content = bytearray(damaged.read_bytes())
        content[40] ^= 1
        damaged.write_bytes(content)
        self.server.start()
        with self.assertLogs("zonelake", "ERROR"), self.forwarder() as forwarder:
            forwarder.drain(30)
            lost = forwarder.status().lost_batches
        self.assertGreater(lost, 0)
        self.assertEqual(self.server.value("select count(*) from production"), (30 - lost) * ROWS)

    def test_a_spool_whose_server_has_more_or_less_than_it_stops_and_says_so(self):
        with self.forwarder(epoch=7) as forwarder:
            forwarder.send(next(production(1, ROWS)))
            forwarder.drain(30)
        elsewhere = self.folder / "elsewhere"
        with self.forwarder(epoch=7, folder=elsewhere) as forwarder, self.assertLogs("zonelake", "ERROR"):
            with self.assertRaisesRegex(StateLost, "has given numbers up to 0"):
                wait_until(lambda: forwarder.status().stopped)
                forwarder.send(next(production(1, ROWS, 1)))
                forwarder.drain(30)
            self.assertEqual(forwarder.status().waiting_batches, 1, "it is still taken")
        # Without an epoch a new spool begins a later one.
        with self.forwarder(folder=self.folder / "new") as forwarder:
            forwarder.send(next(production(1, ROWS, 1)))
            forwarder.drain(30)
        check_production(self.server, 2 * ROWS)

    def test_two_producers_of_one_name_do_not_fence_each_other_for_ever(self):
        first = self.enterContext(self.forwarder(epoch=7))
        first.send(next(production(1, ROWS)))
        first.drain(30)
        with self.forwarder(epoch=8, folder=self.folder / "second") as second:
            second.send(next(production(1, ROWS, 1)))
            second.drain(30)
            with self.assertLogs("zonelake", "ERROR"):
                first.send(next(production(1, ROWS, 2)))
                wait_until(lambda: first.status().stopped, what="the fence")
            self.assertIn("FENCED", first.status().stopped)
            second.send(next(production(1, ROWS, 2)))
            second.drain(30)
        check_production(self.server, 3 * ROWS)

    def test_with_asyncio_many_senders_share_one_forwarder(self):
        async def main():
            batches = list(production(40, ROWS))
            async with self.forwarder(aio.Forwarder) as forwarder:
                taken = await asyncio.gather(*(forwarder.send(batch) for batch in batches))
                self.assertEqual(len({tuple(places) for places in map(tuple, taken)}), 40)
                forwarder.connection.cut()
                await asyncio.wait_for(forwarder.drained(), 30)
                self.assertEqual(forwarder.status().waiting_batches, 0)

        asyncio.run(main())
        check_production(self.server, 40 * ROWS)

    def test_a_wrong_token_is_an_alarm_and_the_right_one_goes_on(self):
        with self.forwarder(token="zl_wrong") as forwarder, self.assertLogs("zonelake", "ERROR"):
            forwarder.send(next(production(1, ROWS)))
            wait_until(lambda: forwarder.status().waits_for, what="the alarm")
            self.assertIn("TOKEN", forwarder.status().waits_for)
        with self.forwarder() as forwarder:
            forwarder.drain(30)
        check_production(self.server, ROWS)

    def test_a_live_batch_does_not_wait_behind_the_back_fill(self):
        self.server.kill()
        batches = list(production(400, ROWS))
        with self.forwarder(live_bytes_max=10_000, backfill_bytes_in_flight=20_000) as forwarder:
            for batch in batches:
                forwarder.send(batch)
            behind = forwarder.status().backfill.taken
            self.assertGreater(behind, 300)
            self.server.start()
            wait_until(lambda: forwarder.status().live.acknowledged == forwarder.status().live.taken, what="the live lane")
            began = time.monotonic()
            [(lane, number)] = forwarder.send(next(production(1, ROWS, 400)))
            self.assertEqual(lane, Lane.LIVE)
            wait_until(lambda: forwarder.status().live.acknowledged >= number, 10, "the live batch")
            self.assertLess(time.monotonic() - began, 10)
            forwarder.drain(120)
        check_production(self.server, 401 * ROWS)


if __name__ == "__main__":
    unittest.main()
