"""Clients of PostgreSQL and of Arrow Flight SQL against a running server: each reads every type right, to its edges.

    python tests/clients/run.py [client…]

Without a name, those of which CI has the programs. Those below by_hand/ need `pip install -r tests/clients/by_hand/requirements.txt`,
`npm install --prefix tests/clients/by_hand`, and Debian's odbc-postgresql: `… run.py asyncpg`, or `by_hand` for all of them.
"""

import sys
import time

import adbc_client
import dashboards_client
import flight_client
import frames_client
import jdbc_client
import psql_client
import psycopg_client
import questions_client
import reports_client
import sqlalchemy_client
import tls_client
from by_hand import BY_HAND
from programs import commands_client, foreign_client
from rows import start

CLIENTS = {
    "psql": psql_client.check,
    "commands": commands_client.check,
    "foreign": foreign_client.check,
    "psycopg": psycopg_client.check,
    "sqlalchemy": sqlalchemy_client.check,
    "adbc": adbc_client.check,
    "flight": flight_client.check,
    "frames": frames_client.check,
    "jdbc": jdbc_client.check,
    "questions": questions_client.check,
    "dashboards": dashboards_client.check,
    "reports": reports_client.check,
    "tls": tls_client.check,
}


def main(names):
    known = CLIENTS | BY_HAND
    names = [one for name in names for one in (BY_HAND if name == "by_hand" else [name])]
    with start() as server:
        for name in names or CLIENTS:
            began = time.monotonic()
            known[name](server)
            print(f"  {name}: all as it should be, {time.monotonic() - began:.1f} s", flush=True)
        server.end()


if __name__ == "__main__":
    main(sys.argv[1:])
