"""psql: rows, what it lists and describes, copies, errors, zones."""

import csv
import io
import os
import subprocess

from rows import EDGE_QUERY


# The row of the edges as PostgreSQL 15 shows it.
SHOWN = ["NaN", "Infinity", "-Infinity", "5e-324", "∅", "∅", "∅", "", "-9223372036854775808", "0001-01-01", "9999-12-31"]
SHOWN += ["0001-01-01 00:00:00", "9999-12-31 23:59:59.999999"]
SHOWN += ["0001-01-01 00:00:00+00", "9999-12-31 23:59:59.999999+00"]


def psql(server, *commands, check=True, options=("-At",)) -> str:
    arguments = ["psql", "-X", *options, "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(server.postgres)]
    arguments += ["-U", "admin", "-d", "zonelake"]
    for command in commands:
        arguments += ["-c", command]
    done = subprocess.run(
        arguments, capture_output=True, text=True, env={**os.environ, "PGPASSWORD": server.password}, timeout=60
    )
    if check:
        assert done.returncode == 0, f"{commands}: {done.stderr}"
        assert not done.stderr, f"{commands}: {done.stderr}"
        return done.stdout
    return done.stderr


def check(server):
    out = psql(server, "select device, time, level, pulses, is_open, seen from probe order by time limit 2")
    assert out == (
        "d0|2026-01-01 00:00:00+00|0.1|9223372036854775807|t|2026-01-01 00:00:03+00\n"
        "d0|2026-01-01 00:00:01+00|-1.7976931348623157e+308|-9223372036854775808|f|\n"
    ), out
    edges = psql(server, EDGE_QUERY, options=("-At", "-P", "null=∅")).strip().split("|")
    assert edges == SHOWN, edges
    assert psql(server, "select time from probe where false") == ""
    out = psql(server, "set time zone 'Asia/Ho_Chi_Minh'", "select min(time) from probe")
    assert out.splitlines()[-1] == "2026-01-01 07:00:00+07", out
    described(server)
    copied = psql(server, "copy (select device, note from probe order by time) to stdout (format csv, header)")
    rows = list(csv.reader(io.StringIO(copied)))
    assert rows[0] == ["device", "note"] and rows[1] == ["d0", "tiếng Việt"] and rows[5][1] == "line\nbreak", rows
    for statement, words in [
        ("insert into probe values (1)", "SQL reads only"),
        ("select * from nowhere", "does not exist"),
        ("selct 1", "syntax error"),
    ]:
        assert words in psql(server, statement, check=False), statement
    count = psql(server, "select value from generate_series(1, 1000000)").count("\n")
    assert count == 1_000_000, count


def described(server):
    """What stands behind a backslash."""
    tables = psql(server, "\\dt")
    assert "public|probe|table|admin" in tables.splitlines(), tables
    assert "public|environment|table|admin" in psql(server, "\\d").splitlines()
    assert psql(server, "\\dn").splitlines()[0].startswith("public|"), psql(server, "\\dn")
    assert psql(server, "\\l").startswith("zonelake|admin|UTF8|"), psql(server, "\\l")
    assert psql(server, "\\du").startswith("admin|"), psql(server, "\\du")
    psql(server, "\\df")
    for table in ("probe", "environment", "system.queries"):
        columns = psql(server, f"\\d {table}").splitlines()
        assert columns, table
    columns = psql(server, "\\d probe").splitlines()
    assert "level|double precision|||" in columns and "time|timestamp with time zone||not null|" in columns, columns
    commented = psql(server, "\\d+ probe")
    assert "Height of the water [m]" in commented, commented
    assert "A field of every kind." in psql(server, "\\dt+ probe")
