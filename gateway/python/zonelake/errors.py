"""Errors. Each says what was wrong and what to do; its class says whether another try can help."""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path


class ZonelakeError(Exception):
    """Whatever this package raises of its own."""


class LinkError(ZonelakeError, ConnectionError):
    """There is no connection, or it broke. Another try may help; nothing is lost by it."""


class NotTrusted(ZonelakeError):
    """The server shows a certificate that is not the trusted one."""


class ProtocolError(ZonelakeError):
    """One of the two sides breaks the protocol: a fault in it."""


class RefusedCode(IntEnum):
    """Kinds of refusal; docs/protocol.md says what to do about each."""

    PROTOCOL = 1
    VERSION = 2
    TOKEN = 3
    RIGHT = 4
    UNKNOWN_TABLE = 5
    UNKNOWN_COLUMN = 6
    WRONG_TYPE = 7
    BAD_PAYLOAD = 8
    TOO_LARGE = 9
    FENCED = 10
    GAP = 11
    OTHER_CONTENT = 12
    LIMIT = 13
    SHUTTING_DOWN = 14
    UNAVAILABLE = 15
    INTERNAL = 16


class Refused(ZonelakeError):
    """The server refuses the stream or a batch. With a `retry_after_ms` of 0 another try does not help until the cause
    is mended; `number` is the batch at fault, 0 where none is, and `last_number` the last durable one."""

    def __init__(self, code: int, message: str, number: int = 0, last_number: int = 0, retry_after_ms: int = 0) -> None:
        self.code, self.message = code, message
        self.number, self.last_number, self.retry_after_ms = number, last_number, retry_after_ms
        name = RefusedCode(code).name if code in RefusedCode._value2member_map_ else str(code)
        batch = f" batch {number}" if number else ""
        super().__init__(f"the server refuses{batch}: {message} ({name})")

    @property
    def is_retryable(self) -> bool:
        """True where the stream may be opened again without anything being mended."""
        passing = (RefusedCode.SHUTTING_DOWN, RefusedCode.UNAVAILABLE, RefusedCode.LIMIT)
        return self.retry_after_ms > 0 or self.code in passing


class StateLost(ZonelakeError):
    """The server and this side do not know the same batches of a stream: the state of one of them was lost, or two
    producers use one name. Nothing more is sent until an operator has looked."""


class RowsError(ZonelakeError, ValueError):
    """Rows that cannot be sent as they are; the message names the column."""


class SpoolError(ZonelakeError):
    """A spool cannot be opened, or a batch not be taken. What the spool took before stays."""

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        self.rows_taken = 0
        """Rows of the call that are on disk already and will be sent: go on behind them."""
        super().__init__(f"spool {path}: {what}")


class SpoolInUse(SpoolError):
    """Another process or object forwards from this folder."""


class SpoolFull(SpoolError):
    """The spool has as many bytes as it may have, or its disk is full."""


class SpoolBroken(SpoolError):
    """A sync has failed, after which nobody knows what the file holds. Open the spool again, which reads it."""


class QueryError(ZonelakeError):
    """A statement was not answered; the message is the server's."""


class StatementError(QueryError):
    """The statement, or a value given to it, is at fault."""


class AccessDenied(QueryError):
    """Name, password or token are wrong, or the role may not do this."""


class QueryStopped(QueryError):
    """The statement took longer or more memory than it may, or was cancelled."""


class ServerUnavailable(QueryError, ConnectionError):
    """The server cannot be reached or is too busy. Another try may help."""
