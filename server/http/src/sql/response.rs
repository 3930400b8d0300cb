//! Rows on their way to the client, written on the threads of statements.

use arrow::record_batch::RecordBatch;
use axum::body::Bytes;
use futures::StreamExt;
use tokio::sync::mpsc;
use zonelake_query::{QueryEngine, QueryError, QueryErrorCode, QueryResult, Zone};

use crate::sql::compression::Encoding;
use crate::sql::formats::Format;

/// Form in which a response is written.
#[derive(Clone, Copy)]
pub(crate) struct ResponseForm {
    /// Format of the rows.
    pub format: Format,
    /// Compression.
    pub encoding: Encoding,
    /// Rows that it may have.
    pub rows_max: Option<u64>,
    /// Zone in which instants are written.
    pub zone: Zone,
}

/// Pieces of a body that are made before the one that is sent.
const PIECES_AHEAD: usize = 4;

/// Writes a response. The last piece is an error or ends the response.
///
/// Writing and compression take the threads of statements, which run at lower priority than those that take readings.
pub(crate) fn spawn_pieces(
    engine: &QueryEngine,
    result: QueryResult,
    form: ResponseForm,
) -> mpsc::Receiver<Result<Bytes, QueryError>> {
    let (to, from) = mpsc::channel(PIECES_AHEAD);
    engine.spawn(async move {
        if let Err(error) = write_pieces(result, form, &to).await
            && to.send(Err(error)).await.is_err()
        {
            tracing::debug!("a response failed after its client had gone");
        }
    });
    from
}

async fn write_pieces(
    mut result: QueryResult,
    form: ResponseForm,
    to: &mpsc::Sender<Result<Bytes, QueryError>>,
) -> Result<(), QueryError> {
    let mut writer = form.format.writer(&result.schema, form.zone)?;
    let mut compressor = form.encoding.encoder().map_err(not_compressed)?;
    let mut rows = 0;
    loop {
        // A statement may compute for long before its next rows; a client that has gone does not wait for them.
        let batch = tokio::select! {
            batch = result.stream.next() => batch,
            () = to.closed() => return Ok(()),
        };
        let Some(batch) = batch else { break };
        let batch: RecordBatch = batch?;
        rows += batch.num_rows() as u64;
        if let Some(rows_max) = form.rows_max.filter(|rows_max| rows > *rows_max) {
            let message = format!("the answer has more than {rows_max} rows, which max_rows allows");
            return Err(QueryError::new(QueryErrorCode::TooLarge, message));
        }
        let piece = writer.batch(&batch)?;
        // Some formats hold rows back. A flush for nothing would cost the client bytes.
        if piece.is_empty() {
            continue;
        }
        let piece = compressor.piece(piece).map_err(not_compressed)?;
        if !piece.is_empty() && to.send(Ok(piece)).await.is_err() {
            return Ok(());
        }
    }
    let last = compressor.end(writer.end()?).map_err(not_compressed)?;
    if to.send(Ok(last)).await.is_err() {
        tracing::debug!("the client has gone before the end of its response");
    }
    Ok(())
}

fn not_compressed(error: std::io::Error) -> QueryError {
    QueryError::new(QueryErrorCode::Internal, format!("the answer cannot be compressed: {error}"))
}
