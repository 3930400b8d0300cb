//! A file in the making whose row groups come one after the other.

use std::sync::Arc;

use parquet::file::writer::SerializedFileWriter;

use crate::background::in_threads;
use crate::error::ParquetFileError;
use crate::file_encoder::{ColumnEncoder, EncodedChunk, FileLayout, FileSummary, HashedBuffer, summary};
use crate::merge::rows::GroupRows;
use crate::options::ParquetOptions;
use crate::stats::StatsBuilder;

/// A file in the making.
pub(super) struct MergeEncoder {
    writer: SerializedFileWriter<HashedBuffer>,
    layout: Arc<FileLayout>,
    options: ParquetOptions,
    stats: Vec<StatsBuilder>,
}

impl MergeEncoder {
    pub(super) fn new(layout: Arc<FileLayout>, options: &ParquetOptions) -> Result<Self, ParquetFileError> {
        let writer = layout.writer()?;
        let stats = layout.schema.fields().iter().map(|_| StatsBuilder::default()).collect();
        Ok(Self { writer, layout, options: options.clone(), stats })
    }

    /// Encodes rows as one row group, its columns in several threads.
    pub(super) fn add_row_group(&mut self, rows: &GroupRows) -> Result<(), ParquetFileError> {
        // The rows are one group, however many they are.
        let options = ParquetOptions { row_group_rows_max: usize::MAX, ..self.options.clone() };
        let (layout, descriptions) = (&self.layout, self.writer.schema_descr().columns());
        let encode = |position: usize| {
            let (field, descr) = (&layout.schema.fields()[position], &descriptions[position]);
            let encoder =
                ColumnEncoder { field, descr, properties: &layout.properties, rows: rows.rows(), options: &options };
            encoder.encode(&rows.column(position)?).map(|encoded| (position, encoded))
        };
        let mut columns = in_threads(self.options.encode_threads, (0..layout.schema.fields().len()).collect(), encode)?;
        columns.sort_unstable_by_key(|(position, _)| *position);
        let mut row_group = self.writer.next_row_group()?;
        for ((_, column), stats) in columns.into_iter().zip(&mut self.stats) {
            stats.merge(column.stats);
            for chunk in column.chunks {
                match chunk {
                    EncodedChunk::Known(chunk) => row_group.append_column(&chunk.bytes, chunk.close)?,
                    EncodedChunk::General(chunk) => chunk.append_to_row_group(&mut row_group)?,
                }
            }
        }
        row_group.close()?;
        Ok(())
    }

    /// Encodes the page index and the footer: the file is complete.
    pub(super) fn finish(&mut self) -> Result<(), ParquetFileError> {
        self.writer.finish()?;
        Ok(())
    }

    /// The bytes that have come since the last call.
    pub(super) fn take_bytes(&mut self) -> Result<bytes::Bytes, ParquetFileError> {
        HashedBuffer::take_pending(&mut self.writer)
    }

    /// Size, checksum and statistics of the complete file.
    pub(super) fn into_summary(self) -> FileSummary {
        summary(&self.writer, &self.layout, self.stats)
    }
}
