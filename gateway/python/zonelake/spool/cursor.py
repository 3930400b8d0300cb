"""Reading a lane from a number on, while batches are appended and earlier segments are released."""

from __future__ import annotations

import logging
import os
import threading

from ..batches import EncodedBatch, InForce
from .folder import fail
from .format import HEADER_BYTES
from .queue import Queue
from .segment import read_block

log = logging.getLogger("zonelake")


class Gone:
    """A number whose batch is no longer there: it was given up when the spool was full, or cannot be read."""


class Cursor:
    """A position in a lane."""

    def __init__(self, queue: Queue, number: int) -> None:
        self._queue, self._next = queue, number
        self._file = -1
        self._is_closed = False
        # A read may still run on its thread when its reader is cancelled.
        self._reading = threading.Lock()
        self._first = self._offset = self._number = 0
        self._in_force = InForce()
        self.lost = 0
        """Batches that could not be read."""

    def close(self) -> None:
        """Closes the file that it reads, behind a read that still runs. Nothing is read after it."""
        with self._reading:
            self._is_closed = True
            self._close_file()

    def _close_file(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def read(self) -> tuple[int, EncodedBatch | Gone] | None:
        """The batch at the cursor with its number, which moves past it; `None`: nothing yet. A segment that cannot be read
        to its end is set apart, and `lost` counts its batches from here on."""
        with self._reading:
            return None if self._is_closed else self._read()

    def _read(self) -> tuple[int, EncodedBatch | Gone] | None:
        while True:
            number = self._next
            if number > self._queue.last_number:
                return None
            segment = self._queue.segment_of(number)
            if segment is None:
                self._close_file()
                self._next += 1
                return number, Gone()
            path, first, size, behind = segment
            if self._file < 0 or self._first != first or self._number > number:
                self._close_file()
                try:
                    self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                except FileNotFoundError:
                    # The segment was released or given up meanwhile: look again.
                    continue
                except OSError as error:
                    fail(path, error)
                self._first = self._number = first
                self._offset, self._in_force = HEADER_BYTES, InForce()
            try:
                block = read_block(self._file, self._offset, size, self._in_force)
            except OSError as error:
                log.error("%s cannot be read: %s", path, error)
                block = None
            if block is None or block[0] != self._number:
                log.error(
                    "%s cannot be read from byte %s on and is set apart; its %s batches from there are lost",
                    path, self._offset, behind - number,
                )  # fmt: skip
                self.lost += behind - number
                self._close_file()
                self._queue.set_apart(first)
                continue
            self._offset += block[2]
            self._number += 1
            if block[0] == number:
                self._next += 1
                return number, block[1]
