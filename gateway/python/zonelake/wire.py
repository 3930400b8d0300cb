"""Frames and messages of the protocol zonelake/1, as docs/protocol.md tells it. No sockets, no files, no clock."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from . import __version__
from .errors import ProtocolError, Refused

SOFTWARE = f"zonelake-python {__version__}"
ALPN = "zonelake/1"
OPEN, OPENED, REFUSED, SCHEMA, DICTIONARY, BATCH, ACK = range(1, 8)
HEADER_BYTES = 5
CONTROL_BYTES_MAX = 4 << 20
"""Longest message of the server: the limit of `Opened`."""

Fields = dict[int, list[int | bytes]]
"""A protobuf message as it was read: number of a field to its values."""


class Lane(IntEnum):
    """Which way a batch goes; it is stored with each row."""

    LIVE = 1
    """What is happening now."""
    BACKFILL = 2
    """What was measured earlier."""


class Encoding(IntEnum):
    """How the payloads of a stream are encoded."""

    ARROW = 1
    LINE = 2


@dataclass(frozen=True)
class Opened:
    """The server's answer to an opening: what it has, and its limits."""

    last_number: int
    frame_bytes_max: int
    batch_rows_max: int
    schema_version: int
    schema: bytes
    server_time_us: int
    unacked_bytes_max: int


@dataclass(frozen=True)
class Rejection:
    """Rows or readings of one batch that went to the table `rejected` for one reason."""

    number: int
    """The batch."""
    reason: str
    """As the column `rejected.reason` has it."""
    count: int
    """Rows or readings."""
    first: str
    """The first one in words; its row is counted from 0 within the batch."""


@dataclass(frozen=True)
class Ack:
    """All batches up to `number` are durable and visible to queries. Counts are those since the acknowledgement before."""

    number: int
    rows: int = 0
    readings: int = 0
    rejected_rows: int = 0
    rejected_readings: int = 0
    repeated_batches: int = 0
    unacked_bytes_max: int = 0
    rejections: tuple[Rejection, ...] = field(default=())


def opening(token: str, producer: str, epoch: int, table: str, lane: int, encoding: int, software: str = SOFTWARE) -> bytes:
    """The first frame of a stream."""
    message = encode((2, token), (3, producer), (4, epoch), (5, table), (6, lane), (7, encoding), (8, software))
    return frame(OPEN, message)


def frame(kind: int, body: bytes) -> bytes:
    """Length of type and body (u32, little-endian), type, body."""
    return struct.pack("<IB", len(body) + 1, kind) + body


def numbered(number: int, payload: bytes) -> bytes:
    """The frame of a batch."""
    return struct.pack("<IBQ", len(payload) + 9, BATCH, number) + payload


def read_header(header: bytes) -> tuple[int, int]:
    """Type and length of the body that follows."""
    length, kind = struct.unpack("<IB", header)
    if not 0 < length <= CONTROL_BYTES_MAX:
        raise ProtocolError(f"the server sends a frame of {length} bytes; at most {CONTROL_BYTES_MAX} are possible")
    return kind, length - 1


def read_opened(kind: int, body: bytes) -> Opened:
    """The answer to an opening. Raises `Refused` where it is a refusal."""
    fields = _expected(OPENED, kind, body)
    numbers = {number: _integer(fields, number) for number in (2, 3, 4, 5, 7, 8)}
    schema = fields.get(6, [b""])[0]
    if not isinstance(schema, bytes):
        raise ProtocolError("the schema in Opened is no bytes")
    return Opened(numbers[2], numbers[3], numbers[4], numbers[5], schema, numbers[7], numbers[8])


def read_ack(kind: int, body: bytes) -> Ack:
    """An acknowledgement. Raises `Refused` where it is a refusal."""
    fields = _expected(ACK, kind, body)
    number, rows, readings, bad_rows, bad_readings, repeated, bytes_max = (
        _integer(fields, place) for place in (1, 2, 3, 4, 5, 7, 8)
    )
    rejections = tuple(_rejection(value) for value in fields.get(6, []) if isinstance(value, bytes))
    return Ack(number, rows, readings, bad_rows, bad_readings, repeated, bytes_max, rejections)


def read_refused(body: bytes) -> Refused:
    """A refusal as the error that tells it."""
    fields = decode(body)
    code, number, last_number, retry_after_ms = (_integer(fields, place) for place in (1, 3, 4, 5))
    return Refused(code, _text(fields, 2), number, last_number, retry_after_ms)


def encode(*fields: tuple[int, int | str | bytes]) -> bytes:
    """A protobuf message of (number, value): varints for integers, lengths for texts and bytes."""
    message = b""
    for number, value in fields:
        if isinstance(value, int):
            message += _varint(number << 3) + _varint(value)
        else:
            content = value.encode() if isinstance(value, str) else value
            message += _varint(number << 3 | 2) + _varint(len(content)) + content
    return message


def decode(message: bytes) -> Fields:
    """The fields of a protobuf message."""
    fields: Fields = {}
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        number, at = _read_varint(message, at)
        value: int | bytes = number
        if key & 7 == 2:
            value, at = message[at : at + number], at + number
            if at > len(message):
                raise ProtocolError("a message of the server ends within a field")
        elif key & 7 != 0:
            raise ProtocolError(f"wire type {key & 7} is not in use")
        fields.setdefault(key >> 3, []).append(value)
    return fields


def _expected(expected: int, kind: int, body: bytes) -> Fields:
    if kind == REFUSED:
        raise read_refused(body)
    if kind != expected:
        raise ProtocolError(f"a frame of type {kind} where {expected} was to come")
    return decode(body)


def _integer(fields: Fields, number: int) -> int:
    value = _last(fields.get(number, [0]))
    if not isinstance(value, int):
        raise ProtocolError(f"field {number} is no integer")
    return value


def _text(fields: Fields, number: int) -> str:
    value = _last(fields.get(number, [b""]))
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _last(values: Sequence[int | bytes]) -> int | bytes:
    # As in protobuf, the last of several values of a single field counts.
    return values[-1]


def _rejection(message: bytes) -> Rejection:
    fields = decode(message)
    return Rejection(_integer(fields, 1), _text(fields, 2), _integer(fields, 3), _text(fields, 4))


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise ProtocolError("a message of the server ends within a number")
        byte, at = message[at], at + 1
        value, shift = value | (byte & 0x7F) << shift, shift + 7
        if byte < 0x80:
            return value, at
