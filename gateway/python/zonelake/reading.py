"""Answers to SQL as Arrow, pandas and polars, over Flight SQL.

The driver is ADBC's for Flight SQL: docs/decisions/0055 says why."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from .errors import AccessDenied, QueryError, QueryStopped, ServerUnavailable, StatementError

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow as pa

MIDNIGHT = "2000-01-01"
TIME_ZONE_OPTION = "adbc.flight.sql.rpc.call_header.zonelake-time-zone"
MESSAGE_BYTES_MAX = 64 << 20
"""Longest message of the server; a batch of its results is far below."""


class Answer:
    """The rows that answer a statement. Columns keep their types, with nulls, and instants their microseconds."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def to_arrow(self) -> pa.Table:
        """A table of Arrow. The metadata of a column that is a field has its `unit`."""
        return self._table

    def to_pandas(self) -> pandas.DataFrame:
        """A frame of pandas. A column of integers or booleans with nulls has a nullable type (`Int64`, `boolean`): no integer
        becomes a float. `attrs["units"]` has the units of the columns that are fields."""
        try:
            import pandas
        except ImportError as error:
            raise ImportError("pandas is not there: pip install 'zonelake[query,pandas]'") from error
        import pyarrow as pa

        nullable = {
            pa.int8(): pandas.Int8Dtype(),
            pa.int16(): pandas.Int16Dtype(),
            pa.int32(): pandas.Int32Dtype(),
            pa.int64(): pandas.Int64Dtype(),
            pa.uint8(): pandas.UInt8Dtype(),
            pa.uint16(): pandas.UInt16Dtype(),
            pa.uint32(): pandas.UInt32Dtype(),
            pa.uint64(): pandas.UInt64Dtype(),
            pa.bool_(): pandas.BooleanDtype(),
        }
        columns = []
        for column in self._table.columns:
            columns.append(column.to_pandas(types_mapper=nullable.get if column.null_count else None))
        # By place: two columns of a statement may have the same name.
        frame: pandas.DataFrame = pandas.concat(columns, axis=1) if columns else pandas.DataFrame()
        frame.columns = pandas.Index(self._table.column_names)
        frame.attrs["units"] = self.units()
        return frame

    def to_polars(self) -> polars.DataFrame:
        """A frame of polars."""
        try:
            import polars
        except ImportError as error:
            raise ImportError("polars is not there: pip install 'zonelake[query,polars]'") from error
        frame = polars.from_arrow(self._table)
        if not isinstance(frame, polars.DataFrame):
            raise TypeError(f"polars makes a {type(frame).__name__} of a table")
        return frame

    def to_list(self) -> list[dict[str, Any]]:
        """The rows as dictionaries."""
        rows: list[dict[str, Any]] = self._table.to_pylist()
        return rows

    def units(self) -> dict[str, str]:
        """Units of the columns that are fields."""
        described = ((field.name, field.metadata or {}) for field in self._table.schema)
        return {name: metadata[b"unit"].decode() for name, metadata in described if metadata.get(b"unit")}

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        columns = ", ".join(f"{field.name} {field.type}" for field in self._table.schema)
        return f"<{len(self)} rows: {columns}>"


class Reader:
    """A connection that statements are answered over, as `with zonelake.connect(…) as reader`."""

    def __init__(
        self,
        server: str | None = None,
        *,
        user: str | None = None,
        password: str | None = None,
        certificate: str | os.PathLike[str] | None = None,
        time_zone: str | None = None,
        timeout: float | None = None,
        plain: bool = False,
    ) -> None:
        try:
            import adbc_driver_flightsql.dbapi as driver
        except ImportError as error:
            raise ImportError("reading needs a driver: pip install 'zonelake[query]'") from error
        self.server = server or os.environ.get("ZONELAKE_URL") or "http://127.0.0.1:7421"
        self.time_zone = time_zone
        midnight = None if time_zone is None else _midnight(time_zone)
        user = user or os.environ.get("ZONELAKE_USER") or "admin"
        password = password or os.environ.get("ZONELAKE_PASSWORD")
        if not password:
            raise AccessDenied("a password is needed: the argument password, or ZONELAKE_PASSWORD in the environment")
        uri, is_secured = _uri(self.server, plain)
        options = {
            "username": user,
            "password": password,
            "adbc.flight.sql.client_option.with_max_msg_size": str(MESSAGE_BYTES_MAX),
        }
        if certificate is not None:
            if not is_secured:
                raise ValueError(f"a certificate for {self.server}, which is not https://")
            options["adbc.flight.sql.client_option.tls_root_certs"] = _pem(certificate)
        if time_zone is not None:
            options[TIME_ZONE_OPTION] = time_zone
        if timeout is not None:
            for call in ("query", "fetch", "update"):
                options[f"adbc.flight.sql.rpc.timeout_seconds.{call}"] = str(float(timeout))
        try:
            self._connection = driver.connect(uri, db_kwargs=options, autocommit=True)
        except driver.Error as error:
            _fail(error, self.server)
        if midnight is not None:
            try:
                self._check_zone(midnight)
            except BaseException:
                self.close()
                raise

    def query(self, sql: str, parameters: Sequence[object] = ()) -> Answer:
        """The answer to a statement, all of it in memory. `parameters` are the values of `$1`, `$2` and so on."""
        import adbc_driver_flightsql.dbapi as driver

        try:
            with self._connection.cursor() as cursor:
                cursor.execute(sql, _bound(parameters))
                return Answer(self._in_zone(cursor.fetch_arrow_table()))
        except driver.Error as error:
            _fail(error, self.server)

    def batches(self, sql: str, parameters: Sequence[object] = ()) -> Iterator[pa.RecordBatch]:
        """The answer to a statement as record batches while they come: for what is larger than the memory. An error may
        come behind the first of them. A statement whose iterator is closed early is cancelled."""
        import adbc_driver_flightsql.dbapi as driver
        import pyarrow as pa

        try:
            with self._connection.cursor() as cursor:
                cursor.execute(sql, _bound(parameters))
                for batch in cursor.fetch_record_batch():
                    yield from self._in_zone(pa.Table.from_batches([batch])).to_batches()
        except driver.Error as error:
            _fail(error, self.server)

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _check_zone(self, midnight: pa.Scalar) -> None:
        """An older server does not know of the zone: its days would be others, which nobody would see."""
        found = self.query(f"SELECT timestamptz '{MIDNIGHT}' AS midnight").to_arrow().column(0)
        if found.cast(midnight.type)[0] != midnight:
            raise QueryError(
                f"{self.server} is of an older version, which reads every local time as UTC: update it, or leave time_zone out"
            )

    def _in_zone(self, table: pa.Table) -> pa.Table:
        """The same instants, shown in the zone that was asked for."""
        import pyarrow as pa

        if self.time_zone is None:
            return table
        fields = [
            field.with_type(pa.timestamp(field.type.unit, self.time_zone))
            if pa.types.is_timestamp(field.type) and field.type.tz is not None
            else field
            for field in table.schema
        ]
        return table.cast(pa.schema(fields, table.schema.metadata))


def connect(
    server: str | None = None,
    *,
    user: str | None = None,
    password: str | None = None,
    certificate: str | os.PathLike[str] | None = None,
    time_zone: str | None = None,
    timeout: float | None = None,
    plain: bool = False,
) -> Reader:
    """A connection for several statements.

    `server` is the address of HTTP, as `https://zonelake.example:7421`; by default `ZONELAKE_URL` or
    `http://127.0.0.1:7421`. `user` is by default `ZONELAKE_USER` or `admin`, `password` is `ZONELAKE_PASSWORD`.
    `certificate` is the PEM file of the authority that has signed the server's certificate, or of that certificate
    itself; by default the authorities decide that this machine trusts. A password goes over plain `http://` within
    this machine only, unless `plain` says that something else protects it.

    `time_zone`, as `"Asia/Ho_Chi_Minh"`, is the zone of the statements, as `SET TIME ZONE` has it, UTC by default: in it texts
    and dates are read (`time >= '2026-03-01'`), days and hours are taken (`date_trunc('day', time)`), and instants are
    shown. `time_bucket` has its zone as an argument. `timeout` is in seconds.

    Raises `AccessDenied`, `ServerUnavailable`; statements raise `StatementError` and `QueryStopped` too."""
    return Reader(
        server,
        user=user,
        password=password,
        certificate=certificate,
        time_zone=time_zone,
        timeout=timeout,
        plain=plain,
    )


def query(
    sql: str,
    parameters: Sequence[object] = (),
    *,
    server: str | None = None,
    user: str | None = None,
    password: str | None = None,
    certificate: str | os.PathLike[str] | None = None,
    time_zone: str | None = None,
    timeout: float | None = None,
    plain: bool = False,
) -> Answer:
    """The answer to one statement; `connect` says what the other arguments are.

    zonelake.query("SELECT time, pm2_5 FROM environment WHERE device = $1", ["station-7"]).to_pandas()"""
    with connect(
        server,
        user=user,
        password=password,
        certificate=certificate,
        time_zone=time_zone,
        timeout=timeout,
        plain=plain,
    ) as reader:
        return reader.query(sql, parameters)


def _uri(server: str, plain: bool) -> tuple[str, bool]:
    parts = urlsplit(server)
    secured = {"https": True, "grpc+tls": True, "grpcs": True, "http": False, "grpc": False, "grpc+tcp": False}
    if parts.scheme not in secured or not parts.hostname or parts.path.strip("/") or parts.username:
        raise ValueError(f"the address {server!r} is not https://host:port or http://host:port")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    is_secured = secured[parts.scheme]
    is_here = parts.hostname in ("localhost", "::1") or parts.hostname.startswith("127.")
    if not (is_secured or is_here or plain):
        raise ValueError(
            f"the password would cross the network to {server} as plain text: take https://, or plain=True where something "
            "else protects it"
        )
    return f"{'grpc+tls' if is_secured else 'grpc'}://{host}:{parts.port or 7421}", is_secured


def _pem(certificate: str | os.PathLike[str]) -> str:
    with open(certificate, encoding="ascii") as file:
        text = file.read()
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise ValueError(f"{os.fspath(certificate)} has no certificate in PEM form")
    return text


def _midnight(time_zone: str) -> pa.Scalar:
    """The instant of one local midnight."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        local = pa.array([datetime.fromisoformat(MIDNIGHT)], pa.timestamp("us"))
        return pc.assume_timezone(local, time_zone)[0].cast(pa.timestamp("us", "UTC"))
    except pa.ArrowException as error:
        raise ValueError(f"there is no time zone {time_zone!r}: a name as 'Asia/Ho_Chi_Minh' is needed") from error


def _bound(parameters: Sequence[object]) -> list[object] | None:
    if isinstance(parameters, (str, bytes)) or not isinstance(parameters, Sequence):
        raise StatementError(f"the parameters are a list of the values of $1, $2 and so on, not {parameters!r}")
    for number, value in enumerate(parameters, 1):
        if isinstance(value, datetime) and value.tzinfo is None:
            raise StatementError(
                f"the time ${number} = {value} has no zone: add one, as {value!r}.replace(tzinfo=ZoneInfo('Asia/Ho_Chi_Minh'))"
            )
    return list(parameters) or None


_KINDS: dict[str, type[QueryError]] = {
    "Unauthenticated": AccessDenied,
    "PermissionDenied": AccessDenied,
    "InvalidArgument": StatementError,
    "NotFound": StatementError,
    "OutOfRange": StatementError,
    "FailedPrecondition": StatementError,
    "Unimplemented": StatementError,
    "AlreadyExists": StatementError,
    "DeadlineExceeded": QueryStopped,
    "Canceled": QueryStopped,
    "Aborted": QueryStopped,
    "ResourceExhausted": QueryStopped,
    "Unavailable": ServerUnavailable,
}
"""Errors by the status of gRPC that stands in the driver's message."""
_MESSAGE = re.compile(
    r"^(?:[A-Z_]+: )?(?:\[FlightSQL\] )?(?P<words>.*?)(?: \((?P<status>[A-Z]\w+); [^()]*\))?(?:\. Vendor code: .*)?$", re.S
)
"""What the driver makes of an error: its own status, the server's words, the status of gRPC and the call."""


def _fail(error: Exception, server: str) -> NoReturn:
    """Raises an error of the driver as one of this package, in the server's words."""
    found = _MESSAGE.match(str(error))
    words, status = (found["words"], found["status"]) if found else (str(error), None)
    kind = _KINDS.get(status or "", QueryError)
    if kind is ServerUnavailable:
        words = f"{server} does not answer: {words}"
    raise kind(words) from error
