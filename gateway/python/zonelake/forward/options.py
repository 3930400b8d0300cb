"""Options of store and forward, and its status."""

from __future__ import annotations

from dataclasses import dataclass

from .. import wire


@dataclass(frozen=True)
class ForwardOptions:
    """Options of store and forward."""

    epoch: int | None = None
    """Epoch of a spool that is made now; by default the seconds since 1970, so that a gateway whose disk was lost begins
    a later one, given a clock that is roughly right. A spool that is there keeps its own."""
    bytes_max: int = 8 << 30
    """Most bytes on disk."""
    segment_bytes: int = 8 << 20
    """The unit in which acknowledged batches leave the disk."""
    drop_oldest: bool = False
    """Where the spool is full: give up its oldest batches, counted in `ForwardStatus.dropped_batches`, in place of refusing
    the new one with `SpoolFull`."""
    live_bytes_max: int = 4 << 20
    """Bytes that may wait on the live lane before further batches go on the back-fill lane."""
    live_seconds_max: float = 10.0
    """Age that the oldest batch waiting on the live lane may have before that."""
    backfill_bytes_in_flight: int = 1 << 20
    """Bytes of back-fill in flight. More drains faster over a distant link; it is also what a live batch may find in front
    of it."""
    retry_refused_seconds: float = 60.0
    """Pause before a stream is opened again that was refused for a reason that an operator can mend."""
    compression: str | None = "zstd"
    """Compression of Arrow batches: `"zstd"`, `"lz4"` or `None`."""


@dataclass(frozen=True)
class LaneStatus:
    """Status of a lane."""

    taken: int
    """Number of the last batch taken."""
    acknowledged: int
    """Number of the last batch that the server has, as far as this process has heard."""
    bytes: int
    """Bytes on disk."""
    is_open: bool
    """True while its stream is open."""
    last_error: str | None
    """The last error that kept it from sending."""


@dataclass(frozen=True)
class ForwardStatus:
    """Status of a forwarder."""

    live: LaneStatus
    backfill: LaneStatus
    dropped_batches: int
    """Batches given up since the spool was full."""
    lost_batches: int
    """Batches that could not be read from the disk; their segment stays beside the others, as `….damaged`."""
    refused_batches: int
    """Batches that the server can never take, in the folder `refused`."""
    rejected_rows: int
    """Rows that went to the server's table `rejected`."""
    rejected_readings: int
    rejections: tuple[wire.Rejection, ...]
    """Why: the first few reasons."""
    waits_for: str | None
    """What an operator has to mend, in the server's words, before anything more is sent; the spool fills up meanwhile."""
    stopped: str | None
    """What has stopped the sending for good. Batches are still taken. An operator has to look."""

    @property
    def waiting_batches(self) -> int:
        """Batches on disk that are not acknowledged."""
        return sum(lane.taken - lane.acknowledged for lane in (self.live, self.backfill))
