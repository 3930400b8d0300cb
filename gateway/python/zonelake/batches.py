"""Batches as they are sent and kept: a payload, and the schema and dictionaries that it was encoded with.

A batch that is sent again must be sent under the same schema and dictionaries, byte for byte: they count into the digest
by which the server tells a repeated batch from another one of the same number. Hence batches are kept encoded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import wire

if TYPE_CHECKING:
    import pyarrow as pa

Dictionaries = tuple[tuple[int, bytes], ...]
"""Dictionary messages by their ids: the places of their columns among those with a dictionary."""


@dataclass(frozen=True)
class EncodedBatch:
    """A batch ready to be sent."""

    payload: bytes
    """One encapsulated record batch message of Arrow IPC, or a block of lines."""
    rows: int
    schema: bytes | None = None
    """The schema message; `None` for lines."""
    dictionaries: Dictionaries = ()

    @property
    def is_lines(self) -> bool:
        """True where the payload is line protocol."""
        return self.schema is None

    @property
    def bytes(self) -> int:
        """Bytes of the payload, the schema and all dictionaries."""
        return len(self.payload) + len(self.schema or b"") + sum(len(message) for _, message in self.dictionaries)

    @property
    def longest_frame(self) -> int:
        """Length of the longest frame that it is sent in."""
        messages = [len(self.payload) + 8, len(self.schema or b""), *(len(message) for _, message in self.dictionaries)]
        return max(messages) + 1


@dataclass
class InForce:
    """The schema and the dictionaries in force at one place: of a link, or of a segment on disk."""

    schema: bytes | None = None
    dictionaries: dict[int, bytes] = field(default_factory=dict)

    def bring(self, batch: EncodedBatch) -> list[tuple[int, int, bytes]]:
        """What has to be said so that the batch's own are in force, as (type of frame, id, message). A new schema
        forgets the dictionaries of the old one."""
        parts: list[tuple[int, int, bytes]] = []
        if batch.schema is None:
            return parts
        if self.schema != batch.schema:
            parts.append((wire.SCHEMA, 0, batch.schema))
            self.schema, self.dictionaries = batch.schema, {}
        for number, message in batch.dictionaries:
            if self.dictionaries.get(number) != message:
                parts.append((wire.DICTIONARY, number, message))
                self.dictionaries[number] = message
        return parts

    def copy(self) -> InForce:
        """A copy that changes by itself."""
        return InForce(self.schema, dict(self.dictionaries))


def frames(number: int, batch: EncodedBatch, in_force: InForce) -> bytes:
    """The frames of a batch, with the schema and the dictionaries where they differ from those in force on the link."""
    parts = [wire.frame(kind, message) for kind, _, message in in_force.bring(batch)]
    return b"".join([*parts, wire.numbered(number, batch.payload)])


def from_arrow(batch: pa.RecordBatch, compression: str | None = None) -> EncodedBatch:
    """A record batch as it is sent. The same batch gives the same bytes."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, batch.schema, options=options) as stream:
        stream.write_batch(batch)
    schema = payload = b""
    dictionaries: list[tuple[int, bytes]] = []
    for message in pa.ipc.MessageReader.open_stream(sink.getvalue()):
        content = message.serialize().to_pybytes()
        if message.type == "schema":
            schema = content
        elif message.type == "record batch":
            payload = content
        else:
            dictionaries.append((len(dictionaries), content))
    return EncodedBatch(payload, batch.num_rows, schema, tuple(dictionaries))


def from_lines(lines: bytes) -> EncodedBatch:
    """A block of line protocol as it is sent. Its rows are counted as lines at most."""
    return EncodedBatch(lines, lines.count(b"\n") + (not lines.endswith(b"\n") and bool(lines)))


def without_rows(like: EncodedBatch | wire.Encoding) -> EncodedBatch:
    """A batch without rows in the same encoding, the same at each call: it stands for a number whose batch is not sent."""
    if like is wire.Encoding.LINE or (isinstance(like, EncodedBatch) and like.is_lines):
        return EncodedBatch(b"", 0)
    import pyarrow as pa

    schema = pa.schema([pa.field("time", pa.timestamp("us", "UTC"), False), pa.field("device", pa.string(), False)])
    return from_arrow(pa.RecordBatch.from_pylist([], schema))
