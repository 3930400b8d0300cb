//! All batches of a lane that are on disk, for tools that look into a gateway's folder.

use std::path::Path;
use std::sync::Mutex;

use zonelake_schemas::{BatchNumber, Epoch};

use super::cursor::{Cursor, Next};
use super::error::SpoolError;
use super::queue::Queue;
use crate::batch::EncodedBatch;

/// Opens the folder of a lane as its gateway does after a crash, and reads the batches that are not acknowledged, each with its number.
/// What cannot be read is put aside, as the gateway would. No gateway may have the folder open meanwhile.
///
/// # Errors
/// The folder cannot be read, or its numbers are lost.
pub fn read_spool(folder: &Path, epoch: Epoch) -> Result<Vec<(BatchNumber, EncodedBatch)>, SpoolError> {
    let queue = Queue::open(folder, epoch, SEGMENT_BYTES_MAX)?;
    let first = BatchNumber(queue.acknowledged().0 + 1);
    let (queue, mut cursor, mut lost) = (Mutex::new(queue), Cursor::at(first), 0);
    let mut batches = Vec::new();
    loop {
        match cursor.read(&queue, &mut lost)? {
            Next::Batch(number, batch) => batches.push((number, batch)),
            Next::Gone(_) => cursor.skip_gone(&queue),
            Next::End => return Ok(batches),
        }
    }
}

/// Nothing is written, so that it only has to be long enough.
const SEGMENT_BYTES_MAX: u64 = 64 << 20;
