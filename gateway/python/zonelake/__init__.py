"""Zonelake from Python: rows in over QUIC, exactly once, and answers out over Flight SQL.

Calls that wait are here; `zonelake.aio` has the senders for asyncio. In the order in which rows flow:

- `rows`, `batches`: rows of Arrow, pandas, polars or dictionaries into encoded batches
- `forward`, `spool`, `plain.forwarder`: `Forwarder`, store and forward from a folder on disk
- `gateway`, `plain.gateway`: `Gateway`, which pushes a whole sequence
- `stream`, `link`, `trust`, `wire`: the protocol zonelake/1, as docs/protocol.md tells it
- `reading`: `connect` and `query`, for data scientists
- `errors`: what all of them raise
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"
"""Version of this package. It speaks zonelake/1 with servers of any version."""

if TYPE_CHECKING:
    from .errors import (
        AccessDenied,
        LinkError,
        NotTrusted,
        ProtocolError,
        QueryError,
        QueryStopped,
        Refused,
        RefusedCode,
        RowsError,
        ServerUnavailable,
        SpoolBroken,
        SpoolError,
        SpoolFull,
        SpoolInUse,
        StateLost,
        StatementError,
        ZonelakeError,
    )
    from .forward.options import ForwardOptions, ForwardStatus, LaneStatus
    from .gateway import Totals
    from .plain.forwarder import Forwarder
    from .plain.gateway import Gateway
    from .reading import Answer, Reader, connect, query
    from .rows import blocks, record_batches
    from .wire import Encoding, Lane, Rejection

# Loaded when they are asked for: who reads needs no QUIC, and who sends lines needs no Arrow.
_PLACES = {
    ".errors": (
        "AccessDenied LinkError NotTrusted ProtocolError QueryError QueryStopped Refused RefusedCode RowsError"
        " ServerUnavailable SpoolBroken SpoolError SpoolFull SpoolInUse StatementError StateLost ZonelakeError"
    ),
    ".forward.options": "ForwardOptions ForwardStatus LaneStatus",
    ".gateway": "Totals",
    ".plain.forwarder": "Forwarder",
    ".plain.gateway": "Gateway",
    ".reading": "Answer Reader connect query",
    ".rows": "blocks record_batches",
    ".wire": "Encoding Lane Rejection",
}
_MODULES = {name: module for module, names in _PLACES.items() for name in names.split()}

__all__ = [
    "AccessDenied",
    "Answer",
    "Encoding",
    "ForwardOptions",
    "ForwardStatus",
    "Forwarder",
    "Gateway",
    "Lane",
    "LaneStatus",
    "LinkError",
    "NotTrusted",
    "ProtocolError",
    "QueryError",
    "QueryStopped",
    "Reader",
    "Refused",
    "RefusedCode",
    "Rejection",
    "RowsError",
    "ServerUnavailable",
    "SpoolBroken",
    "SpoolError",
    "SpoolFull",
    "SpoolInUse",
    "StateLost",
    "StatementError",
    "Totals",
    "ZonelakeError",
    "__version__",
    "blocks",
    "connect",
    "query",
    "record_batches",
]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'zonelake' has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
