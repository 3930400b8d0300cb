//! What is in a spool, for an operator. It may be in use meanwhile.

use std::path::Path;

use zonelake_schemas::wire::control::Encoding;
use zonelake_schemas::{Epoch, Lane};

use super::error::SpoolError;
use super::identity::read;
use super::queue::read_acknowledged;
use super::refused::{RefusedBatch, RefusedFolder};
use super::segment::{list, scan};

/// Content of a spool.
#[derive(Debug, Clone)]
pub struct SpoolSummary {
    /// Producer of its batches.
    pub producer: String,
    /// Table that they go to.
    pub table: String,
    /// Encoding of their payloads.
    pub encoding: Encoding,
    /// Epoch of the spool.
    pub epoch: Epoch,
    /// Each lane.
    pub lanes: Vec<LaneSummary>,
    /// Batches that were put aside.
    pub refused: Vec<RefusedBatch>,
}

/// Content of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneSummary {
    /// Lane.
    pub lane: Lane,
    /// Number of the last batch taken.
    pub last: u64,
    /// Batches on disk; of the first segment some may be acknowledged.
    pub batches: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl SpoolSummary {
    /// Reads a spool's folder and changes nothing in it.
    ///
    /// # Errors
    /// [`SpoolError`] where it cannot be read or is no spool.
    pub fn read(folder: &Path) -> Result<Self, SpoolError> {
        let identity = read(folder)?;
        let epoch = Epoch(identity.epoch);
        let mut lanes = Vec::new();
        for (lane, name) in [(Lane::Live, "live"), (Lane::Backfill, "backfill")] {
            let folder = folder.join(name);
            if !folder.exists() {
                continue;
            }
            let segments = list(&folder, epoch)?;
            let acknowledged = read_acknowledged(&folder)?.0;
            let end = match segments.back() {
                Some(last) => scan(last)?.map_or(last.first, |found| last.first + found.batches),
                None => acknowledged + 1,
            };
            let first = segments.front().map_or(end, |segment| segment.first.max(acknowledged + 1));
            lanes.push(LaneSummary {
                lane,
                last: end - 1,
                batches: end.saturating_sub(first),
                bytes: segments.iter().map(|segment| segment.bytes).sum(),
            });
        }
        Ok(Self {
            producer: identity.producer,
            table: identity.table,
            encoding: if identity.encoding == "line" { Encoding::Line } else { Encoding::Arrow },
            epoch,
            lanes,
            refused: RefusedFolder::of(folder).list()?,
        })
    }
}
