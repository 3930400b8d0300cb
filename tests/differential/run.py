"""The same statements, answered by PostgreSQL 15 and by a server that holds the same rows.

    python tests/differential/run.py [--seed N] [--seconds N]

First the statement files (query/tests/postgres_corpus and statements/), over each interface and over rows in memory, in files, and half
and half. Then statements that a seed makes, for some seconds, over the same. PostgreSQL's programs are needed: they are in
/usr/lib/postgresql/15/bin, or the folder that POSTGRES_BIN names.
"""

import argparse
import time
import zoneinfo

from corpus import statements
from generator import compare_generated
from interfaces import INTERFACES, asks
from postgres import Postgres
from rows import PLACES, start

NAMED_ZONES = zoneinfo.available_timezones()


def check_files(servers: dict, postgres: Postgres) -> str:
    """Asks each statement of the files over each interface, and over rows in each place; what was asked."""
    known = list(statements(asks(postgres.connection, extended=False)))
    asked, differences = 0, []
    places = {f"HTTP, rows {place}": (INTERFACES["HTTP"], servers[place]) for place in ("live", "files")}
    interfaces = {name: (interface, servers["mixed"]) for name, interface in INTERFACES.items()}
    for name, (interface, server) in (places | interfaces).items():
        began = time.monotonic()
        with interface(server) as ask:
            for statement in known:
                # POSIX zones, which count to the west, are taken by SQL alone.
                if statement.zone not in NAMED_ZONES and not name.startswith("PostgreSQL"):
                    continue
                asked += 1
                difference = statement.difference(ask)
                if difference:
                    differences.append(f"{name}: {difference}")
        print(f"  {name}: {time.monotonic() - began:.1f} s", flush=True)
    assert not differences, f"{len(differences)} of {asked} answers differ\n" + "\n".join(differences)
    return f"{len(known)} statements, {asked} answers"


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--seed", type=int, default=15)
    options.add_argument("--seconds", type=float, default=60)
    options = options.parse_args()
    with Postgres() as postgres, start("live") as live, start("files") as files, start("mixed") as mixed:
        servers = dict(zip(PLACES, (live, files, mixed), strict=True))
        print(f"  files: {check_files(servers, postgres)} are PostgreSQL's, or differ as told", flush=True)
        generated = compare_generated(postgres, servers, options.seed, options.seconds)
        print(f"  seed {options.seed}: {generated}", flush=True)


if __name__ == "__main__":
    main()
