"""PostgreSQL's own programs and foreign tables: pg_dump of the schema, which a real PostgreSQL takes, and postgres_fdw."""

import os
import subprocess

from programs.postgres_server import PROGRAMS, Postgres
from rows import COLUMNS, QUERY, same


def check(server):
    with Postgres() as postgres:
        dumped(server, postgres)
        with postgres.connect() as connection:
            for estimates in ("false", "true"):
                foreign(server, connection, estimates)


def dumped(server, postgres):
    """pg_dump --schema-only: every table with its columns and comments; a real PostgreSQL makes them all of it."""
    arguments = [PROGRAMS / "pg_dump", "--schema-only", "--no-owner", "-h", "127.0.0.1", "-p", str(server.postgres)]
    done = subprocess.run(
        [*arguments, "-U", "admin", "zonelake"],
        capture_output=True,
        text=True,
        env={**os.environ, "PGPASSWORD": server.password},
        timeout=120,
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert "CREATE TABLE public.probe (" in done.stdout, done.stdout[:2000]
    assert "    level double precision" in done.stdout, done.stdout[:2000]
    assert "COMMENT ON TABLE public.probe IS 'A field of every kind.';" in done.stdout
    assert "COMMENT ON COLUMN public.probe.level IS 'Height of the water [m]';" in done.stdout
    with postgres.connect() as connection:
        connection.execute("CREATE DATABASE restored")
    load = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", str(postgres.folder), "-U", "postgres", "-d", "restored"]
    # Views hold functions that PostgreSQL lacks, so its tables alone are made of them.
    parts = done.stdout.split("\n--\n-- Name: ")
    views = [part.split(";", 1)[0] for part in parts if "; Type: VIEW;" in part.split("\n", 1)[0]]
    assert "air_checks" in views, views

    def is_of_view(name):
        return name in views or name.startswith("VIEW ") or name.removeprefix("COLUMN ").split(".")[0] in views

    tables = "\n--\n-- Name: ".join(part for part in parts if not is_of_view(part.split(";", 1)[0]))
    loaded = subprocess.run(load, input=tables, capture_output=True, text=True, timeout=60)
    assert loaded.returncode == 0, loaded.stderr


def foreign(server, connection, estimates):
    """IMPORT FOREIGN SCHEMA, and what postgres_fdw leaves to the server: conditions, joins, aggregates, order, limits."""
    for statement in (
        "DROP SCHEMA IF EXISTS far CASCADE",
        "CREATE EXTENSION IF NOT EXISTS postgres_fdw",
        "DROP SERVER IF EXISTS zonelake CASCADE",
        f"CREATE SERVER zonelake FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '{server.postgres}', "
        f"dbname 'zonelake', use_remote_estimate '{estimates}')",
        f"CREATE USER MAPPING FOR postgres SERVER zonelake OPTIONS (user 'admin', password '{server.password}')",
        "CREATE SCHEMA far",
        "IMPORT FOREIGN SCHEMA public FROM SERVER zonelake INTO far",
        "SET timezone = 'UTC'",
    ):
        connection.execute(statement)
    same(connection.execute(QUERY.replace("probe", "far.probe")).fetchall())
    # Of five rows, which the estimates tell, postgres_fdw makes the groups itself.
    grouped = "count(*)" if estimates == "false" else "pulses >= 0"
    asked = [
        ("SELECT device, count(*), max(pulses) FROM far.probe WHERE pulses >= 0 GROUP BY device ORDER BY device", grouped),
        ("SELECT count(*) FROM far.probe a JOIN far.probe b USING (device) WHERE a.pulses > b.pulses", "pulses"),
        ("SELECT count(*) FROM far.probe a, far.probe b, far.probe c, far.probe d", "JOIN"),
        ("SELECT device FROM far.probe WHERE device = ANY (ARRAY['d0', 'a b,c', 'd1']) ORDER BY time", "ANY"),
        ("SELECT time FROM far.probe WHERE time >= '2026-01-01 00:00:02+00' ORDER BY time LIMIT 2", '"time" >='),
        ("SELECT count(*) FROM far.probe WHERE note LIKE 'ti%' OR note IS NULL OR is_open", "~~"),
    ]
    here = f"CREATE TEMP TABLE IF NOT EXISTS here AS SELECT {', '.join(COLUMNS)} FROM far.probe"
    connection.execute(here)
    for statement, remote in asked:
        far = connection.execute(statement).fetchall()
        near = connection.execute(statement.replace("far.probe", "here")).fetchall()
        assert far == near, f"{statement}: {far}, of a copy {near}"
        plan = "\n".join(row[0] for row in connection.execute(f"EXPLAIN (VERBOSE) {statement}").fetchall())
        sent = [line for line in plan.splitlines() if "Remote SQL:" in line]
        assert any(remote in line for line in sent), f"{statement}: {remote} is not left to the server\n{plan}"
    (scan, *_), *_ = connection.execute("EXPLAIN SELECT * FROM far.probe").fetchall()
    assert (" rows=5 " in scan) == (estimates == "true"), scan
    connection.execute("ANALYZE far.probe")
    assert connection.execute("SELECT reltuples FROM pg_class WHERE oid = 'far.probe'::regclass").fetchone() == (5.0,)
    connection.execute("DROP TABLE here")
