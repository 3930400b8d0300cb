"""The QUIC connection to a server, dialled again when it is lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, QuicEvent, StreamReset

from . import wire
from .errors import LinkError, NotTrusted, ProtocolError, ZonelakeError
from .trust import Trust

IDLE_SECONDS = 5.0
"""A link without a sign of life for so long is dead."""
PING_SECONDS = 1.0
ANSWER_SECONDS = 10.0
HEAD_START_SECONDS = 0.25
STREAM_ENDED = (RuntimeError, ValueError, AssertionError)
"""What aioquic raises where the server has stopped or finished the stream."""

_CLOSE_PROTOCOL = 1
_INTERNAL_ERROR = 1
_CRYPTO_ERRORS = range(0x100, 0x200)
_NO_APPLICATION_PROTOCOL = 0x178
_CERTIFICATE_ALERTS = range(0x100 + 42, 0x100 + 50)


class Connection:
    """At most one QUIC connection to a server. It is dialled when a stream is opened and there is none.

    `server` is `host:port`. `certificate` is a PEM file: the server's own certificate, or the one of the authority that has
    signed it; without one, the authorities that this machine trusts decide."""

    def __init__(self, server: str, certificate: str | os.PathLike[str] | None = None) -> None:
        self.server = server
        self.host, self.port = _address(server)
        self.certificate = None if certificate is None else Path(certificate)
        self._dialling = asyncio.Lock()
        self._protocol: _Protocol | None = None
        self._pings: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[Any]] = set()

    async def stream(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Opens a stream of QUIC, on the present connection or on a new one."""
        async with self._dialling:
            if self._protocol is None or self._protocol.ended is not None:
                await self._hang_up()
                await self._dial()
            protocol = self._protocol
        if protocol is None:
            raise LinkError(f"no connection to {self.server}")
        try:
            return await protocol.create_stream()
        except (ConnectionError, *STREAM_ENDED) as error:
            raise self.broken(error) from error

    def broken(self, error: BaseException) -> ZonelakeError:
        """Why the link broke, as far as it is known."""
        ended = self._protocol.ended if self._protocol is not None else None
        return self._reason(ended, f"the link to {self.server} broke: {error or type(error).__name__}")

    def cut(self) -> None:
        """Drops the present connection, as a network does that fails. The next stream dials again."""
        if self._protocol is not None:
            self._protocol.close()

    async def close(self) -> None:
        """Closes the connection."""
        async with self._dialling:
            await self._hang_up()
            await asyncio.gather(*self._ending, return_exceptions=True)

    async def _dial(self) -> None:
        trust = None if self.certificate is None else Trust(self.certificate)
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self.host, self.port, type=socket.SOCK_DGRAM)
        except OSError as error:
            raise LinkError(f"cannot find the server {self.server}: {error}") from error
        protocol = await self._race(found, trust)
        self._protocol = protocol
        self._pings = asyncio.create_task(_keep_alive(protocol))

    async def _race(self, found: list[Any], trust: Trust | None) -> _Protocol:
        """Dials the addresses of a name, each a moment behind the one before: the first that answers is taken. So an address
        that nothing listens on, as `::1` of localhost may be, costs a moment and no time limit."""
        tasks: list[asyncio.Task[_Protocol]] = []
        winner: _Protocol | None = None
        try:
            for family, _, _, _, address in found:
                tasks.append(asyncio.create_task(self._dial_address(family, address, trust)))
                await asyncio.wait(tasks, timeout=HEAD_START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if any(_is_connected(task) for task in tasks):
                    break
            while not any(_is_connected(task) for task in tasks):
                running = [task for task in tasks if not task.done()]
                if not running:
                    break
                await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            connected = next((task for task in tasks if _is_connected(task)), None)
            if connected is not None:
                winner = connected.result()
                return winner
            errors = [task.exception() for task in tasks]
            # What is not a silent address says more.
            raise (
                next((error for error in errors if error and not isinstance(error, LinkError)), None)
                or errors[0]
                or LinkError(f"cannot find the server {self.server}")
            )
        finally:
            for task in tasks:
                if task.done() and _is_connected(task) and task.result() is not winner:
                    self._leave(asyncio.create_task(_end(task.result())))
                elif not task.done():
                    task.cancel()
                    self._leave(task)

    def _leave(self, task: asyncio.Task[Any]) -> None:
        """Lets a task end by itself, since that takes a moment."""
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _dial_address(self, family: int, address: Any, trust: Trust | None) -> _Protocol:
        configuration = QuicConfiguration(
            is_client=True, alpn_protocols=[wire.ALPN], idle_timeout=IDLE_SECONDS, server_name=self.host
        )
        if trust is not None:
            # Checked behind the handshake: see `trust`.
            configuration.verify_mode = ssl.CERT_NONE
        quic = QuicConnection(configuration=configuration)
        loop = asyncio.get_running_loop()
        try:
            # No address of its own: the link lives on where that changes.
            local = ("::", 0) if family == socket.AF_INET6 else ("0.0.0.0", 0)
            _, protocol = await loop.create_datagram_endpoint(lambda: _Protocol(quic), local_addr=local, family=family)
        except OSError as error:
            raise LinkError(f"no UDP socket for {self.server}: {error}") from error
        try:
            protocol.connect(address)
            await asyncio.wait_for(protocol.wait_connected(), ANSWER_SECONDS)
            if trust is not None:
                trust.check(quic, self.server, self.host)
        except (ConnectionError, OSError, asyncio.TimeoutError) as error:
            await _end(protocol)
            raise self._reason(protocol.ended, f"no answer from {self.server} over QUIC (UDP)") from error
        except BaseException:
            await _end(protocol)
            raise
        return protocol

    async def _hang_up(self) -> None:
        if self._pings is not None:
            self._pings.cancel()
        protocol, self._protocol, self._pings = self._protocol, None, None
        if protocol is not None:
            await _end(protocol)

    def _reason(self, ended: ConnectionTerminated | None, otherwise: str) -> ZonelakeError:
        if ended is None:
            return LinkError(otherwise)
        if ended.error_code == _INTERNAL_ERROR and ended.reason_phrase == "Idle timeout":
            return LinkError(otherwise)
        words = ended.reason_phrase or f"code {ended.error_code}"
        if ended.error_code in _CERTIFICATE_ALERTS and ended.frame_type is not None:
            return NotTrusted(f"{self.server} shows a certificate that is not trusted: {words}")
        if ended.error_code == _NO_APPLICATION_PROTOCOL and ended.frame_type is not None:
            return ProtocolError(f"{self.server} does not speak {wire.ALPN}: {words}")
        if ended.error_code == _CLOSE_PROTOCOL and ended.frame_type is None:
            return ProtocolError(f"{self.server} has closed the connection, since this side broke the protocol: {words}")
        return LinkError(f"the link to {self.server} broke: {words}")


class _Protocol(QuicConnectionProtocol):
    """Keeps why the connection ended."""

    ended: ConnectionTerminated | None = None

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, ConnectionTerminated):
            self.ended = event
        super().quic_event_received(event)
        if isinstance(event, StreamReset):
            reader = self._stream_readers.get(event.stream_id)
            if reader is not None:
                reader.feed_eof()


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Type and body of the server's next frame."""
    kind, length = wire.read_header(await reader.readexactly(wire.HEADER_BYTES))
    return kind, await reader.readexactly(length)


async def _end(protocol: _Protocol) -> None:
    waiter = protocol._connected_waiter
    if waiter is not None:
        # Nobody waits for it any more, so nobody else takes what it ends with.
        waiter.add_done_callback(lambda ended: None if ended.cancelled() else ended.exception())
    protocol.close()
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(protocol.wait_closed(), IDLE_SECONDS)
    if protocol._transport is not None:
        protocol._transport.close()


async def _keep_alive(protocol: _Protocol) -> None:
    """A server that is gone is noticed within the idle time; a quiet one is not taken for gone."""
    while protocol.ended is None:
        await asyncio.sleep(PING_SECONDS)
        protocol._quic.send_ping(0)
        protocol.transmit()


def _is_connected(task: asyncio.Task[_Protocol]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


@contextlib.asynccontextmanager
async def closing(connection: Connection) -> AsyncIterator[Connection]:
    """The connection for a while."""
    try:
        yield connection
    finally:
        await connection.close()


def _address(server: str) -> tuple[str, int]:
    host, _, port = server.rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError(f"the address {server!r} is not host:port, as localhost:7420")
    return host.strip("[]"), int(port)
