//! Live rows to sorted Parquet files: into memory, and to the disk, synced.

use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::runtime::Runtime;
use zonelake_objects::SyncedStore;
use zonelake_parquet::{ChunkOrigins, DataFile, ParquetOptions, SortInput, path_in_store, write_sorted};
use zonelake_schemas::{GroupSequence, Lsn, OnRepeat, RowOrigin, ShardNumber};

use crate::harness::{DECIMALS, ENVIRONMENT, Form, Harness, LARGE, scratch};
use crate::sort::ROWS;
use crate::stage;

pub(crate) fn measure(criterion: &mut Criterion) {
    let mut group = stage::long(criterion, "parquet");
    let points = [(DECIMALS, 1, "memory"), (DECIMALS, 2, "memory"), (DECIMALS, 2, "disk"), (ENVIRONMENT, 1, "memory")];
    for (form, threads, to) in points {
        group.throughput(Throughput::Elements(8 * ROWS as u64));
        let mut prepared = None;
        group.bench_function(BenchmarkId::new(format!("{}_{threads}_threads", form.name), to), |bencher| {
            let job = prepared.get_or_insert_with(|| Job::new(form, threads));
            let folder = scratch();
            let (store, root): (Arc<dyn ObjectStore>, Path) = if to == "disk" {
                let synced = SyncedStore::new(folder.path()).expect("the folder exists");
                let root = synced.root().clone();
                (Arc::new(synced), root)
            } else {
                (Arc::new(InMemory::new()), Path::from("table"))
            };
            bencher.iter(|| job.write(&store, &root));
        });
    }
    group.finish();
}

/// Rows of a table that are to be written again and again.
struct Job {
    harness: Harness,
    form: Form,
    options: ParquetOptions,
    chunks: Vec<arrow::array::RecordBatch>,
    origins: Vec<ChunkOrigins>,
}

impl Job {
    fn new(form: Form, encode_threads: usize) -> Self {
        let harness = Harness::new();
        let options = ParquetOptions { encode_threads, ..ParquetOptions::default() };
        let chunks = harness.live_rows(form, LARGE, ROWS);
        let origins = (1..).zip(&chunks).map(|(number, chunk): (u64, &arrow::array::RecordBatch)| {
            let rows = chunk.num_rows() as u32;
            let record = RowOrigin { lsn: Lsn(number), sequence: GroupSequence(number), rows };
            ChunkOrigins::new(ShardNumber(65_536), vec![record])
        });
        let origins = origins.collect();
        let job = Self { harness, form, options, chunks, origins };
        let files = job.write(&(Arc::new(InMemory::new()) as _), &Path::from("table"));
        let bytes: u64 = files.iter().map(|file| file.bytes).sum();
        println!(
            "parquet/{}: {:.3} bytes a reading, {} files",
            form.name,
            bytes as f64 / (8 * ROWS) as f64,
            files.len()
        );
        job
    }

    fn write(&self, store: &Arc<dyn ObjectStore>, root: &Path) -> Vec<DataFile> {
        let registered = &self.harness.table(self.form.table).registered;
        let locations = self.harness.store.registry().locations();
        let input = SortInput {
            schemas: &registered.schemas,
            chunks: &self.chunks,
            origins: &self.origins,
            locations: &locations,
            on_repeat: OnRepeat::KeepAll,
        };
        let runtime: &Runtime = &self.harness.runtime;
        runtime.block_on(async {
            let files = write_sorted(input, Arc::clone(store), root, &self.options).await;
            let files = files.expect("the rows can be written");
            for file in &files {
                let path = path_in_store(root, &file.path);
                store.delete(&path).await.expect("the file is there");
            }
            files
        })
    }
}
