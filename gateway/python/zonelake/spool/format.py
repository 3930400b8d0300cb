"""The bytes of a segment. Integers are little-endian; version 1 is in the magic bytes.

| offset | bytes | what |
|---|---|---|
| 0 | 8 | `ZLSPOOL1` |
| 8 | 8 | epoch: u64 |
| 16 | 8 | number of the first batch: u64 |
| 24 | 4 | CRC-32C of bytes 0 to 24: u32 |
| 28 | 4 | 0 |
| 32 | … | blocks, one a batch |

| offset in a block | bytes | what |
|---|---|---|
| 0 | 4 | length n of the body: u32, at most 256 MiB |
| 4 | 4 | CRC-32C of the length and the body: u32 |
| 8 | 8 | number of the batch: u64 |
| 16 | 8 | rows: u64 |
| 24 | 4 | parts p that follow: u32 |
| 28 | … | p parts, each: 1 byte kind (1 schema, 2 dictionary), id i64, length u32, the message |
| … | … | the payload, to the end of the body |

Only those parts stand in a block that differ from what is in force behind the blocks before it in the same segment.
"""

from __future__ import annotations

import struct

import google_crc32c

from .. import wire
from ..batches import EncodedBatch, InForce

HEADER_BYTES = 32
BLOCK_HEADER_BYTES = 8
BODY_BYTES_MAX = 256 << 20
MAGIC = b"ZLSPOOL1"
_BODY = struct.Struct("<QQI")
_PART = struct.Struct("<BqI")
_KINDS = {wire.SCHEMA: 1, wire.DICTIONARY: 2}


def encode_header(epoch: int, first: int) -> bytes:
    """The header of a segment."""
    header = MAGIC + struct.pack("<QQ", epoch, first)
    return header + struct.pack("<II", google_crc32c.value(header), 0)


def decode_header(header: bytes) -> tuple[int, int] | None:
    """Epoch and first number of a segment; `None` where its header is not whole."""
    if len(header) < HEADER_BYTES or header[:8] != MAGIC:
        return None
    epoch, first, checksum = struct.unpack("<QQI", header[8:28])
    return (epoch, first) if checksum == google_crc32c.value(header[:24]) else None


def block_bytes_max(batch: EncodedBatch) -> int:
    """Most bytes that a batch takes on disk."""
    return BLOCK_HEADER_BYTES + _BODY.size + (len(batch.dictionaries) + 1) * _PART.size + batch.bytes


def encode_block(number: int, batch: EncodedBatch, in_force: InForce) -> bytes:
    """A batch as a block. What it brings into force stands in `in_force` afterwards."""
    parts = in_force.bring(batch)
    pieces = [_BODY.pack(number, batch.rows, len(parts))]
    for kind, place, message in parts:
        pieces += [_PART.pack(_KINDS[kind], place, len(message)), message]
    body = b"".join([*pieces, batch.payload])
    length = struct.pack("<I", len(body))
    return length + struct.pack("<I", _checksum(length, body)) + body


def body_bytes(header: bytes) -> int | None:
    """Length of the body that a block's header states; `None` where it cannot be."""
    (length,) = struct.unpack("<I", header[:4])
    return length if _BODY.size <= length <= BODY_BYTES_MAX else None


def decode_block(header: bytes, body: bytes, in_force: InForce) -> tuple[int, EncodedBatch] | None:
    """Number and batch of a block whose body is all there; `None` where its checksum or form is wrong."""
    if struct.pack("<I", _checksum(header[:4], body)) != header[4:]:
        return None
    number, rows, parts = _BODY.unpack_from(body)
    at = _BODY.size
    for _ in range(parts):
        if at + _PART.size > len(body):
            return None
        kind, place, length = _PART.unpack_from(body, at)
        at += _PART.size
        message = body[at : at + length]
        at += length
        if at > len(body) or kind not in (1, 2):
            return None
        if kind == 1:
            in_force.schema, in_force.dictionaries = message, {}
        else:
            in_force.dictionaries[place] = message
    dictionaries = tuple(sorted(in_force.dictionaries.items()))
    return number, EncodedBatch(body[at:], rows, in_force.schema, dictionaries)


def _checksum(length: bytes, body: bytes) -> int:
    return int(google_crc32c.extend(google_crc32c.value(length), body))
