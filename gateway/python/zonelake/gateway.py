"""Sending a whole sequence of batches, without a spool: the sequence itself is what can be sent again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Union

from . import wire
from .batches import EncodedBatch, from_arrow, from_lines
from .errors import LinkError, Refused, StateLost, ZonelakeError
from .link import Connection, closing
from .stream import Backoff, Stream

if TYPE_CHECKING:
    import pyarrow as pa

    Batch = Union[pa.RecordBatch, bytes, EncodedBatch]
    """One batch of a sequence: rows of Arrow, or a block of lines."""

UNACKED_BYTES_MAX = 16 << 20
REJECTIONS_KEPT = 16


@dataclass
class Totals:
    """What a push has stored. What an acknowledgement said that was lost on the way is not counted."""

    rows: int = 0
    readings: int = 0
    rejected_rows: int = 0
    rejected_readings: int = 0
    repeated_batches: int = 0
    """Batches that the server had already."""
    rejections: list[wire.Rejection] = field(default_factory=list)
    """Why rows and readings were rejected: the first few reasons. All of them are in the table `rejected`."""

    def add(self, ack: wire.Ack) -> None:
        """Counts an acknowledgement."""
        self.rows += ack.rows
        self.readings += ack.readings
        self.rejected_rows += ack.rejected_rows
        self.rejected_readings += ack.rejected_readings
        self.repeated_batches += ack.repeated_batches
        self.rejections += ack.rejections[: REJECTIONS_KEPT - len(self.rejections)]


class Gateway:
    """Pushes batches to one server, as the holder of a token. `server` is `host:port`; `certificate` is the PEM file that
    says which server to trust (`zonelake-data/tls/cert.pem` of the server). At most `unacked_bytes_max` bytes wait for
    their acknowledgement, or less where the server says so."""

    def __init__(
        self,
        server: str,
        token: str,
        certificate: str | os.PathLike[str] | None = None,
        *,
        unacked_bytes_max: int = UNACKED_BYTES_MAX,
    ) -> None:
        self.server, self.token, self.certificate = server, token, certificate
        self.unacked_bytes_max = unacked_bytes_max
        self.connection: Connection | None = None
        """The connection of the push that runs, where one does."""

    async def push(
        self,
        producer: str,
        table: str,
        batches: Iterable[Batch],
        *,
        epoch: int = 1,
        lane: wire.Lane = wire.Lane.BACKFILL,
        give_up_after: float | None = 300.0,
        on_ack: Callable[[int], None] | None = None,
    ) -> Totals:
        """Sends record batches, or blocks of lines as bytes, until all are durable.

        `batches` is the whole sequence of this producer: batch n of the stream is the n-th of them. The same sequence pushed
        again adds nothing, and a longer one adds what is new, whatever broke before. A sequence that differs from what
        the server has is refused where its last stored batch differs. `on_ack` is called with the number of the last
        durable batch. `zonelake.record_batches` cuts frames into batches.

        Raises `Refused`; `StateLost` where the server has more batches than there are; `LinkError` where nothing goes
        through for `give_up_after` seconds (`None`: never)."""
        sequence = _Sequence(list(batches), self.unacked_bytes_max, on_ack)
        opening = wire.opening(self.token, producer, epoch, table, lane, sequence.encoding)
        backoff = Backoff(give_up_after)
        async with closing(Connection(self.server, self.certificate)) as connection:
            self.connection = connection
            try:
                while not sequence.is_done:
                    before = sequence.durable
                    try:
                        await Stream(connection, opening, sequence).run()
                    except (Refused, LinkError) as error:
                        if sequence.durable != before:
                            backoff.handle_use()
                        await backoff.pause(error)
            finally:
                self.connection = None
        return sequence.totals


class _Sequence:
    """The sender of a sequence that is all there."""

    def __init__(self, batches: Sequence[Batch], unacked_bytes_max: int, on_ack: Callable[[int], None] | None) -> None:
        self.unacked_bytes_max = unacked_bytes_max
        self.totals, self.durable = Totals(), 0
        self.is_done = False
        self._batches, self._on_ack = batches, on_ack
        self._is_first_link = True
        self._next = 1
        lines = {is_lines(batch) for batch in batches}
        if len(lines) > 1:
            raise ZonelakeError("the sequence has rows of Arrow and lines; one stream has one of them")
        self.encoding = wire.Encoding.LINE if lines == {True} else wire.Encoding.ARROW

    def handle_opened(self, opened: wire.Opened) -> None:
        last = opened.last_number
        if last > len(self._batches):
            raise StateLost(
                f"the server has {last} batches of this stream, more than the {len(self._batches)} given: it is another "
                "sequence. Take the next epoch, or another producer's name"
            )
        if last < self.durable:
            raise StateLost(
                f"the server has only batch {last} of this stream, yet it had acknowledged {self.durable}: its data folder "
                "is not the one it was"
            )
        # The last batch that is there goes once more, on the first link: by its digest the server tells the same sequence
        # from another one of the same name, whose beginning would be passed over in silence.
        self._next = max(last, 1) if self._is_first_link else last + 1
        self.durable, self._is_first_link = last, False

    async def next(self) -> tuple[int, EncodedBatch] | None:
        if self._next > len(self._batches):
            self.is_done = self.durable >= len(self._batches)
            return None
        self._next += 1
        return self._next - 1, encode(self._batches[self._next - 2])

    def handle_ack(self, ack: wire.Ack) -> None:
        self.durable = ack.number
        self.totals.add(ack)
        self.is_done = self.durable >= len(self._batches)
        if self._on_ack is not None:
            self._on_ack(self.durable)


def is_lines(batch: Batch) -> bool:
    """True for a block of lines."""
    return batch.is_lines if isinstance(batch, EncodedBatch) else isinstance(batch, bytes)


def encode(batch: Batch) -> EncodedBatch:
    """A batch as it is sent."""
    if isinstance(batch, EncodedBatch):
        return batch
    return from_lines(batch) if isinstance(batch, bytes) else from_arrow(batch)
