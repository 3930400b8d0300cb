"""A PostgreSQL 15 of its own on a socket in a temporary folder. It refuses to run as root, so that it gets another user then."""

import os
import shutil
import subprocess
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

import psycopg
from rows import COLUMNS, ROWS


class Postgres:
    """A server that has the rows; ask it with `rows`."""

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-test-"))
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
        data = self.folder / "data"
        self.run("initdb", "--auth=trust", "--username=postgres", "--locale=C", "--encoding=UTF8", "-D", data)
        options = f"-k {self.folder} -c listen_addresses='' -c fsync=off"
        self.run("pg_ctl", "start", "-w", "-o", options, "-l", self.folder / "log", "-D", data)
        self.connection = psycopg.connect(host=str(self.folder), user="postgres", dbname="postgres", autocommit=True)
        self.connection.execute("SET TIME ZONE 'UTC'")
        columns = ", ".join(f"{name} {of}" for name, of in COLUMNS.items())
        self.connection.execute(f"CREATE TABLE probe ({columns})")
        values = ", ".join(["%s"] * len(COLUMNS))
        with self.connection.cursor() as cursor:
            cursor.executemany(f"INSERT INTO probe VALUES ({values})", list(map(values_of, ROWS)))
        return self

    def __exit__(self, *_):
        self.connection.close()
        self.run("pg_ctl", "stop", "-m", "immediate", "-D", self.folder / "data")
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, program, *arguments):
        """Runs a program of PostgreSQL to its end."""
        path = Path(os.environ.get("POSTGRES_BIN", "/usr/lib/postgresql/15/bin")) / program
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        subprocess.run([*user, path, *arguments], check=True, cwd=self.folder, stdout=subprocess.DEVNULL)


def values_of(row: dict) -> list:
    def value(name):
        us = row.get(name)
        if us is None or COLUMNS[name] != "timestamptz":
            return us
        return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=us)

    return [value(name) for name in COLUMNS]
