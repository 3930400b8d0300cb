"""The part that sends: both lanes of a store, from its queues on disk to the server."""

from __future__ import annotations

import asyncio
import logging

from .. import wire
from ..batches import EncodedBatch, without_rows
from ..errors import LinkError, NotTrusted, Refused, RefusedCode, SpoolError, StateLost, ZonelakeError
from ..gateway import REJECTIONS_KEPT
from ..link import Connection
from ..spool.cursor import Cursor, Gone
from ..stream import Backoff, Stream
from .store import LaneState, Store

log = logging.getLogger("zonelake")

CONTENT = (RefusedCode.BAD_PAYLOAD, RefusedCode.TOO_LARGE)
"""Refusals of a batch that no later one can take."""
FINAL = (RefusedCode.FENCED, RefusedCode.OTHER_CONTENT)
"""Refusals after which another try may do harm or cannot help: two senders that fence each other would do so for ever."""


class Forwarding:
    """The part that sends: both lanes of a store, on one connection, until it is cancelled."""

    def __init__(self, store: Store, connection: Connection, token: str) -> None:
        self._store, self._connection, self._token = store, connection, token
        self._appended = {lane: asyncio.Event() for lane in wire.Lane}
        self._acknowledged = {lane: asyncio.Event() for lane in wire.Lane}
        self._changed = asyncio.Event()

    def handle_appended(self) -> None:
        """There is something to send. To be called in the loop's thread."""
        for event in self._appended.values():
            event.set()

    async def run(self) -> None:
        """Sends for as long as it is not cancelled."""
        states = self._store.lanes.values()
        tasks = [asyncio.create_task(self._forward(state)) for state in states]
        tasks += [asyncio.create_task(_release(state, self._acknowledged[state.lane])) for state in states]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def drained(self) -> None:
        """Waits until the server has acknowledged everything taken so far. Raises what has stopped the sending for good."""
        wanted = {lane: state.queue.last_number for lane, state in self._store.lanes.items()}
        while any(self._store.lanes[lane].acknowledged < number for lane, number in wanted.items()):
            if self._store.counts.stopped is not None:
                raise self._store.counts.stopped
            self._changed.clear()
            await self._changed.wait()

    async def _forward(self, state: LaneState) -> None:
        """Opens one stream after another and sends what is next."""
        backoff = Backoff()
        refused: set[int] = set()
        store = self._store
        opening = wire.opening(self._token, store.producer, store.epoch, store.table, state.lane, store.encoding)
        while True:
            sender = _LaneSender(
                store, state, self._appended[state.lane], self._acknowledged[state.lane], self._changed, refused
            )
            before = state.acknowledged
            try:
                await Stream(self._connection, opening, sender).run()
            except (ZonelakeError, OSError) as error:
                state.last_error = str(error)
                if state.acknowledged != before:
                    backoff.handle_use()
                if await self._handle_error(error, refused, backoff):
                    return
            except Exception as error:
                # A fault of ours must not look like a quiet link.
                self._stop(Fault(f"a fault of this package: {error!r}"))
                log.exception("nothing more is sent from the spool %s", store.folder)
                raise
            finally:
                state.is_open = False
                sender.close()

    async def _handle_error(self, error: Exception, refused: set[int], backoff: Backoff) -> bool:
        """Pauses before the next try; `True` where there must be none."""
        if isinstance(error, Refused):
            # A refused schema or dictionary names no batch: it came in front of the first that is not stored.
            number = error.number or error.last_number + 1
            if error.code in CONTENT and number not in refused:
                refused.add(number)
                return False
        if isinstance(error, StateLost) or (isinstance(error, Refused) and error.code in FINAL):
            self._stop(error)
            log.error("nothing more is sent from the spool %s: %s", self._store.folder, error)
            return True
        if isinstance(error, LinkError) or (isinstance(error, Refused) and error.is_retryable):
            log.debug("the link broke: %s", error)
            await backoff.pause(error)
            return False
        if isinstance(error, (Refused, NotTrusted)):
            self._store.counts.waits_for = str(error)
            log.error("the spool %s waits for an operator: %s", self._store.folder, error)
        else:
            log.warning("the spool %s cannot send at the moment: %s", self._store.folder, error)
        self._changed.set()
        await asyncio.sleep(self._store.options.retry_refused_seconds)
        return False

    def _stop(self, error: ZonelakeError) -> None:
        if self._store.counts.stopped is None:
            self._store.counts.stopped = error
        self._changed.set()


class _LaneSender:
    """What one stream of a lane sends."""

    def __init__(
        self,
        store: Store,
        state: LaneState,
        appended: asyncio.Event,
        acknowledged: asyncio.Event,
        changed: asyncio.Event,
        refused: set[int],
    ) -> None:
        self._store, self._state, self._appended = store, state, appended
        self._acknowledged, self._changed, self._refused = acknowledged, changed, refused
        self._cursor: Cursor | None = None
        self._limits = (0, 0)
        options = store.options
        is_live = state.lane is wire.Lane.LIVE
        self.unacked_bytes_max = options.live_bytes_max if is_live else options.backfill_bytes_in_flight

    def close(self) -> None:
        """Closes the file that it reads."""
        if self._cursor is not None:
            self._cursor.close()

    def handle_opened(self, opened: wire.Opened) -> None:
        last, taken, known = opened.last_number, self._state.queue.last_number, self._state.acknowledged
        if last > taken:
            raise StateLost(
                f"the server has batch {last} of this stream, and the spool {self._store.folder} has given numbers up to "
                f"{taken}: its state was lost, or another uses the producer's name. Begin a new spool"
            )
        if last < known:
            raise StateLost(
                f"the server has only batch {last} of this stream, yet it had acknowledged {known}: its data folder is not "
                "the one it was"
            )
        self._limits = (opened.frame_bytes_max, opened.batch_rows_max)
        self._cursor = Cursor(self._state.queue, last + 1)
        self._state.is_open = True
        if last == taken:
            self._store.counts.waits_for = None
        self._handle_durable(last)

    async def next(self) -> tuple[int, EncodedBatch]:
        cursor = self._cursor
        if cursor is None:
            raise RuntimeError("the stream is not open")
        while True:
            self._appended.clear()
            found = await asyncio.to_thread(cursor.read)
            if cursor.lost:
                self._store.counts.lost_batches += cursor.lost
                cursor.lost = 0
            if found is not None:
                break
            await self._appended.wait()
        number, batch = found
        if isinstance(batch, Gone):
            # The number is sent all the same, without rows: the server takes numbers without gaps only.
            return number, without_rows(self._store.encoding)
        frame_bytes_max, rows_max = self._limits
        if number in self._refused or batch.longest_frame > frame_bytes_max or (not batch.is_lines and batch.rows > rows_max):
            await asyncio.to_thread(self._store.put_aside, self._state.lane, number, batch)
            return number, without_rows(self._store.encoding)
        return number, batch

    def handle_ack(self, ack: wire.Ack) -> None:
        counts = self._store.counts
        counts.waits_for = None
        counts.rejected_rows += ack.rejected_rows
        counts.rejected_readings += ack.rejected_readings
        counts.rejections += ack.rejections[: REJECTIONS_KEPT - len(counts.rejections)]
        self._handle_durable(ack.number)

    def _handle_durable(self, number: int) -> None:
        if number > self._state.acknowledged:
            self._state.acknowledged = number
        self._changed.set()
        self._acknowledged.set()


async def _release(state: LaneState, acknowledged: asyncio.Event) -> None:
    """Releases segments as they are acknowledged, on a thread: it waits for the disk."""
    while True:
        acknowledged.clear()
        try:
            await asyncio.to_thread(state.queue.release, state.acknowledged)
        except SpoolError as error:
            state.last_error = str(error)
            log.warning("acknowledged batches stay on the disk for now: %s", error)
        await acknowledged.wait()


class Fault(ZonelakeError):
    """A fault of this package has stopped the sending."""
