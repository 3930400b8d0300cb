"""One opened stream of batches: what is written, what waits for its acknowledgement, and why it ends."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import Iterator
from typing import Protocol

from . import wire
from .batches import EncodedBatch, InForce, frames
from .errors import LinkError, ProtocolError, Refused, ZonelakeError
from .link import ANSWER_SECONDS, STREAM_ENDED, Connection, read_frame

REFUSAL_SECONDS = 2.0
"""How long a writer that was stopped waits for the refusal that tells why."""


class Sender(Protocol):
    """What a stream sends."""

    unacked_bytes_max: int
    """Most bytes that wait for their acknowledgement."""

    def handle_opened(self, opened: wire.Opened) -> None:
        """The server has opened the stream. The next batch is the first to be sent."""

    async def next(self) -> tuple[int, EncodedBatch] | None:
        """The next batch with its number, once there is one; `None`: no more will come."""

    def handle_ack(self, ack: wire.Ack) -> None:
        """Batches are durable."""


class Window:
    """Bytes that wait for their acknowledgement."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self._waiting: deque[tuple[int, int]] = deque()
        self._bytes = 0
        self._changed = asyncio.Event()

    @property
    def is_empty(self) -> bool:
        """True where nothing waits."""
        return not self._waiting

    async def room(self, size: int) -> None:
        """Waits until so many bytes may be sent. One batch always may."""
        while self._waiting and self._bytes + size > self.bytes_max:
            self._changed.clear()
            await self._changed.wait()

    def handle_sent(self, number: int, size: int) -> None:
        """A batch is on its way."""
        self._waiting.append((number, size))
        self._bytes += size

    def handle_ack(self, ack: wire.Ack, own_bytes_max: int) -> None:
        """Batches have arrived; the server may say how much is to wait from now on."""
        while self._waiting and self._waiting[0][0] <= ack.number:
            self._bytes -= self._waiting.popleft()[1]
        if ack.unacked_bytes_max:
            self.bytes_max = min(own_bytes_max, ack.unacked_bytes_max)
        self._changed.set()


class Stream:
    """One stream on one link. It ends with an error, or when all is sent and durable."""

    def __init__(self, connection: Connection, opening: bytes, sender: Sender) -> None:
        self._connection, self._opening, self._sender = connection, opening, sender
        self._durable = self._sent = 0
        self._is_finished = False

    async def run(self) -> None:
        """Opens the stream and sends until the sender has no more and all is durable. Raises `Refused`, `LinkError` and
        what the sender raises."""
        reader, writer = await self._connection.stream()
        try:
            await self._run(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            if isinstance(error, ZonelakeError):
                raise
            raise self._connection.broken(_words(error)) from error
        finally:
            with contextlib.suppress(ConnectionError, *STREAM_ENDED):
                writer.close()

    async def _run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._opening)
        try:
            opened = wire.read_opened(*await asyncio.wait_for(read_frame(reader), ANSWER_SECONDS))
        except asyncio.TimeoutError:
            raise LinkError(f"{self._connection.server} does not open the stream within {ANSWER_SECONDS:.0f} s") from None
        self._durable = self._sent = opened.last_number
        self._sender.handle_opened(opened)
        window = Window(min(self._sender.unacked_bytes_max, opened.unacked_bytes_max or self._sender.unacked_bytes_max))
        writing = asyncio.create_task(self._write(writer, window))
        reading = asyncio.create_task(self._read(reader, window))
        try:
            await asyncio.wait({writing, reading}, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done() and isinstance(writing.exception(), ConnectionError):
                # The server reads no more; why, comes on the other half.
                await asyncio.wait({reading}, timeout=REFUSAL_SECONDS)
            elif not reading.done() and writing.exception() is None and not window.is_empty:
                await asyncio.wait({reading})
            (reading if reading.done() else writing).result()
        finally:
            for task in (writing, reading):
                task.cancel()
            await asyncio.gather(writing, reading, return_exceptions=True)

    async def _write(self, writer: asyncio.StreamWriter, window: Window) -> None:
        in_force = InForce()
        while (batch := await self._sender.next()) is not None:
            number, encoded = batch
            await window.room(encoded.bytes)
            window.handle_sent(number, encoded.bytes)
            self._sent = max(self._sent, number)
            with _ended_as_broken_link():
                writer.write(frames(number, encoded, in_force))
        self._is_finished = True
        if not window.is_empty:
            with _ended_as_broken_link():
                writer.write_eof()

    async def _read(self, reader: asyncio.StreamReader, window: Window) -> None:
        while not (self._is_finished and window.is_empty):
            ack = wire.read_ack(*await read_frame(reader))
            if not self._durable <= ack.number <= self._sent:
                raise ProtocolError(
                    f"the server acknowledges batch {ack.number}; {self._durable} was acknowledged and {self._sent} was sent"
                )
            self._durable = ack.number
            window.handle_ack(ack, self._sender.unacked_bytes_max)
            self._sender.handle_ack(ack)


class Backoff:
    """Pauses between tries: doubling, with jitter, up to a limit. There is one clock in it, which never goes back."""

    def __init__(self, give_up_after: float | None = None, first: float = 0.1, longest: float = 5.0) -> None:
        self._give_up_after, self._first, self.longest = give_up_after, first, longest
        self._tries = 0
        self._since: float | None = None

    def handle_use(self) -> None:
        """The link was of use: the next failure begins with the first pause."""
        self._tries, self._since = 0, None

    async def pause(self, error: ZonelakeError) -> None:
        """Waits before the next try, or raises the error where another one does not help or nothing has gone through for
        too long."""
        at_least = error.retry_after_ms / 1000 if isinstance(error, Refused) else 0.0
        if not (isinstance(error, LinkError) or (isinstance(error, Refused) and error.is_retryable)):
            raise error
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        if self._give_up_after is not None and now - self._since >= self._give_up_after:
            raise LinkError(f"gave up after {now - self._since:.0f} s without a useful link; at last: {error}") from error
        whole = min(self._first * 2 ** min(self._tries, 20), self.longest)
        self._tries += 1
        # Half of it is chance: a server that comes back is not dialled by all gateways at once.
        await asyncio.sleep(max(whole / 2 + whole / 2 * random.random(), at_least))


@contextlib.contextmanager
def _ended_as_broken_link() -> Iterator[None]:
    try:
        yield
    except STREAM_ENDED as error:
        raise ConnectionError(f"the server reads no more of the stream ({error})") from error


def _words(error: BaseException) -> BaseException:
    if isinstance(error, asyncio.IncompleteReadError):
        return ConnectionError("the server has ended the stream")
    return error
