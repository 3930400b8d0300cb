"""A real PostgreSQL 15 on a socket in a temporary folder, for its programs and its foreign tables."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg

PROGRAMS = Path(os.environ.get("POSTGRES_BIN", "/usr/lib/postgresql/15/bin"))


class Postgres:
    """The server; `connect` gives a connection of its owner."""

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-test-"))
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
        data = self.folder / "data"
        # The order of texts is by bytes, as the one that is compared with.
        self.run("initdb", "--auth=trust", "--username=postgres", "--locale=C", "--encoding=UTF8", "--no-sync", "-D", data)
        options = f"-k {self.folder} -c listen_addresses='' -c fsync=off"
        self.run("pg_ctl", "start", "-w", "-o", options, "-l", self.folder / "log", "-D", data)
        return self

    def __exit__(self, *_):
        self.run("pg_ctl", "stop", "-m", "immediate", "-D", self.folder / "data")
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self):
        return psycopg.connect(host=str(self.folder), user="postgres", dbname="postgres", autocommit=True)

    def run(self, program, *arguments):
        """Runs a program of PostgreSQL to its end; it refuses to run as root, so that it gets another user then."""
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        subprocess.run([*user, PROGRAMS / program, *arguments], check=True, cwd=self.folder, stdout=subprocess.DEVNULL)
