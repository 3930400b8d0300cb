//! Batches that were put aside, sent again once what the server refused them for is mended.

use std::path::Path;
use std::sync::Arc;

use zonelake_schemas::{BatchNumber, Lane};

use super::state::blocking;
use crate::connection::Connection;
use crate::error::StreamError;
use crate::spool::error::SpoolError;
use crate::spool::refused::{RefusedBatch, RefusedFolder};
use crate::spool::summary::SpoolSummary;
use crate::stream::batch_stream::BatchStream;
use crate::stream::options::StreamOptions;

/// Result of a retry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetryReport {
    /// Batches that are stored now and gone from the folder.
    pub stored: u64,
    /// Rows of them that the server took, as it acknowledged them.
    pub rows: u64,
    /// Batches that stay, each with the reason.
    pub refused: Vec<(String, String)>,
}

/// Reason why a retry stops. What was acknowledged is gone from the folder; the same retry goes on.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    /// The folder.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The stream.
    #[error(transparent)]
    Stream(#[from] StreamError),
}

/// Sends the refused batches of a spool again, each once whatever is killed meanwhile, on the back-fill lane. They are batches of a producer of their own, `NAME refused`:
/// their own numbers were sent without rows. The spool may be in use. `options` has token and pauses.
///
/// # Errors
/// [`RetryError`] where the folder cannot be used, the server cannot be reached, or refuses what is not in a batch.
pub async fn retry_refused(
    connection: &Arc<Connection>,
    options: &StreamOptions,
    spool: &Path,
) -> Result<RetryReport, RetryError> {
    let (summary, folder) = (SpoolSummary::read(spool)?, RefusedFolder::of(spool));
    let mut report = RetryReport::default();
    if summary.refused.is_empty() {
        return Ok(report);
    }
    let _lock = folder.lock()?;
    let options = StreamOptions {
        producer: producer_of(&summary.producer),
        table: summary.table.clone(),
        epoch: summary.epoch,
        encoding: summary.encoding,
        lane: Lane::Backfill,
        ..options.clone()
    };
    let mut stream = BatchStream::open(connection, options.clone()).await?;
    let mut waiting = settled(&folder, BatchNumber(stream.first_number().0 - 1), &mut report).await?;
    waiting.reverse();
    while let Some(batch) = waiting.pop() {
        let number = BatchNumber(stream.durable().0 + 1);
        let refusal = match send(&stream, &folder, &batch, number).await {
            Ok(()) => {
                report.stored += 1;
                continue;
            }
            Err(RetryError::Stream(error)) if is_of_batch(&error) => error,
            Err(error) => return Err(error),
        };
        report.rows += stream.totals().rows;
        // The name goes back before the number is given to another batch.
        settled(&folder, BatchNumber(number.0 - 1), &mut RetryReport::default()).await?;
        folder.note(&batch.name, &refusal.to_string())?;
        report.refused.push((batch.name, refusal.to_string()));
        drop(stream);
        stream = BatchStream::open(connection, options.clone()).await?;
    }
    report.rows += stream.totals().rows;
    Ok(report)
}

/// Removes the batches that the server has by their numbers, and names all others as waiting; gives these.
async fn settled(
    folder: &RefusedFolder,
    last: BatchNumber,
    report: &mut RetryReport,
) -> Result<Vec<RefusedBatch>, SpoolError> {
    let folder = folder.clone();
    let settle = move || {
        let (mut waiting, mut stored) = (Vec::new(), 0);
        for batch in folder.list()? {
            match batch.sent_as {
                Some(number) if number <= last => {
                    folder.remove(&batch)?;
                    stored += 1;
                }
                Some(_) => waiting.push(folder.name_as(&batch, None)?),
                None => waiting.push(batch),
            }
        }
        Ok((waiting, stored))
    };
    let (waiting, stored) = blocking(settle).await?;
    report.stored += stored;
    Ok(waiting)
}

async fn send(
    stream: &BatchStream,
    folder: &RefusedFolder,
    batch: &RefusedBatch,
    number: BatchNumber,
) -> Result<(), RetryError> {
    let (own, batch) = (folder.clone(), batch.clone());
    let named = move || own.name_as(&batch, Some(number)).and_then(|named| Ok((named.read()?, named)));
    let (encoded, named) = blocking(named).await?;
    let sent = stream.send(encoded).await?;
    assert!(sent == number, "numbers in names and on the stream go together: {number} and {sent}");
    stream.drained().await?;
    let folder = folder.clone();
    Ok(blocking(move || folder.remove(&named)).await?)
}

/// The producer's name, within the 128 bytes that one may have.
fn producer_of(name: &str) -> String {
    let end = (0..=name.len().min(PRODUCER_BYTES_MAX)).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
    format!("{}{REFUSED}", &name[..end])
}

fn is_of_batch(error: &StreamError) -> bool {
    match error {
        StreamError::Refused { code, .. } => {
            super::lane::is_of_content(*code) || super::lane::is_mended_by_declaration(*code)
        }
        StreamError::FrameTooLong { .. } | StreamError::TooManyRows { .. } => true,
        _ => false,
    }
}

const REFUSED: &str = " refused";
const PRODUCER_BYTES_MAX: usize = 128 - REFUSED.len();
