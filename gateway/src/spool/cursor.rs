//! Reading a lane from a sequence number on, while batches are appended and earlier segments are released.

use std::fs::File;
use std::sync::{Mutex, PoisonError};

use zonelake_schemas::BatchNumber;

use super::error::{SpoolError, at};
use super::format::{HEADER_BYTES, InForce};
use super::queue::Queue;
use super::segment::read_block;
use crate::batch::EncodedBatch;

/// A position in a lane.
#[derive(Debug)]
pub(crate) struct Cursor {
    next: u64,
    position: Option<Position>,
}

#[derive(Debug)]
struct Position {
    first: u64,
    file: File,
    offset: u64,
    number: u64,
    in_force: InForce,
}

/// Batch at a cursor, or its absence.
#[derive(Debug)]
pub(crate) enum Next {
    /// A batch.
    Batch(BatchNumber, EncodedBatch),
    /// A number whose batch is no longer there: it was dropped when the spool was full, or cannot be read.
    Gone(BatchNumber),
    /// Nothing yet.
    End,
}

impl Cursor {
    /// At a number.
    pub(crate) fn at(number: BatchNumber) -> Self {
        Self { next: number.0, position: None }
    }

    /// Moves past numbers that no segment has: there may be many of them behind a damaged segment.
    pub(crate) fn skip_gone(&mut self, queue: &Mutex<Queue>) {
        self.next = queue.lock().unwrap_or_else(PoisonError::into_inner).first_kept(self.next);
    }

    /// Reads the batch at the cursor, which moves past it. A segment that cannot be read is quarantined, and `lost` counts
    /// its batches from here on.
    pub(crate) fn read(&mut self, queue: &Mutex<Queue>, lost: &mut u64) -> Result<Next, SpoolError> {
        loop {
            let number = BatchNumber(self.next);
            let (segment, end) = {
                let queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
                if number > queue.last_number() {
                    return Ok(Next::End);
                }
                let segment = queue.segment_of(self.next);
                let end = segment.as_ref().map(|segment| queue.end_of(segment.first));
                (segment, end.unwrap_or_default())
            };
            let Some(segment) = segment else {
                self.position = None;
                self.next += 1;
                return Ok(Next::Gone(number));
            };
            if self
                .position
                .as_ref()
                .is_none_or(|position| position.first != segment.first || position.number > self.next)
            {
                let file = match File::open(&segment.path) {
                    Ok(file) => file,
                    // The segment was released or dropped meanwhile: look again.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                    Err(source) => return Err(at(&segment.path)(source)),
                };
                let (first, offset) = (segment.first, HEADER_BYTES as u64);
                self.position = Some(Position { first, file, offset, number: first, in_force: InForce::default() });
            }
            let position = self.position.as_mut().expect("it was just set");
            let block = read_block(&position.file, position.offset, segment.bytes, &mut position.in_force);
            match block {
                Ok(Some((block, bytes))) if block.number.0 == position.number => {
                    position.offset += bytes;
                    position.number += 1;
                    if block.number == number {
                        self.next += 1;
                        return Ok(Next::Batch(number, block.batch));
                    }
                }
                _ => {
                    let at_byte = position.offset;
                    tracing::error!(path = %segment.path.display(), at_byte, batches = end - self.next, "a segment of the spool cannot be read from here on and is put aside; its batches are lost");
                    *lost += end - self.next;
                    self.position = None;
                    queue.lock().unwrap_or_else(PoisonError::into_inner).quarantine(segment.first)?;
                }
            }
        }
    }
}
