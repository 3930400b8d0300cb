"""The thread on which asyncio runs behind calls that wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """A loop of asyncio on a thread of its own, which does not keep the program from ending."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="zonelake", daemon=True)
        self._thread.start()

    @property
    def is_closed(self) -> bool:
        """True once the thread has ended."""
        return self._loop.is_closed()

    def call(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Runs work on the loop and waits for it. Interrupted (Ctrl-C) or out of time, it cancels the work. Raises
        `TimeoutError` where it takes longer than `timeout` seconds."""
        future = asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, timeout), self._loop)
        try:
            return future.result()
        except asyncio.TimeoutError:
            raise TimeoutError(f"not done within {timeout} s") from None
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Ends the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def _run(self) -> None:
        # The loop ends on its own thread: that of the caller may have a loop that runs, as in a notebook.
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
        finally:
            self._loop.close()


def call(work: Coroutine[Any, Any, T]) -> T:
    """Runs work on a loop that is made for it."""
    thread = LoopThread()
    try:
        return thread.call(work)
    finally:
        thread.close()
