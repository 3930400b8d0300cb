"""Zonelake and DuckDB over the same Parquet files, asked the same questions one after the other.

    python benches/sql/against_duckdb.py [--rows 4000000] [--readings FILE] [--repeats 9] [--only WORDS] [--hot]

Starts the release build (or ZONELAKE_BINARY) on an empty data folder, makes the readings (or takes them from a Parquet file
with the columns time, device, zone and the eight fields of the workload), sends them by Flight SQL's bulk ingest, one gateway a
zone, stops the server, which flushes everything, and starts it again. DuckDB reads the very files that the Delta log lists, in
this process, with a thread a core and both of its caches on. Zonelake is asked over HTTP on one open connection, so its times
have in them all that a client waits for: the protocol, planning, and the answer read as an Arrow table. Every question is asked
of both in turns, after one time that is not measured; the answers are compared, and the medians are printed as a table.

--hot asks Zonelake once more before that, while all rows are in memory only. The packages are those of
tests/python/requirements.txt.
"""

import argparse
import base64
import contextlib
import http.client
import os
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import adbc_driver_flightsql.dbapi
import deltalake
import duckdb
import pyarrow
import pyarrow.compute
from adbc_driver_flightsql import DatabaseOptions

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "replay"))

import answers  # noqa: E402
import workload  # noqa: E402
from questions import QUESTIONS  # noqa: E402
from server import Server  # noqa: E402

SLICE_SECONDS = 200
HOT = {"flush_bytes_max": 1 << 30, "flush_live_bytes_max": 4 << 30, "flush_age_seconds": 3600, "wal_bytes_max": 4 << 30}


def main():
    options = arguments()
    table = workload.read(options.readings) if options.readings else workload.made(options.rows)
    questions = [question for question in QUESTIONS if options.only in question.name]
    with Server(**(HOT if options.hot else {})) as server:
        server.start()
        values = fill(server, table)
        questions = [question.filled_in(values) for question in questions]
        hot = {}
        if options.hot:
            zonelake = Zonelake(server)
            hot = {question.name: measured(options.repeats, [(zonelake.ask, question.zonelake)])[0] for question in questions}
        server.end()
        server.start()
        files = data_files(server)
        size = sum(Path(file).stat().st_size for file in files) / 1e6
        print(f"{table.num_rows:,} rows, {len(files)} files, {size:.1f} MB, {os.cpu_count()} cores, DuckDB {duckdb.__version__}")
        compare(Zonelake(server), DuckDb(files), questions, hot, options.repeats)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--readings", type=Path)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--only", default="", metavar="WORDS", help="questions whose names have these words")
    parser.add_argument("--hot", action="store_true")
    return parser.parse_args()


def fill(server, table):
    """Sends the rows in the order of time, each zone's by its gateway. Returns what questions are filled in with."""
    zones = sorted(pyarrow.compute.unique(table["zone"]).to_pylist())
    codes = server.sql(f"SELECT code FROM zones ORDER BY code LIMIT {len(zones)}").column(0).to_pylist()
    began = time.monotonic()
    with contextlib.ExitStack() as open_connections:
        cursors = [open_connections.enter_context(gateway(server, code).cursor()) for code in codes]
        rows = SLICE_SECONDS * workload.DEVICES
        for start in range(0, table.num_rows, rows):
            part = table.slice(start, rows)
            for zone, cursor in zip(zones, cursors):
                of_zone = part.filter(pyarrow.compute.equal(part["zone"], zone)).drop_columns(["zone"])
                cursor.adbc_ingest("environment", of_zone.combine_chunks(), mode="append")
    stored = server.value("SELECT count(*) FROM environment")
    assert stored == table.num_rows, f"{stored} rows are there, {table.num_rows} were sent"
    print(f"sent in {time.monotonic() - began:.1f} s")
    first = pyarrow.compute.min(table["time"]).as_py()
    middle = first + (pyarrow.compute.max(table["time"]).as_py() - first) / 2
    return answers.values(codes[len(codes) // 3], table["device"][table.num_rows // 2 + workload.DEVICES // 2 + 7].as_py(), first, middle)


def gateway(server, zone):
    token = server.run("gateway", "add", f"gateway-{zone}", "--zone", zone).stdout.strip()
    options = {DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {token}"}
    return adbc_driver_flightsql.dbapi.connect(f"grpc://127.0.0.1:{server.http}", db_kwargs=options, autocommit=True)


def data_files(server):
    return deltalake.DeltaTable(server.data / "tables" / "environment").file_uris()


class Zonelake:
    """The server over one open connection of HTTP."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.http)
        credentials = base64.b64encode(f"admin:{server.password}".encode()).decode()
        self.headers = {
            "Authorization": f"Basic {credentials}",
            "Content-Type": "application/sql",
            "Accept": "application/vnd.apache.arrow.stream",
        }

    def ask(self, sql) -> pyarrow.Table:
        self.connection.request("POST", "/api/v1/sql", sql.encode(), self.headers)
        with self.connection.getresponse() as answer:
            body = answer.read()
        assert answer.status == 200, f"{sql}: {answer.status} {body.decode()}"
        return pyarrow.ipc.open_stream(body).read_all()


class DuckDb:
    """DuckDB over files, in this process."""

    def __init__(self, files):
        self.connection = duckdb.connect(config={"threads": os.cpu_count()})
        self.connection.execute("SET TimeZone = 'UTC'")
        self.connection.execute("SET enable_external_file_cache = true")
        self.connection.execute("SET parquet_metadata_cache = true")
        listed = ", ".join(f"'{file}'" for file in files)
        self.connection.execute(f"CREATE VIEW environment AS SELECT * FROM read_parquet([{listed}])")

    def ask(self, sql) -> pyarrow.Table:
        return self.connection.sql(sql).to_arrow_table()


def compare(zonelake, duckdb_, questions, hot, repeats):
    columns = ["question", "rows", "Zonelake, ms", "DuckDB, ms", "ratio"]
    rows = []
    for question in questions:
        ours, theirs = measured(repeats, [(zonelake.ask, question.zonelake), (duckdb_.ask, question.duckdb)])
        answers.assert_same(question, ours.answer, theirs.answer)
        if question.name in hot:
            answers.assert_same(question, hot[question.name].answer, theirs.answer)
        ratio = ours.median_ms / theirs.median_ms
        row = [question.name, f"{ours.answer.num_rows:,}", f"{ours.median_ms:.1f}", f"{theirs.median_ms:.1f}", f"{ratio:.2f}"]
        rows.append(row + [f"{hot[question.name].median_ms:.1f}"] if hot else row)
    if hot:
        columns.append("Zonelake, all rows in memory, ms")
    for row in [columns, ["---"] * len(columns), *rows]:
        print("| " + " | ".join(row) + " |", flush=True)
    round_trip = measured(repeats, [(zonelake.ask, "SELECT 1")])[0]
    print(f"\nOf Zonelake's times {round_trip.median_ms:.2f} ms are the round trip of SELECT 1.")


@dataclass
class Measured:
    answer: pyarrow.Table
    median_ms: float


def measured(repeats, asked):
    """Asks each in turns, once without measuring."""
    taken = [[] for _ in asked]
    for turn in range(repeats + 1):
        answered = []
        for times, (ask, sql) in zip(taken, asked):
            began = time.perf_counter()
            answered.append(ask(sql))
            if turn > 0:
                times.append((time.perf_counter() - began) * 1e3)
    return [Measured(answer, statistics.median(times)) for answer, times in zip(answered, taken)]


if __name__ == "__main__":
    main()
