"""The handle of store and forward for asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import os
from types import TracebackType
from typing import TYPE_CHECKING, Union

from .. import wire
from ..link import Connection
from ..rows import encoded
from .options import ForwardOptions, ForwardStatus
from .sending import Forwarding
from .store import Store, encoding_of

if TYPE_CHECKING:
    from ..rows import Lines, Rows

Path = Union[str, "os.PathLike[str]"]


class Forwarder:
    """Forwards rows of one producer to one table from a folder, as `async with Forwarder(…) as forwarder`.

    `server` is `host:port`; `certificate` the PEM file that says which server to trust. `folder` is on a local disk that
    keeps what it has confirmed to fsync; each producer and table has one of its own. `encoding` is `"arrow"` for rows, or
    `"line"` for line protocol."""

    def __init__(
        self,
        server: str,
        token: str,
        certificate: Path | None = None,
        *,
        producer: str,
        table: str,
        folder: Path,
        encoding: str = "arrow",
        options: ForwardOptions | None = None,
    ) -> None:
        self._options = options or ForwardOptions()
        self._place = (folder, producer, table, encoding_of(encoding), self._options)
        self._server, self._token, self._certificate = server, token, certificate
        self._store: Store | None = None
        self._forwarding: Forwarding | None = None
        self._task: asyncio.Task[None] | None = None
        self.connection: Connection | None = None
        """The connection to the server, while it is open."""

    async def open(self) -> None:
        """Opens the spool, or makes it, and begins to send what is in it. It waits for the disk, not for the server."""
        if self._store is not None:
            raise RuntimeError("the forwarder is open already")
        connection = Connection(self._server, self._certificate)
        store = await asyncio.to_thread(Store, *self._place)
        loop = asyncio.get_running_loop()
        forwarding = Forwarding(store, connection, self._token)
        store.handle_appended = lambda: _tell(loop, forwarding)
        self._store, self._forwarding, self.connection = store, forwarding, connection
        self._task = asyncio.create_task(forwarding.run())

    async def send(
        self, rows: Rows | Lines, *, device: str | None = None, time_zone: str | None = None
    ) -> list[tuple[wire.Lane, int]]:
        """Takes rows: when this returns they are on disk and synced, and are sent whenever there is a link. Gives the lane
        and the number of each batch that they were cut into. Where the call is cancelled they may have been taken.

        Raises `RowsError`: nothing is taken. `SpoolError`: the first `rows_taken` rows are taken."""
        return await asyncio.to_thread(self.take, rows, device, time_zone)

    def take(self, rows: Rows | Lines, device: str | None = None, time_zone: str | None = None) -> list[tuple[wire.Lane, int]]:
        """As `send`, on the thread of the caller, which may be any."""
        store = self._opened()
        # All rows are encoded before the first is taken.
        batches = encoded(rows, device=device, time_zone=time_zone, compression=self._options.compression)
        return store.append(list(batches))

    async def drained(self) -> None:
        """Waits until the server has acknowledged everything taken so far. Raises what has stopped the sending for good."""
        self._opened()
        if self._forwarding is not None:
            await self._forwarding.drained()

    def status(self) -> ForwardStatus:
        """Status of both lanes."""
        return self._opened().status()

    async def close(self) -> None:
        """Ends the sending; what is not acknowledged stays on disk for the next time."""
        store, task, connection = self._store, self._task, self.connection
        self._store = self._forwarding = self._task = self.connection = None
        if task is not None:
            task.cancel()
            # What ended the task is in the status and in the log.
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
        if connection is not None:
            await connection.close()
        if store is not None:
            await asyncio.to_thread(store.close)

    async def __aenter__(self) -> Forwarder:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _opened(self) -> Store:
        if self._store is None:
            raise RuntimeError("the forwarder is not open")
        return self._store


def _tell(loop: asyncio.AbstractEventLoop, forwarding: Forwarding) -> None:
    # A loop that is closed sends nothing more; the batch is on disk all the same.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(forwarding.handle_appended)
