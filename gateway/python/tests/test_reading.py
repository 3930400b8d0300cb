"""Answers of a real server as Arrow, pandas and polars: every type to its edges, zones, parameters, TLS and errors."""

import json
import math
import os
import ssl
import sys
import tempfile
import unittest
import urllib.request
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from pathlib import Path
from unittest import mock
from zoneinfo import ZoneInfo

import numpy
import pandas
import polars
import pyarrow as pa
from cases import REPOSITORY, zonelake

sys.path.insert(0, str(REPOSITORY / "tests" / "clients"))

from rows import COLUMNS, QUERY, ROWS, at, same, start
from tls_client import certificates

from zonelake import AccessDenied, QueryError, QueryStopped, ServerUnavailable, StatementError

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
NOTEBOOKS = sorted((REPOSITORY / "gateway" / "python" / "examples").glob("*.ipynb"))


class Reading(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = start()
        cls.addClassCleanup(cls.server.__exit__)
        cls.reader = cls.connect()
        cls.addClassCleanup(cls.reader.close)

    @classmethod
    def connect(cls, **options):
        return zonelake.connect(cls.server.url, **({"password": cls.server.password} | options))

    def test_every_value_is_read_as_it_was_written(self):
        answer = self.reader.query(QUERY)
        self.assertEqual(len(answer), len(ROWS))
        same(row.values() for row in answer.to_list())
        same(answer.to_polars().rows())
        self.assertEqual(answer.units(), {"level": "m", "temperature": "°C"})
        frame = answer.to_pandas()
        self.assertEqual(list(frame.columns), list(COLUMNS))
        self.assertEqual([time.to_pydatetime() for time in frame["time"]], [row[1] for row in ROWS])
        self.assertEqual([None if value is pandas.NA else int(value) for value in frame["pulses"]], [row[4] for row in ROWS])
        self.assertEqual([None if value is pandas.NA else bool(value) for value in frame["is_open"]], [row[5] for row in ROWS])
        self.assertEqual(frame["level"].dropna().tolist(), [row[2] for row in ROWS if row[2] is not None])
        self.assertEqual(frame.attrs["units"], answer.units())
        self.assertEqual(polars.DataFrame(answer).height, len(ROWS), "others read it by Arrow's interface too")

    def test_edges_of_types_survive(self):
        for expression, expected in (
            ("CAST('NaN' AS double)", math.nan),
            ("CAST('-Infinity' AS double)", -math.inf),
            ("9223372036854775807", 2**63 - 1),
            ("CAST(12.340 AS decimal(9,3))", Decimal("12.340")),
            ("CAST('0001-01-01' AS date)", date(1, 1, 1)),
            ("CAST('9999-12-31T23:59:59.999999' AS timestamp)", datetime(9999, 12, 31, 23, 59, 59, 999_999)),
            ("CAST(NULL AS bigint)", None),
            ("'tiếng Việt'", "tiếng Việt"),
        ):
            [row] = self.reader.query(f"SELECT {expression} AS x").to_list()
            is_same = row["x"] == expected or (isinstance(expected, float) and math.isnan(expected) and math.isnan(row["x"]))
            self.assertTrue(is_same, f"{expression}: {row['x']!r}, not {expected!r}")
        whole = self.reader.query("SELECT pulses FROM probe WHERE pulses IS NOT NULL ORDER BY 1").to_pandas()
        self.assertEqual((str(whole["pulses"].dtype), whole["pulses"].iloc[-1]), ("int64", 2**63 - 1))

    def test_an_empty_answer_keeps_its_types(self):
        answer = self.reader.query("SELECT time, level, pulses FROM probe WHERE false")
        self.assertEqual(answer.to_arrow().schema.field("time").type, pa.timestamp("us", "UTC"))
        self.assertEqual(answer.to_pandas().dtypes.astype(str).tolist()[1:], ["float64", "int64"])
        self.assertEqual(answer.to_polars().schema["level"], polars.Float64)
        self.assertEqual(answer.to_list(), [])

    def test_parameters_are_values_and_never_text_of_the_statement(self):
        sql = "SELECT device FROM probe WHERE note = $1"
        self.assertEqual(self.reader.query(sql, ["quotes ' \" and , \\"]).to_list(), [{"device": "d0"}])
        self.assertEqual(self.reader.query(sql, ["' OR true --"]).to_list(), [])
        sql = "SELECT device FROM probe WHERE time >= $1 AND pulses = $2"
        for time in (at(4), at(4).astimezone(HANOI), pandas.Timestamp(at(4)), pandas.Timestamp(at(4)).tz_convert("Asia/Tokyo")):
            self.assertEqual(self.reader.query(sql, [time, numpy.int64(1)]).to_list(), [{"device": "trạm-2"}])
        self.assertEqual(self.reader.query("SELECT $1::double AS x", [None]).to_list(), [{"x": None}])

    def test_a_parameter_that_has_no_zone_or_no_place_is_refused(self):
        with self.assertRaisesRegex(StatementError, r"\$1 = 2026-01-01 00:00:00 has no zone"):
            self.reader.query("SELECT count(*) FROM probe WHERE time > $1", [datetime(2026, 1, 1)])
        with self.assertRaisesRegex(StatementError, "list of the values"):
            self.reader.query("SELECT $1", "abc")
        with self.assertRaises(QueryError):
            self.reader.query("SELECT device FROM probe WHERE pulses = $1 AND level = $2", [1])

    def test_instants_are_shown_in_the_zone_that_was_asked_for_and_stay_the_same(self):
        with self.connect(time_zone="Asia/Ho_Chi_Minh") as reader:
            answer = reader.query(QUERY)
            self.assertEqual(answer.to_arrow().schema.field("time").type, pa.timestamp("us", "Asia/Ho_Chi_Minh"))
            times = answer.to_pandas()["time"]
            self.assertEqual(str(times[0]), "2026-01-01 07:00:00+07:00")
            self.assertEqual([time.to_pydatetime() for time in times], [row[1] for row in ROWS])
            self.assertEqual(answer.to_polars()["time"][0], at(0).astimezone(HANOI))
            local = reader.query("SELECT time AT TIME ZONE 'Asia/Ho_Chi_Minh' AS x FROM probe ORDER BY 1 LIMIT 1").to_list()
            self.assertEqual(local, [{"x": datetime(2026, 1, 1, 7)}])
            # As after SET TIME ZONE: the local day, and its beginning.
            [row] = reader.query("SELECT date_trunc('day', time) AS day, time::date AS date FROM probe LIMIT 1").to_list()
            self.assertEqual((row["day"], row["date"]), (datetime(2026, 1, 1, tzinfo=HANOI), date(2026, 1, 1)))
            for day, count in (("2026-01-01 07:00:02", 3), ("2026-01-01 00:00:02", 5)):
                self.assertEqual(len(reader.query(f"SELECT time FROM probe WHERE time >= '{day}'")), count)
            prepared = "SELECT count(*) AS n FROM probe WHERE time >= '2026-01-01 07:00:02' AND pulses >= $1"
            self.assertEqual(reader.query(prepared, [0]).to_list(), [{"n": 2}])
            batches = list(reader.batches(QUERY))
            self.assertEqual({batch.schema.field("time").type.tz for batch in batches}, {"Asia/Ho_Chi_Minh"})
        with self.assertRaisesRegex(ValueError, "no time zone 'Hanoi'"):
            self.connect(time_zone="Hanoi")

    def test_a_server_that_knows_nothing_of_zones_is_refused_and_not_misread(self):
        with mock.patch("zonelake.reading.TIME_ZONE_OPTION", "adbc.flight.sql.rpc.call_header.x-something-else"):
            with self.assertRaisesRegex(QueryError, "older version"):
                self.connect(time_zone="Asia/Ho_Chi_Minh")
            self.connect(time_zone="Africa/Abidjan").close()

    def test_a_large_answer_comes_in_batches_and_one_that_is_left_is_cancelled(self):
        sql = "SELECT value FROM generate_series(1, 1000000)"
        sizes = [batch.num_rows for batch in self.reader.batches(sql)]
        self.assertEqual(sum(sizes), 1_000_000)
        self.assertGreater(len(sizes), 1)
        endless = self.reader.batches("SELECT a.value FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b")
        self.assertGreater(next(endless).num_rows, 0)
        endless.close()
        running = "SELECT count(*) AS n FROM system.queries WHERE interface = 'flight' AND state = 'running'"
        for _ in range(100):
            if self.server.value(running) == 0:
                break
        self.assertEqual(self.server.value(running), 0)

    def test_errors_say_what_to_do_by_their_class_and_the_servers_words(self):
        for sql, kind, words in (
            ("SELECT nothing", StatementError, 'column "nothing" does not exist'),
            ("SELECT * FROM nowhere", StatementError, 'relation "nowhere" does not exist'),
            ("INSERT INTO probe VALUES (1)", StatementError, "only statements that read"),
            ("SELECT 1; SELECT 2", StatementError, "one statement"),
            ("SELECT 1 / (value - 9999) FROM generate_series(1, 100000)", StatementError, "division by zero"),
        ):
            with self.subTest(sql), self.assertRaisesRegex(kind, words) as caught:
                self.reader.query(sql)
            self.assertNotRegex(str(caught.exception), "FlightSQL|InvalidArgument|Vendor code")
        with self.assertRaises(StatementError):
            list(self.reader.batches("SELECT nothing"))
        self.assertEqual(self.reader.query("SELECT 1 AS x").to_list(), [{"x": 1}])

    def test_who_may_not_read_is_told_so(self):
        for options in ({"password": "wrong"}, {"user": "nobody"}):
            with self.assertRaises(AccessDenied), self.connect(**options) as reader:
                reader.query("SELECT 1")
        token = self.server.add_gateway("writes-only")
        with self.assertRaisesRegex(AccessDenied, "write"), self.connect(user="writes-only", password=token) as reader:
            reader.query("SELECT 1")
        with mock.patch.dict(os.environ), self.assertRaisesRegex(AccessDenied, "ZONELAKE_PASSWORD"):
            os.environ.pop("ZONELAKE_PASSWORD", None)
            zonelake.query("SELECT 1", server=self.server.url)

    def test_a_statement_ends_at_its_limits(self):
        endless = (
            "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b WHERE a.value + b.value < 0"
        )
        password = self.server.run("role", "add", "scientist", "--statement-seconds-max", "1").stdout.strip()
        with self.assertRaisesRegex(QueryStopped, "limit of 1 s"), self.connect(user="scientist", password=password) as reader:
            reader.query(endless)
        with self.assertRaises(QueryStopped), self.connect(timeout=1) as reader:
            reader.query(endless)

    def test_a_password_goes_in_the_open_to_this_machine_only(self):
        for server in ("http://zonelake.example:7421", "grpc://192.0.2.1:7421"):
            with self.assertRaisesRegex(ValueError, "as plain text"):
                zonelake.query("SELECT 1", server=server, password="x")
        for server in ("zonelake.example:7421", "https://", "ftp://localhost:7421", "http://a:b@localhost"):
            with self.assertRaisesRegex(ValueError, "is not https"):
                zonelake.query("SELECT 1", server=server, password="x")
        with self.assertRaisesRegex(ValueError, "not https"):
            zonelake.query("SELECT 1", server=self.server.url, password="x", certificate="cert.pem")
        with self.assertRaisesRegex(ServerUnavailable, "127.0.0.1:9 does not answer"):
            zonelake.query("SELECT 1", server="http://127.0.0.1:9", password="x", timeout=5)

    def test_what_the_environment_says_is_enough(self):
        told = {"ZONELAKE_URL": self.server.url, "ZONELAKE_PASSWORD": self.server.password}
        with mock.patch.dict(os.environ, told):
            self.assertEqual(zonelake.query("SELECT $1 AS x", ["a"]).to_list(), [{"x": "a"}])

    def test_notebooks_run_as_they_are(self):
        self.assertTrue(NOTEBOOKS)
        lines = []
        for hour in range(48):
            for station in range(3):
                time = datetime(2026, 3, 1, tzinfo=timezone.utc) + timedelta(hours=hour, minutes=20 * station)
                lines.append(
                    f"environment,device=station-{station} pm2_5={20 + hour % 24 + station} {round(time.timestamp() * 1e6)}\n"
                )
        self.server.write(self.server.add_gateway("stations"), "".join(lines))
        told = {"ZONELAKE_URL": self.server.url, "ZONELAKE_PASSWORD": self.server.password}
        for path in NOTEBOOKS:
            with self.subTest(path.name), mock.patch.dict(os.environ, told):
                names = run_notebook(path)
                self.assertEqual(len(names["hours"]), 48 * 3)
                self.assertEqual(names["days"]["day"].n_unique(), 3, "the local days of two days of UTC")
                self.assertEqual(names["days"]["readings"].sum(), 48 * 3)


class Secured(unittest.TestCase):
    def test_over_tls_only_the_right_certificate_is_believed(self):
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        certificates(folder)
        trusted = ssl.create_default_context(cafile=folder / "authority.pem")
        urlopen = partial(urllib.request.urlopen, context=trusted)
        self.enterContext(mock.patch("server.Server.url", property(lambda server: f"https://localhost:{server.http}")))
        self.enterContext(mock.patch("server.urllib.request.urlopen", urlopen))
        server = start(http_certificate=folder / "server.pem", http_key=folder / "server.key")
        self.addCleanup(server.__exit__)

        def read(**options):
            options = {"certificate": folder / "authority.pem", "server": server.url} | options
            return zonelake.query(QUERY, password=server.password, **options).to_list()

        same(row.values() for row in read())
        same(row.values() for row in read(server=f"https://127.0.0.1:{server.http}"))
        same(row.values() for row in read(certificate=folder / "server.pem"))
        for options in ({"certificate": folder / "stranger.pem"}, {"certificate": None}):
            with self.assertRaisesRegex(ServerUnavailable, "certificate"):
                read(**options)
        with self.assertRaises(ServerUnavailable):
            read(server=f"http://localhost:{server.http}", certificate=None)
        with self.assertRaisesRegex(ValueError, "no certificate"):
            read(certificate=folder / "server.key")

    def enterContext(self, context):
        """As Python 3.11 has it."""
        self.addCleanup(context.__exit__, None, None, None)
        return context.__enter__()


def run_notebook(path: Path) -> dict:
    """Runs the cells of a notebook in order; gives the names that they leave. Its outputs must be stripped."""
    notebook = json.loads(path.read_text())
    names: dict = {"__name__": "__main__"}
    for number, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] != "code":
            continue
        assert cell["outputs"] == [] and cell["execution_count"] is None, f"{path}: cell {number} has outputs: strip them"
        exec(compile("".join(cell["source"]), f"{path.name}, cell {number}", "exec"), names)
    return names


if __name__ == "__main__":
    unittest.main()
