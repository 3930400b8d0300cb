//! Live rows to sorted Parquet files: into memory, and to the disk, synced.

use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::runtime::Runtime;
use zonelake_objects::SyncedStore;
use zonelake_parquet::{DataFile, ParquetOptions, SortInput, path_in_store, write_sorted};

use crate::bed::{Bed, DECIMALS, ENVIRONMENT, Form, LARGE, scratch};
use crate::rung;
use crate::sort::ROWS;

pub fn measure(criterion: &mut Criterion) {
    let mut group = rung::long(criterion, "parquet");
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
    bed: Bed,
    form: Form,
    options: ParquetOptions,
    chunks: Vec<arrow::array::RecordBatch>,
}

impl Job {
    fn new(form: Form, encode_threads: usize) -> Self {
        let bed = Bed::new();
        let options = ParquetOptions { encode_threads, ..ParquetOptions::default() };
        let chunks = bed.live_rows(form, LARGE, ROWS);
        let job = Self { bed, form, options, chunks };
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
        let registered = &self.bed.table(self.form.table).registered;
        let places = self.bed.store.registry().places();
        let input = SortInput { schemas: &registered.schemas, chunks: &self.chunks, locations: &places };
        let runtime: &Runtime = &self.bed.runtime;
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
