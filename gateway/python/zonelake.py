"""A gateway in Python: a second implementation of the protocol zonelake/1, as docs/protocol.md tells it.

    gateway = Gateway("localhost", 7420, "zonelake-data/tls/cert.pem", token)
    asyncio.run(gateway.push("line-3", "production", batches))

It keeps no state: `batches` is the whole sequence, batch n of the stream being batches[n - 1], and each link begins
behind the last batch that the server has. The same sequence pushed again adds nothing.
"""

import asyncio
import contextlib
import struct
from collections import deque

import pyarrow as pa
from aioquic.asyncio import connect
from aioquic.quic.configuration import QuicConfiguration

ALPN = "zonelake/1"
OPEN, OPENED, REFUSED, SCHEMA, DICTIONARY, BATCH, ACK = range(1, 8)
LIVE, BACKFILL = 1, 2
ARROW, LINE = 1, 2
COUNTS = {2: "rows", 3: "readings", 4: "rejected_rows", 5: "rejected_readings", 7: "repeated_batches"}
BREAKS = (ConnectionError, asyncio.IncompleteReadError, TimeoutError)
STREAM_ENDED = (RuntimeError, ValueError)  # what aioquic raises where the server has stopped or finished the stream


class Refused(Exception):
    """The server refuses the stream or a batch. With retry_after_ms of 0 another try does not help."""

    def __init__(self, fields):
        self.code, self.message = fields.get(1, [0])[0], fields.get(2, [b""])[0].decode()
        self.number, self.last_number, self.retry_after_ms = (fields.get(n, [0])[0] for n in (3, 4, 5))
        super().__init__(f"refused (code {self.code}, batch {self.number}): {self.message}")


class Gateway:
    """Pushes batches to one server. `quic` is the present connection, where there is one. At most `unacked_bytes_max`
    bytes wait for their acknowledgement, or less where the server says so."""

    def __init__(self, host, port, cafile, token, unacked_bytes_max=1 << 24):
        self.host, self.port, self.cafile, self.token = host, port, cafile, token
        self.unacked_bytes_max, self.quic = unacked_bytes_max, None

    async def push(self, producer, table, batches, epoch=1, lane=BACKFILL, encoding=ARROW, tries=20, on_ack=None):
        """Sends record batches, or blocks of lines as bytes, until all are durable; gives the sums of the counts."""
        totals = dict.fromkeys(COUNTS.values(), 0)
        opening = encode((2, self.token), (3, producer), (4, epoch), (5, table), (6, lane), (7, encoding), (8, "zonelake.py"))
        for _ in range(tries):
            try:
                await self._link(opening, batches, totals, on_ack)
                return totals
            except Refused as refused:
                if not refused.retry_after_ms:
                    raise
                await asyncio.sleep(refused.retry_after_ms / 1000)
            except BREAKS:
                await asyncio.sleep(0.2)
        raise ConnectionError(f"gave up after {tries} tries")

    async def _link(self, opening, batches, totals, on_ack):
        """Opens the stream once and sends what the server has not, until all is durable or the link breaks."""
        configuration = QuicConfiguration(is_client=True, alpn_protocols=[ALPN], idle_timeout=5.0)
        configuration.load_verify_locations(self.cafile)
        async with connect(self.host, self.port, configuration=configuration) as self.quic:
            pings = asyncio.create_task(keep_alive(self.quic))
            reader, writer = await self.quic.create_stream()
            try:
                writer.write(frame(OPEN, opening))
                opened = await read_answer(reader, OPENED)
                durable = sent = opened.get(2, [0])[0]
                if durable > len(batches):
                    raise ValueError(f"the server has {durable} batches of this stream, more than the {len(batches)} given")
                room, waiting, in_force = min(opened[8][0], self.unacked_bytes_max), deque(), {}
                while durable < len(batches):
                    while sent < len(batches) and room > 0:
                        sent += 1
                        frames = batch_frames(sent, batches[sent - 1], in_force)
                        waiting.append(len(frames))
                        room -= len(frames)
                        with contextlib.suppress(*STREAM_ENDED):  # the server's answer says why
                            writer.write(frames)
                    ack = await read_answer(reader, ACK)
                    for _ in range(ack[1][0] - durable):
                        room += waiting.popleft()
                    durable = ack[1][0]
                    for field, name in COUNTS.items():
                        totals[name] += ack.get(field, [0])[0]
                    if on_ack:
                        on_ack(durable)
            finally:
                pings.cancel()
                with contextlib.suppress(*STREAM_ENDED):
                    writer.close()


def batch_frames(number, batch, in_force):
    """The frames of a batch, with the schema and the dictionaries where they differ from those in force on the link."""
    if isinstance(batch, bytes):
        return frame(BATCH, struct.pack("<Q", number) + batch)
    frames, sink = b"", pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    for position, message in enumerate(pa.ipc.MessageReader.open_stream(sink.getvalue())):
        payload = message.serialize().to_pybytes()
        if message.type == "record batch":
            frames += frame(BATCH, struct.pack("<Q", number) + payload)
        elif in_force.get(position) != payload:
            if message.type == "schema":  # a new schema forgets the dictionaries
                in_force.clear()
            in_force[position] = payload
            frames += frame(SCHEMA if message.type == "schema" else DICTIONARY, payload)
    return frames


async def keep_alive(quic):
    """A server that is gone is noticed within the idle timeout; a quiet one is not taken for gone."""
    while True:
        await asyncio.sleep(1)
        try:
            await quic.ping()
        except ConnectionError:
            return


def frame(kind, body):
    """Length of type and body (u32, little-endian), type, body."""
    return struct.pack("<IB", len(body) + 1, kind) + body


async def read_answer(reader, expected):
    """The fields of the server's next message, which is of the expected kind or a refusal."""
    length, kind = struct.unpack("<IB", await reader.readexactly(5))
    fields = decode(await reader.readexactly(length - 1))
    if kind == REFUSED:
        raise Refused(fields)
    if kind != expected:
        raise ValueError(f"a frame of type {kind} where {expected} was to come")
    return fields


def encode(*fields):
    """A protobuf message of (number, value): varints for integers, lengths for texts and bytes."""
    message = b""
    for number, value in fields:
        if isinstance(value, int):
            message += varint(number << 3) + varint(value)
        else:
            value = value.encode() if isinstance(value, str) else value
            message += varint(number << 3 | 2) + varint(len(value)) + value
    return message


def decode(message):
    """The fields of a protobuf message: number to list of values."""
    fields, at = {}, 0
    while at < len(message):
        key, at = read_varint(message, at)
        value, at = read_varint(message, at)
        if key & 7 == 2:
            value, at = message[at : at + value], at + value
        elif key & 7 != 0:
            raise ValueError(f"wire type {key & 7} is not in use")
        fields.setdefault(key >> 3, []).append(value)
    return fields


def varint(value):
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def read_varint(message, at):
    value = shift = 0
    while True:
        byte, at = message[at], at + 1
        value, shift = value | (byte & 0x7F) << shift, shift + 7
        if byte < 0x80:
            return value, at
