"""The senders for asyncio: `Gateway` pushes a whole sequence, `Forwarder` stores and forwards."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .gateway import Gateway

if TYPE_CHECKING:
    from .forward.forwarder import Forwarder

__all__ = ["Forwarder", "Gateway"]


def __getattr__(name: str) -> object:
    # The spool needs a POSIX system; a push does not.
    if name != "Forwarder":
        raise AttributeError(f"module 'zonelake.aio' has no attribute {name!r}")
    return import_module(".forward.forwarder", "zonelake").Forwarder
