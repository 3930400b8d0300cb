"""Sending a whole sequence of batches, in a call that waits."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from .. import wire
from ..gateway import UNACKED_BYTES_MAX, Totals
from ..gateway import Gateway as AsyncGateway
from .loop import call

if TYPE_CHECKING:
    from ..gateway import Batch


class Gateway:
    """Pushes batches to one server, as the holder of a token. `server` is `host:port`; `certificate` is the PEM file that
    says which server to trust (`zonelake-data/tls/cert.pem` of the server)."""

    def __init__(
        self,
        server: str,
        token: str,
        certificate: str | os.PathLike[str] | None = None,
        *,
        unacked_bytes_max: int = UNACKED_BYTES_MAX,
    ) -> None:
        self._gateway = AsyncGateway(server, token, certificate, unacked_bytes_max=unacked_bytes_max)

    def push(
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
        """Sends record batches, or blocks of lines as bytes, and returns when all are durable. `batches` is the whole
        sequence of this producer: pushed again it adds nothing, and a longer one adds what is new. `on_ack` is called on
        another thread. `zonelake.aio.Gateway.push` says more.

        Raises `Refused`; `StateLost` where the server has more batches than there are; `LinkError` where nothing goes
        through for `give_up_after` seconds (`None`: never)."""
        return call(
            self._gateway.push(producer, table, batches, epoch=epoch, lane=lane, give_up_after=give_up_after, on_ack=on_ack)
        )
