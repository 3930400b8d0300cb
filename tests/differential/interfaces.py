"""Each interface as a function from a statement and the zone of its session to rows of texts, as PostgreSQL writes them."""

import base64
import http.client
import io
import json
import subprocess
import urllib.error
import urllib.request
from contextlib import closing, contextmanager

import adbc_driver_flightsql.dbapi
import adbc_driver_manager
import psycopg
import pyarrow.ipc
from corpus import Refused
from psycopg.pq import ExecStatus, Format
from rows import binary
from texts import cells


@contextmanager
def over_http(server):
    """SQL over HTTP, the answer in Arrow."""
    credentials = base64.b64encode(f"admin:{server.password}".encode()).decode()

    def ask(sql, zone):
        request = urllib.request.Request(
            f"{server.url}/api/v1/sql",
            data=json.dumps({"query": sql, "time_zone": zone}).encode(),
            headers={
                "Authorization": f"Basic {credentials}",
                "Content-Type": "application/json",
                "Accept": "application/vnd.apache.arrow.stream",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return cells(pyarrow.ipc.open_stream(answer.read()).read_all(), zone)
        except urllib.error.HTTPError as error:
            raise Refused(error.read().decode()) from error
        # An error behind the first rows breaks the response off.
        except (OSError, http.client.HTTPException, pyarrow.ArrowInvalid) as error:
            raise Refused(str(error)) from error

    yield ask


def over_postgres(extended):
    """The PostgreSQL protocol, simple or extended, its values as text."""

    @contextmanager
    def interface(server):
        with psycopg.connect(
            host="127.0.0.1",
            port=server.postgres,
            user="admin",
            password=server.password,
            dbname="zonelake",
            autocommit=True,
        ) as connection:
            yield asks(connection, extended)

    return interface


def asks(connection, extended):
    """A connection as a function, for PostgreSQL itself as well."""
    zones = [None]

    def ask(sql, zone):
        if zones[0] != zone:
            connection.execute(f"SET TIME ZONE '{zone}'")
            zones[0] = zone
        text = sql.encode()
        if extended:
            result = connection.pgconn.exec_params(text, None, result_format=Format.TEXT)
        else:
            result = connection.pgconn.exec_(text)
        if result.status != ExecStatus.TUPLES_OK:
            raise Refused(result.error_message.decode())
        columns = range(result.nfields)
        return [[texts(result.get_value(row, column)) for column in columns] for row in range(result.ntuples)]

    return ask


def texts(value: bytes | None) -> str:
    return "NULL" if value is None else value.decode()


@contextmanager
def flight(server):
    """Arrow Flight SQL."""
    options = {"username": "admin", "password": server.password}
    uri = f"grpc://127.0.0.1:{server.http}"
    zone_option = "adbc.flight.sql.rpc.call_header.zonelake-time-zone"
    with adbc_driver_flightsql.dbapi.connect(uri, db_kwargs=options, autocommit=True) as connection:

        def ask(sql, zone):
            with closing(connection.cursor()) as cursor:
                cursor.adbc_statement.set_options(**{zone_option: zone})
                try:
                    cursor.execute(sql)
                    return cells(cursor.fetch_arrow_table(), zone)
                except (adbc_driver_manager.Error, pyarrow.ArrowException, OSError) as error:
                    raise Refused(str(error)) from error

        yield ask


@contextmanager
def command_line(server):
    """`zonelake sql`, the answer in Arrow."""
    environment = server.environment() | {"ZONELAKE_PASSWORD": server.password}

    def ask(sql, zone):
        arguments = ("--url", server.url, "--time-zone", zone, "--format", "arrow", "-c", sql)
        done = subprocess.run([binary(), "sql", *arguments], env=environment, capture_output=True, check=False)
        if done.returncode != 0:
            raise Refused(done.stderr.decode())
        return cells(pyarrow.ipc.open_stream(io.BytesIO(done.stdout)).read_all(), zone)

    yield ask


INTERFACES = {
    "HTTP": over_http,
    "PostgreSQL, simple": over_postgres(extended=False),
    "PostgreSQL, extended": over_postgres(extended=True),
    "Flight SQL": flight,
    "command line": command_line,
}
