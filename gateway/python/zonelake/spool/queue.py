"""One lane of a spool: its segments, of which the last is written and the first is released."""

from __future__ import annotations

import contextlib
import os
import threading
from bisect import bisect_right
from pathlib import Path

from ..batches import EncodedBatch, InForce
from ..errors import SpoolBroken, SpoolError
from .folder import fail, sync, sync_folder, write_durably
from .format import BODY_BYTES_MAX, HEADER_BYTES, block_bytes_max, encode_block
from .segment import DAMAGED, Scanned, Segment, find, make, scan, write_at

ACKNOWLEDGED = "acknowledged"
"""File with the last number up to which segments were released."""


class Queue:
    """Batches of one lane on disk. Its methods may be called from several threads."""

    def __init__(self, folder: Path, epoch: int, segment_bytes_max: int) -> None:
        """Opens or makes a lane's folder. What a crash has left behind the last whole block was never confirmed and is
        cut off."""
        self._folder, self._epoch, self._segment_bytes_max = folder, epoch, segment_bytes_max
        self._lock = threading.RLock()
        self._broken: str | None = None
        self._in_force = InForce()
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            fail(folder, error)
        sync_folder(folder.parent)
        # What is read from here on, a loss of power leaves: a process that was killed may have named a file, or removed one,
        # in memory only.
        sync_folder(folder)
        self.acknowledged = _read_acknowledged(folder)
        self._segments = find(folder, epoch)
        scanned = self._scan_last()
        if scanned is None:
            self._next = self.acknowledged + 1
            segment, self._descriptor = make(folder, epoch, self._next)
            self._segments.append(segment)
        else:
            self._continue(scanned)

    def _scan_last(self) -> Scanned | None:
        while self._segments:
            if self._segments[-1].is_apart:
                raise SpoolError(
                    self._segments[-1].path,
                    "it is damaged, and the segment behind it is missing, so nobody knows which numbers were given: begin a "
                    "new spool",
                )
            found = scan(self._segments[-1])
            if found is not None:
                return found
            # A segment whose header was torn held nothing yet.
            _remove(self._segments.pop().path)
        return None

    def _continue(self, scanned: Scanned) -> None:
        last = self._segments[-1]
        last.bytes, self._in_force = scanned.bytes, scanned.in_force
        self._next = last.first + scanned.batches
        try:
            self._descriptor = os.open(last.path, os.O_RDWR | os.O_CLOEXEC)
            if not scanned.is_damaged:
                os.ftruncate(self._descriptor, scanned.bytes)
                sync(self._descriptor)
        except OSError as error:
            fail(last.path, error)
        if scanned.is_damaged:
            # Nothing is written after damage; the cursor that reaches the segment sets it apart.
            self._roll()

    def close(self) -> None:
        """Closes the file; what is in it stays."""
        with self._lock:
            if self._broken is None:
                self._broken = "it is closed"
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def append(self, batch: EncodedBatch) -> int:
        """Appends a batch and syncs it: it is durable then. Gives back its number. On an error it is not taken."""
        with self._lock:
            last = self._segments[-1]
            if self._broken is not None:
                raise SpoolBroken(last.path, f"it takes no more batches until it is opened again: {self._broken}")
            size = block_bytes_max(batch)
            if size > BODY_BYTES_MAX:
                raise SpoolError(last.path, f"a batch of {size} bytes; at most {BODY_BYTES_MAX} can be kept")
            if last.bytes > HEADER_BYTES and last.bytes + size > self._segment_bytes_max:
                self._roll()
                last = self._segments[-1]
            in_force = self._in_force.copy()
            block = encode_block(self._next, batch, in_force)
            self._write(last, block)
            last.bytes += len(block)
            self._in_force = in_force
            self._next += 1
            return self._next - 1

    def _write(self, last: Segment, block: bytes) -> None:
        try:
            write_at(self._descriptor, block, last.bytes)
        except OSError as error:
            # A part of a block must not stay behind the last whole one. An error of this does not matter: the next batch
            # is written at the same offset.
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, last.bytes)
            fail(last.path, error)
        try:
            sync(self._descriptor)
        except OSError as error:
            # After a failed sync nobody knows which pages have reached the disk, and a second one may succeed without
            # them. So the queue takes nothing more until it is opened again; cutting the file is an attempt only.
            self._broken = f"a sync has failed ({error.strerror or error})"
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, last.bytes)
            raise SpoolBroken(last.path, self._broken) from error

    def release(self, acknowledged: int) -> None:
        """Releases the segments whose batches the server has all acknowledged, except the last one, which holds the
        numbers."""
        with self._lock:
            if not self._is_done(acknowledged):
                return
            # The number is durable before the first segment goes: a folder without segments begins behind it.
            write_durably(self._folder / ACKNOWLEDGED, str(acknowledged).encode())
            self.acknowledged = acknowledged
            while self._is_done(acknowledged):
                self._remove_first()
            sync_folder(self._folder)

    def _is_done(self, acknowledged: int) -> bool:
        return len(self._segments) > 1 and self._segments[1].first <= acknowledged + 1

    def drop_oldest(self) -> int | None:
        """Gives up the oldest segment, if there is another one behind it, and says how many batches that were."""
        with self._lock:
            while len(self._segments) > 1 and self._segments[0].is_apart:
                self._remove_first()
            if len(self._segments) < 2:
                return None
            batches = self._segments[1].first - self._segments[0].first
            self._remove_first()
            sync_folder(self._folder)
            return batches

    def set_apart(self, first: int) -> None:
        """Renames a segment that cannot be read to its end; it stays for diagnosis."""
        with self._lock:
            at = next((at for at, segment in enumerate(self._segments) if segment.first == first), None)
            if at is None:
                return
            if at + 1 == len(self._segments):
                self._roll()
            segment = self._segments[at]
            path = segment.path.with_suffix(DAMAGED)
            try:
                os.replace(segment.path, path)
            except OSError as error:
                fail(segment.path, error)
            segment.path, segment.bytes, segment.is_apart = path, 0, True
            sync_folder(self._folder)

    def segment_of(self, number: int) -> tuple[Path, int, int, int] | None:
        """Path, first number, synced bytes, and the first number behind, of the segment that has a number; `None` where no
        segment has it or ever will."""
        with self._lock:
            at = bisect_right(self._segments, number, key=lambda segment: segment.first)
            if at == 0:
                return None
            segment = self._segments[at - 1]
            if segment.is_apart:
                return None
            behind = self._segments[at].first if at < len(self._segments) else self._next
            return segment.path, segment.first, segment.bytes, behind

    @property
    def last_number(self) -> int:
        """Number of the last batch taken; 0 before the first."""
        with self._lock:
            return self._next - 1

    @property
    def bytes(self) -> int:
        """Bytes on disk."""
        with self._lock:
            return sum(segment.bytes for segment in self._segments)

    def _roll(self) -> None:
        segment, descriptor = make(self._folder, self._epoch, self._next)
        os.close(self._descriptor)
        self._segments.append(segment)
        self._descriptor, self._in_force = descriptor, InForce()

    def _remove_first(self) -> None:
        if not self._segments[0].is_apart:
            _remove(self._segments[0].path)
        self._segments.pop(0)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        fail(path, error)


def _read_acknowledged(folder: Path) -> int:
    path = folder / ACKNOWLEDGED
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        return 0
    except OSError as error:
        fail(path, error)
    return int(text) if text.isdecimal() else 0
