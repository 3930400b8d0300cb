//! The merge of sorted files into one.
//!
//! Memory: for each input the compressed row group that it is in and a batch of 8,192 rows, for the output the batches of one row
//! group, the columns that are being encoded, and the row group encoded. A row group ends at the rows that the options give it, or earlier
//! where its batches reach half of the budget.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use object_store::ObjectStore;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use tokio::io::AsyncWriteExt;
use zonelake_schemas::{OnRepeat, TableSchemas};

use crate::background::in_background;
use crate::data_file::{DataFile, date_text, path_in_store};
use crate::error::ParquetFileError;
use crate::file_encoder::FileLayout;
use crate::merge::encoder::MergeEncoder;
use crate::merge::input::{Batch, Input};
use crate::merge::order::next_run;
use crate::merge::rows::GroupRows;
use crate::options::ParquetOptions;
use crate::read::change::RowChange;
use crate::read::select::RowTest;

/// Files to merge.
#[derive(Debug, Clone)]
pub struct MergeInput {
    /// The table's schemas.
    pub schemas: Arc<TableSchemas>,
    /// The files, all of one date. Where rows are equal in zone, device and time, those of earlier files come first.
    pub files: Vec<Arc<DataFile>>,
    /// Rows that the new file does not get.
    pub dropped: Option<RowTest>,
    /// Other values that the rows get, in fields alone.
    pub changed: Option<RowChange>,
    /// What becomes of repeats. The new file does not get rows that cannot count any more.
    pub on_repeat: OnRepeat,
    /// Memory that the batches of one row group may take, in bytes.
    pub group_bytes_max: usize,
    /// Ends the merge between two row groups.
    pub is_stopping: Arc<AtomicBool>,
}

/// Merges files into one new file, which no table lists yet. It has all of their rows but those that are to be dropped and those that their repeats leave without effect; the inputs stay as they are. The work runs
/// at low priority.
///
/// # Errors
/// See [`ParquetFileError`]; nothing is stored then.
///
/// # Panics
/// Where no file is given, or files of several dates.
pub async fn merge_files(
    input: MergeInput,
    store: Arc<dyn ObjectStore>,
    table_root: &Path,
    options: &ParquetOptions,
) -> Result<DataFile, ParquetFileError> {
    let date = input.files[0].date;
    assert!(input.files.iter().all(|file| file.date == date), "files of one date are merged");
    let path = format!("date={}/part-{}.parquet", date_text(date)?, options.file_ids.next_id());
    let location = path_in_store(table_root, &path);
    let merge = Merge { input, store, table_root: table_root.clone(), options: options.clone(), location };
    let runtime = tokio::runtime::Handle::current();
    let (rows, encoder) = in_background(move || runtime.block_on(merge.run())).await??;
    let (bytes, checksum, stats) = encoder.into_summary();
    Ok(DataFile { path, bytes, rows, date, stats, checksum: Some(checksum) })
}

struct Merge {
    input: MergeInput,
    store: Arc<dyn ObjectStore>,
    table_root: Path,
    options: ParquetOptions,
    location: Path,
}

impl Merge {
    async fn run(self) -> Result<(u64, MergeEncoder), ParquetFileError> {
        let mut upload = BufWriter::new(Arc::clone(&self.store), self.location.clone());
        match self.write(&mut upload).await {
            Ok(written) => {
                upload.shutdown().await.map_err(|error| self.not_stored(error))?;
                Ok(written)
            }
            Err(error) => {
                if let Err(error) = upload.abort().await {
                    tracing::warn!(path = %self.location, %error, "cannot take back an upload; nothing lists it");
                }
                Err(error)
            }
        }
    }

    async fn write(&self, upload: &mut BufWriter) -> Result<(u64, MergeEncoder), ParquetFileError> {
        let layout = Arc::new(FileLayout::new(&self.input.schemas, &self.options)?);
        let mut encoder = MergeEncoder::new(layout, &self.options)?;
        // Rows that the file does not get: a later or an earlier one counts in their place.
        let mut repeats = 0;
        let mut rows = 0;
        let mut sources = self.open().await?;
        let mut group = GroupRows::default();
        let mut heads = Vec::with_capacity(sources.len());
        for source in &mut sources {
            heads.push(read(source, &mut group).await?);
        }
        let rows_max = self.options.row_group_rows_max.max(1);
        // Beyond the bound there are only repeats of the last row, of which a file has few.
        while let Some((from, run)) = next_run(&heads, rows_max.saturating_sub(group.rows()).max(1)) {
            let Some(head) = &mut heads[from] else { break };
            group.push(head.number, head.at, run);
            head.at += run;
            if head.at == head.rows.num_rows() {
                heads[from] = read(&mut sources[from], &mut group).await?;
            }
            let is_full = group.rows() >= rows_max || group.bytes() >= self.input.group_bytes_max;
            if is_full && (self.input.on_repeat.keeps_all() || !group.is_repeated_by(&heads)) {
                // No other memory is read on the strength of it.
                if self.input.is_stopping.load(Ordering::Relaxed) {
                    return Err(ParquetFileError::Stopped);
                }
                repeats += group.drop_repeats(self.input.on_repeat)?;
                rows += group.rows() as u64;
                encoder.add_row_group(&group)?;
                self.store(upload, &mut encoder).await?;
                group = GroupRows::default();
                // What is left of the batches goes on into the next group.
                for head in heads.iter_mut().flatten() {
                    head.number = group.add_batch(&head.rows);
                }
            }
        }
        if group.rows() > 0 {
            repeats += group.drop_repeats(self.input.on_repeat)?;
            rows += group.rows() as u64;
            encoder.add_row_group(&group)?;
        }
        let given: u64 = sources.iter().map(Input::rows_given).sum();
        if rows + repeats != given {
            let expected = given.saturating_sub(repeats);
            return Err(ParquetFileError::OtherRows { path: self.location.to_string(), expected, found: rows });
        }
        encoder.finish()?;
        self.store(upload, &mut encoder).await?;
        Ok((rows, encoder))
    }

    async fn open(&self) -> Result<Vec<Input>, ParquetFileError> {
        let mut inputs = Vec::with_capacity(self.input.files.len());
        for file in &self.input.files {
            let schema = Arc::clone(&self.input.schemas.file);
            let input = Input::open(Arc::clone(&self.store), &self.table_root, file, schema).await?;
            inputs.push(input.without(self.input.dropped.clone()).with_values(self.input.changed.clone()));
        }
        Ok(inputs)
    }

    async fn store(&self, upload: &mut BufWriter, encoder: &mut MergeEncoder) -> Result<(), ParquetFileError> {
        upload.put(encoder.take_bytes()?).await.map_err(|error| self.not_stored(error))
    }

    fn not_stored(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ParquetFileError {
        ParquetFileError::Store { path: self.location.to_string(), source: source.into() }
    }
}

async fn read(source: &mut Input, group: &mut GroupRows) -> Result<Option<Batch>, ParquetFileError> {
    let batch = source.next(group.next_number()).await?;
    if let Some(batch) = &batch {
        group.add_batch(&batch.rows);
    }
    Ok(batch)
}
