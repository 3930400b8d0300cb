//! Files that are merged: the same rows in the same order as one write of all of them, in a sound file.
#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect, and its numbers are small")]

#[expect(dead_code, reason = "these tests use a part of it")]
mod rows;

use std::sync::Arc;

use arrow::array::RecordBatch;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use zonelake_objects::SyncedStore;
use zonelake_parquet::{
    DataFile, MergeInput, ParquetFileError, ParquetOptions, SortInput, merge_files, path_in_store, verify_file,
    write_sorted,
};
use zonelake_schemas::{OnRepeat, TableSchemas};

use crate::rows::{FileRow, Row, chunk, file_rows, open, places, table};

struct Folder {
    _folder: tempfile::TempDir,
    store: Arc<dyn ObjectStore>,
    root: Path,
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SyncedStore::new(folder.path()).unwrap();
        let root = store.root().clone().join("tables").join("air");
        Self { _folder: folder, store: Arc::new(store), root }
    }

    /// Rows of one date as one file.
    async fn write(&self, chunks: &[RecordBatch], options: &ParquetOptions) -> Arc<DataFile> {
        let places = places();
        let input = SortInput {
            schemas: &TableSchemas::new(&table()),
            chunks,
            origins: &[],
            locations: &places,
            on_repeat: OnRepeat::KeepAll,
        };
        let mut files = write_sorted(input, Arc::clone(&self.store), &self.root, options).await.unwrap();
        assert_eq!(files.len(), 1);
        Arc::new(files.remove(0))
    }

    async fn merge(
        &self,
        files: &[Arc<DataFile>],
        options: &ParquetOptions,
        group_bytes_max: usize,
    ) -> Result<DataFile, ParquetFileError> {
        let input = MergeInput {
            schemas: Arc::new(TableSchemas::new(&table())),
            files: files.to_vec(),
            dropped: None,
            changed: None,
            on_repeat: OnRepeat::KeepAll,
            group_bytes_max,
            is_stopping: Arc::default(),
        };
        merge_files(input, Arc::clone(&self.store), &self.root, options).await
    }

    async fn read(&self, file: &DataFile) -> Vec<FileRow> {
        verify_file(&TableSchemas::new(&table()), &self.store, &self.root, file).await.unwrap();
        let bytes = self.store.get(&path_in_store(&self.root, &file.path)).await.unwrap().bytes().await.unwrap();
        open(bytes).build().unwrap().flat_map(|batch| file_rows(&batch.unwrap())).collect()
    }
}

fn any_row() -> impl Strategy<Value = Row> {
    let numbers = (prop::option::of(-9_999i32..9_999), prop::option::of(any::<i64>()), prop::option::of(-1e3f64..1e3));
    let others = (prop::option::of(any::<bool>()), prop::option::of("[a-cé]{0,3}"), any::<bool>());
    (0i64..50, 1u32..=6, 0u8..3, numbers, others).prop_map(|(time, key, quality, numbers, others)| Row {
        time,
        ingested_at: time + 7,
        key,
        quality,
        backfill: others.2,
        pm2_5: numbers.0,
        total: numbers.0.map(i64::from),
        raw: numbers.2,
        count: numbers.1,
        open: others.0,
        note: others.1,
        seen: numbers.0.map(i64::from),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_merged_file_is_what_one_write_of_all_rows_would_have_made(
        files in prop::collection::vec(prop::collection::vec(any_row(), 1..60), 1..6),
        (group_rows, page_rows) in (1usize..70, 1usize..20),
        group_bytes_max in prop::sample::select(vec![1usize, 4_000, 1 << 30]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = Folder::new();
            let options = ParquetOptions {
                row_group_rows_max: group_rows,
                page_rows_max: page_rows,
                encode_threads: 2,
                ..ParquetOptions::default()
            };
            let mut written = Vec::new();
            for rows in &files {
                written.push(folder.write(&[chunk(rows)], &options).await);
            }
            let merged = folder.merge(&written, &options, group_bytes_max).await.unwrap();
            // Equal keys keep the order of the files, as one write keeps the order of arrival.
            let chunks: Vec<RecordBatch> = files.iter().map(|rows| chunk(rows)).collect();
            let at_once = folder.write(&chunks, &options).await;
            assert_eq!(folder.read(&merged).await, folder.read(&at_once).await);
            assert_eq!((merged.rows, &merged.stats, merged.date), (at_once.rows, &at_once.stats, at_once.date));
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_not_sorted_is_refused_by_its_name_and_nothing_is_left_behind() {
    let folder = Folder::new();
    let options = ParquetOptions::default();
    let good = folder.write(&[chunk(&[row(1), row(2)])], &options).await;
    let other = folder.write(&[chunk(&[row(3)])], &options).await;
    // Another program has put the rows of a file into another order.
    let bytes = folder.store.get(&path_in_store(&folder.root, &good.path)).await.unwrap().bytes().await.unwrap();
    let batch = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap().next().unwrap().unwrap();
    let turned = arrow::compute::concat_batches(&batch.schema(), [&batch.slice(1, 1), &batch.slice(0, 1)]).unwrap();
    let mut out = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut out, turned.schema(), None).unwrap();
    writer.write(&turned).unwrap();
    writer.close().unwrap();
    let bad = DataFile {
        path: "date=1970-01-01/part-turned.parquet".into(),
        bytes: out.len() as u64,
        ..DataFile::clone(&good)
    };
    folder.store.put(&path_in_store(&folder.root, &bad.path), out.into()).await.unwrap();
    let before = count(&folder).await;
    let error = folder.merge(&[other, Arc::new(bad)], &options, 1 << 20).await.unwrap_err();
    assert!(error.to_string().contains("part-turned.parquet is not sorted"), "{error}");
    assert_eq!(count(&folder).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_other_rows_than_the_table_lists_is_refused_by_its_name_and_nothing_is_left_behind() {
    let folder = Folder::new();
    let options = ParquetOptions::default();
    let good = folder.write(&[chunk(&[row(1), row(2)])], &options).await;
    let other = folder.write(&[chunk(&[row(3)])], &options).await;
    let before = count(&folder).await;
    for rows in [1, 3] {
        let listed = Arc::new(DataFile { rows, ..DataFile::clone(&good) });
        // Row groups of one row: those of before were already written when the end of the file tells.
        let error = folder.merge(&[Arc::clone(&other), listed], &options, 1).await.unwrap_err();
        let wanted = format!("{} has 2 rows where {rows} were expected", good.path);
        assert!(error.to_string().contains(&wanted), "{error}");
        assert_eq!(count(&folder).await, before);
    }
    assert_eq!(folder.merge(&[other, good], &options, 1).await.unwrap().rows, 3);
}

fn row(time: i64) -> Row {
    Row {
        time,
        ingested_at: time,
        key: 1,
        quality: 0,
        backfill: false,
        pm2_5: Some(1),
        total: None,
        raw: None,
        count: None,
        open: None,
        note: None,
        seen: None,
    }
}

async fn count(folder: &Folder) -> usize {
    use futures::TryStreamExt;
    folder.store.list(None).try_collect::<Vec<_>>().await.unwrap().len()
}
