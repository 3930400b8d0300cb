"""Files of segments: found, scanned up to the last whole block, read and made."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, field
from pathlib import Path

from ..batches import EncodedBatch, InForce
from .folder import fail, sync, sync_folder
from .format import BLOCK_HEADER_BYTES, HEADER_BYTES, body_bytes, decode_block, decode_header, encode_header

ENDING = ".spool"
DAMAGED = ".damaged"
"""Ending of a segment that was set apart."""


@dataclass
class Segment:
    """A segment: its numbers go from `first` to before the next one's first."""

    path: Path
    first: int
    bytes: int
    """Bytes that are synced; 0 where its header cannot be read."""
    is_apart: bool = False
    """It could not be read to its end. It keeps its place: its numbers are gone, and no other segment has them."""


@dataclass
class Scanned:
    """What a segment holds."""

    bytes: int = HEADER_BYTES
    batches: int = 0
    in_force: InForce = field(default_factory=InForce)
    is_damaged: bool = False
    """A block cannot be read that has a readable one behind it: not the tail of a crash."""


def find(folder: Path, epoch: int) -> list[Segment]:
    """The segments in a folder, in the order of their numbers."""
    segments = []
    try:
        for path in folder.iterdir():
            if path.suffix not in (ENDING, DAMAGED) or not path.stem.isdecimal():
                continue
            if path.suffix == DAMAGED:
                segments.append(Segment(path, int(path.stem), 0, True))
                continue
            with open(path, "rb") as file:
                is_whole = decode_header(file.read(HEADER_BYTES)) == (epoch, int(path.stem))
                segments.append(Segment(path, int(path.stem), os.fstat(file.fileno()).st_size if is_whole else 0))
    except OSError as error:
        fail(folder, error)
    return sorted(segments, key=lambda segment: segment.first)


def make(folder: Path, epoch: int, first: int) -> tuple[Segment, int]:
    """A new segment, synced with its name, and its descriptor to write to."""
    path = folder / f"{first:020}{ENDING}"
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_RDWR | os.O_CLOEXEC, 0o644)
        try:
            write_at(descriptor, encode_header(epoch, first), 0)
            sync(descriptor)
            sync_folder(folder)
        except BaseException:
            os.close(descriptor)
            raise
    except OSError as error:
        fail(path, error)
    return Segment(path, first, HEADER_BYTES), descriptor


def write_at(descriptor: int, content: bytes, offset: int) -> None:
    """Writes all of it: the system may take less in one call."""
    rest = memoryview(content)
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        rest, offset = rest[written:], offset + written


def scan(segment: Segment) -> Scanned | None:
    """Reads a segment up to its last whole block; `None` where its header is not whole."""
    if segment.bytes < HEADER_BYTES:
        return None
    found = Scanned()
    try:
        descriptor = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            while True:
                in_force = found.in_force.copy()
                block = read_block(descriptor, found.bytes, segment.bytes, in_force)
                if block is None or block[0] != segment.first + found.batches:
                    break
                found = Scanned(found.bytes + block[2], found.batches + 1, in_force)
            last = _last_behind(descriptor, segment, found)
        finally:
            os.close(descriptor)
    except OSError as error:
        fail(segment.path, error)
    if last is not None:
        return Scanned(segment.bytes, last + 1 - segment.first, found.in_force, True)
    return found


def _last_behind(descriptor: int, segment: Segment, found: Scanned) -> int | None:
    """Number of the last batch that can be read behind a block that cannot; `None` where there is none. Blocks are looked
    for at every byte, since the length of the bad one may be what is bad in it."""
    expected = segment.first + found.batches
    rest = os.pread(descriptor, segment.bytes - found.bytes, found.bytes)
    last, offset = None, 1
    while offset + BLOCK_HEADER_BYTES + 8 <= len(rest):
        length, _, number = struct.unpack_from("<IIQ", rest, offset)
        is_likely = 0 < number - expected <= segment.bytes and offset + BLOCK_HEADER_BYTES + length <= len(rest)
        block = read_block(descriptor, found.bytes + offset, segment.bytes, InForce(b"")) if is_likely else None
        if block is not None:
            last = block[0]
        offset += block[2] if block is not None else 1
    return last


def read_block(descriptor: int, offset: int, end: int, in_force: InForce) -> tuple[int, EncodedBatch, int] | None:
    """The block at a place of a segment of so many bytes: its number, batch and length; `None` where no whole block is."""
    if end - offset < BLOCK_HEADER_BYTES:
        return None
    header = os.pread(descriptor, BLOCK_HEADER_BYTES, offset)
    length = body_bytes(header) if len(header) == BLOCK_HEADER_BYTES else None
    if length is None or end - offset < BLOCK_HEADER_BYTES + length:
        return None
    body = os.pread(descriptor, length, offset + BLOCK_HEADER_BYTES)
    block = decode_block(header, body, in_force) if len(body) == length else None
    return (*block, BLOCK_HEADER_BYTES + length) if block is not None else None
