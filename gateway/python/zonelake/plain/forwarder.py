"""Store and forward in calls that wait for the disk, and never for the server."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from .. import wire
from ..forward.forwarder import Forwarder as AsyncForwarder
from ..forward.forwarder import Path
from ..forward.options import ForwardOptions, ForwardStatus
from .loop import LoopThread

if TYPE_CHECKING:
    from ..rows import Lines, Rows


class Forwarder:
    """Forwards rows of one producer to one table from a folder, on a thread of its own:

        with zonelake.Forwarder("zonelake.example:7420", token, "cert.pem",
                                producer="line-3", table="production", folder="spool") as forwarder:
            forwarder.send({"time": now, "device": "press-1", "pressure": 4.1})

    `server` is `host:port`; `certificate` the PEM file that says which server to trust. `folder` is on a local disk that
    keeps what it has confirmed to fsync; each producer and table has one of its own. `encoding` is `"arrow"` for rows, or
    `"line"` for line protocol. It is open from the beginning, and its methods may be called from several threads."""

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
        self._forwarder = AsyncForwarder(
            server,
            token,
            certificate,
            producer=producer,
            table=table,
            folder=folder,
            encoding=encoding,
            options=options,
        )
        self._thread = LoopThread()
        try:
            self._thread.call(self._forwarder.open())
        except BaseException:
            self._thread.close()
            raise

    def send(
        self, rows: Rows | Lines, *, device: str | None = None, time_zone: str | None = None
    ) -> list[tuple[wire.Lane, int]]:
        """Takes rows: when this returns they are on disk and synced, and are sent whenever there is a link. Gives the lane
        and the number of each batch that they were cut into.

        Each call syncs the disk once a batch: give it the rows of a second or more where there are many.

        Raises `RowsError`: nothing is taken. `SpoolError`: the first `rows_taken` rows are taken."""
        return self._forwarder.take(rows, device, time_zone)

    def drain(self, timeout: float | None = None) -> None:
        """Waits until the server has acknowledged everything taken so far. Raises `TimeoutError` after `timeout` seconds,
        and what has stopped the sending for good."""
        self._thread.call(self._forwarder.drained(), timeout)

    def status(self) -> ForwardStatus:
        """Status of both lanes."""
        return self._forwarder.status()

    def close(self) -> None:
        """Ends the sending; what is not acknowledged stays on disk for the next time."""
        if not self._thread.is_closed:
            self._thread.call(self._forwarder.close())
            self._thread.close()

    def __enter__(self) -> Forwarder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
