"""The part on disk: it takes batches from any thread, chooses their lane, and counts."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .. import wire
from ..batches import EncodedBatch, InForce
from ..errors import RowsError, SpoolError, SpoolFull, ZonelakeError
from ..spool.folder import Identity, fail, take, write_durably
from ..spool.format import block_bytes_max, encode_block
from ..spool.queue import Queue
from .options import ForwardOptions, ForwardStatus, LaneStatus

log = logging.getLogger("zonelake")


@dataclass
class Counts:
    """What was not stored as it was sent, and why nothing is sent."""

    dropped_batches: int = 0
    lost_batches: int = 0
    refused_batches: int = 0
    rejected_rows: int = 0
    rejected_readings: int = 0
    rejections: list[wire.Rejection] = field(default_factory=list)
    waits_for: str | None = None
    stopped: ZonelakeError | None = None


class LaneState:
    """A lane as the callers and its sender share it."""

    def __init__(self, lane: wire.Lane, queue: Queue) -> None:
        self.lane, self.queue = lane, queue
        self.acknowledged = queue.acknowledged
        self.is_open = False
        self.last_error: str | None = None
        # Batches that wait, with their bytes and the time at which they were taken. What an earlier process has left
        # waits since now.
        self._waiting: deque[tuple[int, int, float]] = deque()
        if queue.last_number > queue.acknowledged:
            self._waiting.append((queue.last_number, queue.bytes, time.monotonic()))

    def count_waiting(self, number: int, size: int) -> None:
        """Counts a batch among those that wait."""
        self._waiting.append((number, size, time.monotonic()))

    def keeps_up(self, more: int, options: ForwardOptions) -> bool:
        """True where that many more bytes would still be sent soon."""
        while self._waiting and self._waiting[0][0] <= self.acknowledged:
            self._waiting.popleft()
        if not self._waiting:
            return True
        age = time.monotonic() - self._waiting[0][2]
        size = sum(size for _, size, _ in self._waiting)
        return size + more <= options.live_bytes_max and age <= options.live_seconds_max

    def status(self) -> LaneStatus:
        """Its status."""
        return LaneStatus(
            self.queue.last_number, self.acknowledged, self.queue.bytes, self.is_open, self.last_error
        )  # fmt: skip


class Store:
    """The part on disk: it takes batches, from any thread, and says when there is something to send."""

    def __init__(
        self,
        folder: str | os.PathLike[str],
        producer: str,
        table: str,
        encoding: wire.Encoding,
        options: ForwardOptions,
    ) -> None:
        _check_producer(producer)
        self.folder, self.options, self.encoding = Path(folder), options, encoding
        self.producer, self.table = producer, table
        epoch = max(1, int(time.time())) if options.epoch is None else options.epoch
        identity = Identity(producer, table, encoding.name.lower(), epoch)
        # The lock comes first: two processes with one spool would give two batches the same number.
        self._lock_file, self.epoch = take(self.folder, identity)
        # Held while a batch is put on a lane, so that they are assigned one after the other.
        self._choosing = threading.Lock()
        self.lanes: dict[wire.Lane, LaneState] = {}
        try:
            for lane in wire.Lane:
                queue = Queue(self.folder / lane.name.lower(), self.epoch, options.segment_bytes)
                self.lanes[lane] = LaneState(lane, queue)
        except BaseException:
            self.close()
            raise
        self.counts = Counts()
        self.handle_appended: Callable[[], None] = lambda: None
        """Called behind each batch, in the thread of the caller."""

    def append(self, batches: Sequence[EncodedBatch]) -> list[tuple[wire.Lane, int]]:
        """Takes batches, each synced: gives their lanes and numbers. An error says how many rows were taken before."""
        taken: list[tuple[wire.Lane, int]] = []
        rows = 0
        for batch in batches:
            if batch.is_lines != (self.encoding is wire.Encoding.LINE):
                found, own = ("lines", "Arrow") if batch.is_lines else ("rows", "lines")
                raise RowsError(f"{found} for a spool of {own}; the argument encoding says which one a spool has")
            try:
                with self._choosing:
                    taken.append(self._append(batch))
            except SpoolError as error:
                error.rows_taken = rows
                raise
            finally:
                if taken:
                    self.handle_appended()
            rows += batch.rows
        return taken

    def _append(self, batch: EncodedBatch) -> tuple[wire.Lane, int]:
        size = block_bytes_max(batch)
        self._ensure_room(size)
        # The lane is chosen once and for good: a batch that moved to the other one could be stored twice.
        live = self.lanes[wire.Lane.LIVE]
        lane = live if live.keeps_up(size, self.options) else self.lanes[wire.Lane.BACKFILL]
        while True:
            try:
                number = lane.queue.append(batch)
            except SpoolFull:
                if not self.options.drop_oldest or not self._drop_oldest():
                    raise
                continue
            if lane is live:
                live.count_waiting(number, size)
            return lane.lane, number

    def _ensure_room(self, more: int) -> None:
        while True:
            size = sum(lane.queue.bytes for lane in self.lanes.values())
            if size + more <= self.options.bytes_max:
                return
            if not self.options.drop_oldest or not self._drop_oldest():
                raise SpoolFull(
                    self.folder,
                    f"it is full: {size} bytes wait to be sent and {self.options.bytes_max} may; the batch is not taken",
                )

    def _drop_oldest(self) -> bool:
        """Gives up the oldest segment of the back-fill, or of the live lane where that has none to give up."""
        for lane in (wire.Lane.BACKFILL, wire.Lane.LIVE):
            batches = self.lanes[lane].queue.drop_oldest()
            if batches is not None:
                self.counts.dropped_batches += batches
                log.error("the spool %s is full: its %s oldest batches are given up", self.folder, batches)
                return True
        return False

    def put_aside(self, lane: wire.Lane, number: int, batch: EncodedBatch) -> None:
        """Writes a batch that the server can never take to the folder `refused`."""
        folder = self.folder / "refused"
        path = folder / f"{lane.name.lower()}-{number:020}.batch"
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            fail(folder, error)
        is_new = not path.exists()
        write_durably(path, encode_block(number, batch, InForce()))
        if is_new:
            self.counts.refused_batches += 1
            log.error("the server can never take a batch; it is put aside: %s", path)

    def status(self) -> ForwardStatus:
        """The status of it all."""
        counts = self.counts
        return ForwardStatus(
            live=self.lanes[wire.Lane.LIVE].status(),
            backfill=self.lanes[wire.Lane.BACKFILL].status(),
            dropped_batches=counts.dropped_batches,
            lost_batches=counts.lost_batches,
            refused_batches=counts.refused_batches,
            rejected_rows=counts.rejected_rows,
            rejected_readings=counts.rejected_readings,
            rejections=tuple(counts.rejections),
            waits_for=counts.waits_for,
            stopped=None if counts.stopped is None else str(counts.stopped),
        )

    def close(self) -> None:
        """Lets go of the folder, behind the batch that is being taken. What is not acknowledged stays in it."""
        with self._choosing:
            for lane in self.lanes.values():
                lane.queue.close()
            self._lock_file.close()


def _check_producer(producer: str) -> None:
    content = producer.encode()
    if not 0 < len(content) <= 128 or any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in producer):
        raise ValueError(f"the producer's name {producer!r} has not 1 to 128 bytes of text without control characters")


def encoding_of(name: str) -> wire.Encoding:
    """The encoding of a spool by its name."""
    if name not in ("arrow", "line"):
        raise ValueError(f"the encoding {name!r} is neither 'arrow' nor 'line'")
    return wire.Encoding.ARROW if name == "arrow" else wire.Encoding.LINE
