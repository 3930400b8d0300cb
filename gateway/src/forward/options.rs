//! Options of store and forward: the spool, its size, the choice of a lane; and the status.

use std::path::PathBuf;
use std::time::Duration;

use zonelake_schemas::{BatchNumber, Epoch};

use crate::error::StreamError;
use crate::stream::options::StreamOptions;

/// Options of a forwarder.
#[derive(Debug, Clone)]
pub struct ForwardOptions {
    /// Token, producer, table, encoding, pauses. Lane, epoch and window of it are not used: a forwarder has its own.
    pub stream: StreamOptions,
    /// Folder of the spool, one for each producer and table, on a local disk that keeps what it has confirmed to `fsync`.
    pub folder: PathBuf,
    /// Epoch of a spool that is made now; `None`: the seconds since 1970 at its making, so that a gateway whose disk was lost
    /// begins a later one automatically, given a clock that is roughly right. A spool that is there keeps its own.
    pub epoch: Option<Epoch>,
    /// Most bytes on disk. Default 8 GiB. docs/durability.md says how to size it for an outage.
    pub bytes_max: u64,
    /// Bytes of a segment, the unit in which acknowledged batches leave the disk. Default 8 MiB.
    pub segment_bytes: u64,
    /// Treatment of a batch when the spool is full. Default: refuse it.
    pub when_full: WhenFull,
    /// Bytes that may wait on the live lane before further batches go on the back-fill lane. Default 4 MiB: what a link takes
    /// in a few seconds.
    pub live_bytes_max: u64,
    /// Age that the oldest batch waiting on the live lane may have before further batches go on the back-fill lane. Default
    /// 10 s.
    pub live_age_max: Duration,
    /// Bytes of back-fill that are in flight. Default 1 MiB. More drains faster over a distant link; it is also what a
    /// live batch may find in front of it in the network.
    pub backfill_bytes_in_flight: usize,
    /// Pause before a stream is opened again that the server refuses for a reason that an operator can fix, as an unknown
    /// table. Default 60 s.
    pub retry_refused_after: Duration,
}

impl ForwardOptions {
    /// The defaults.
    pub fn new(stream: StreamOptions, folder: impl Into<PathBuf>) -> Self {
        Self {
            stream,
            folder: folder.into(),
            epoch: None,
            bytes_max: 8 << 30,
            segment_bytes: 8 << 20,
            when_full: WhenFull::Refuse,
            live_bytes_max: 4 << 20,
            live_age_max: Duration::from_secs(10),
            backfill_bytes_in_flight: 1 << 20,
            retry_refused_after: Duration::from_secs(60),
        }
    }
}

/// Treatment of a batch when the spool is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// Refuse it with an error: the caller decides.
    #[default]
    Refuse,
    /// Give up the oldest segment, counted in [`ForwardStatus::dropped_batches`]. The numbers of its batches are sent
    /// without rows, so that those behind them can be.
    DropOldest,
}

/// Status of a forwarder.
#[derive(Debug, Clone, PartialEq)]
pub struct ForwardStatus {
    /// The live lane.
    pub live: LaneStatus,
    /// The back-fill lane.
    pub backfill: LaneStatus,
    /// Batches given up since the spool was full.
    pub dropped_batches: u64,
    /// Batches that could not be read from the disk; their segment stays next to the others, as `….damaged`.
    pub lost_batches: u64,
    /// Batches that the server can never take: what is in them is not valid, or they are too large. They are put aside in the folder
    /// `refused`, as they would have been sent, and their numbers are sent without rows. They take a quarter of `bytes_max` at most.
    pub refused_batches: u64,
    /// Error that has stopped sending for good: another producer of the same name, or a server or spool that is not what it
    /// was. Batches are still taken. An operator has to look.
    pub stopped: Option<StreamError>,
}

/// Status of a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneStatus {
    /// Number of the last batch taken.
    pub taken: BatchNumber,
    /// Number of the last batch that the server has acknowledged, as far as this process has heard.
    pub acknowledged: BatchNumber,
    /// Bytes on disk.
    pub bytes: u64,
    /// True while the stream of the lane is open.
    pub is_open: bool,
    /// What an operator has to mend before the next batch can be sent: a token, or a column that a declaration of the table adds. Nothing is lost
    /// meanwhile; `None` where nothing is waited for.
    pub waits_for: Option<String>,
    /// Last error that kept the lane from sending, in words.
    pub last_error: Option<String>,
}
