//! Each row of a file says which row of which record it is; a merge keeps that, and it costs next to nothing.
#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect, and its numbers are small")]

#[expect(dead_code, reason = "these tests use a part of it")]
mod rows;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Decimal32Array, RecordBatch, TimestampMicrosecondArray, UInt8Array, UInt32Array,
};
use arrow::datatypes::Int64Type;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ArrowWriter;
use proptest::prelude::*;
use zonelake_parquet::{
    ChunkOrigins, DataFile, MergeInput, ParquetOptions, SortInput, StatValue, merge_files, path_in_store, write_sorted,
};
use zonelake_schemas::{
    GroupSequence, Location, Locations, Lsn, OnRepeat, RowOrigin, ShardNumber, TableDef, TableSchemas, identity,
};

use crate::rows::{Identity, Row, chunk, file_identities, open, places, table};

const DAY_US: i64 = 86_400_000_000;

struct Files {
    store: Arc<dyn ObjectStore>,
    root: Path,
    options: ParquetOptions,
}

impl Files {
    fn new() -> Self {
        let options = ParquetOptions { encode_threads: 2, ..ParquetOptions::default() };
        Self { store: Arc::new(InMemory::new()), root: Path::from("air"), options }
    }

    async fn write(
        &self,
        (def, places): (&TableDef, &Locations),
        chunks: &[RecordBatch],
        origins: &[ChunkOrigins],
    ) -> Vec<Arc<DataFile>> {
        let input = SortInput {
            schemas: &TableSchemas::new(def),
            chunks,
            origins,
            locations: places,
            on_repeat: OnRepeat::KeepAll,
        };
        let files = write_sorted(input, Arc::clone(&self.store), &self.root, &self.options).await.unwrap();
        files.into_iter().map(Arc::new).collect()
    }

    async fn merge(&self, files: &[Arc<DataFile>]) -> Arc<DataFile> {
        let input = MergeInput {
            schemas: Arc::new(TableSchemas::new(&table())),
            files: files.to_vec(),
            dropped: None,
            changed: None,
            on_repeat: OnRepeat::KeepAll,
            group_bytes_max: 4_000,
            is_stopping: Arc::default(),
        };
        Arc::new(merge_files(input, Arc::clone(&self.store), &self.root, &self.options).await.unwrap())
    }

    /// Identity of each row of some files by the number that is its `count`.
    async fn identities(&self, files: &[Arc<DataFile>]) -> BTreeMap<i64, Identity> {
        let mut found = BTreeMap::new();
        for file in files {
            let bytes = self.store.get(&path_in_store(&self.root, &file.path)).await.unwrap().bytes().await.unwrap();
            for batch in open(bytes).build().unwrap() {
                let batch = batch.unwrap();
                let counts = batch.column_by_name("count").unwrap().as_primitive::<Int64Type>().clone();
                for (count, identity) in counts.iter().zip(file_identities(&batch)) {
                    assert!(found.insert(count.unwrap(), identity).is_none(), "a row is there once");
                }
            }
        }
        found
    }

    /// A file as a release before the identity has written it: without the columns.
    async fn without_columns(&self, file: &DataFile) -> Arc<DataFile> {
        let path = path_in_store(&self.root, &file.path);
        let bytes = self.store.get(&path).await.unwrap().bytes().await.unwrap();
        let batches: Vec<RecordBatch> = open(bytes).build().unwrap().map(Result::unwrap).collect();
        let kept: Vec<usize> = (0..batches[0].num_columns() - identity::COLUMNS.len()).collect();
        let batches: Vec<RecordBatch> = batches.iter().map(|batch| batch.project(&kept).unwrap()).collect();
        let mut out = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut out, batches[0].schema(), None).unwrap();
        batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.close().unwrap();
        let path = file.path.replace("part-", "part-of-before-");
        let of_before = DataFile { path, bytes: out.len() as u64, checksum: None, ..file.clone() };
        self.store.put(&path_in_store(&self.root, &of_before.path), out.into()).await.unwrap();
        Arc::new(of_before)
    }
}

fn row(count: i64, time: i64, key: u32) -> Row {
    Row {
        time,
        ingested_at: time + 1,
        key,
        quality: 0,
        backfill: false,
        pm2_5: None,
        total: None,
        raw: None,
        count: Some(count),
        open: None,
        note: None,
        seen: None,
    }
}

/// Chunks of records with so many rows, and what each row is to have.
fn made(chunks: &[Vec<Vec<(i64, u32)>>], first: i64) -> (Vec<RecordBatch>, Vec<ChunkOrigins>, BTreeMap<i64, Identity>) {
    let (mut batches, mut origins, mut expected) = (Vec::new(), Vec::new(), BTreeMap::new());
    let mut count = first;
    for (number, records) in chunks.iter().enumerate() {
        // The largest number that a shard can have, and others.
        let shard = ShardNumber(i64::MAX.unsigned_abs() - number as u64 % 3);
        let (mut rows, mut of_chunk) = (Vec::new(), Vec::new());
        for (at, record) in records.iter().enumerate() {
            let lsn = first.unsigned_abs() + (number * 1_000 + at * at) as u64 + 1;
            let sequence = lsn * 3;
            for (place, &(time, key)) in (0..).zip(record) {
                let identity = (shard.0.cast_signed(), lsn.cast_signed(), place, sequence.cast_signed());
                expected.insert(count, Some(identity));
                rows.push(row(count, time, key));
                count += 1;
            }
            let rows = u32::try_from(record.len()).unwrap();
            of_chunk.push(RowOrigin { lsn: Lsn(lsn), sequence: GroupSequence(sequence), rows });
        }
        batches.push(chunk(&rows));
        origins.push(ChunkOrigins::new(shard, of_chunk));
    }
    (batches, origins, expected)
}

fn any_chunks(days: i64) -> impl Strategy<Value = Vec<Vec<Vec<(i64, u32)>>>> {
    let any_row = (0..days, 0i64..40, 1u32..=6).prop_map(|(day, time, key)| (day * DAY_US + time, key));
    prop::collection::vec(prop::collection::vec(prop::collection::vec(any_row, 1..20), 1..6), 1..5)
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn each_row_of_a_file_has_the_identity_that_it_had_in_memory(chunks in any_chunks(9), page_rows in 1usize..30) {
        block_on(async {
            let mut files = Files::new();
            files.options.page_rows_max = page_rows;
            files.options.row_group_rows_max = 50;
            let (batches, origins, expected) = made(&chunks, 0);
            let written = files.write((&table(), &places()), &batches, &origins).await;
            assert_eq!(files.identities(&written).await, expected);
            for (column, is_known) in [(identity::SHARD, true), (identity::LSN, true), (identity::SEQUENCE, true), (identity::ROW, false)] {
                assert!(written.iter().all(|file| file.stats.contains_key(column) == is_known), "{column}");
            }
            let lsns = expected.values().flatten().map(|(_, lsn, ..)| *lsn);
            let bound = |of: fn(&DataFile) -> &Option<StatValue>, file: &Arc<DataFile>| match of(file) {
                Some(StatValue::Integer(lsn)) => *lsn,
                other => panic!("{other:?}"),
            };
            let lowest = written.iter().map(|file| bound(|file| &file.stats[identity::LSN].min, file)).min();
            let highest = written.iter().map(|file| bound(|file| &file.stats[identity::LSN].max, file)).max();
            assert_eq!((lowest, highest), (lsns.clone().min(), lsns.max()));
        });
    }

    #[test]
    fn a_merge_keeps_which_row_of_which_record_a_row_is_and_what_has_none_gets_none(
        inputs in prop::collection::vec((any_chunks(1), 0..4), 2..5),
    ) {
        block_on(async {
            let files = Files::new();
            let (mut written, mut expected) = (Vec::new(), BTreeMap::new());
            for (number, (chunks, kind)) in (0..).zip(&inputs) {
                let (batches, origins, identities) = made(chunks, number * 1_000_000);
                // Two of four kinds have no identity: rows whose origin was not known, and a file of before.
                let origins = if *kind == 1 { Vec::new() } else { origins };
                let mut file = files.write((&table(), &places()), &batches, &origins).await.remove(0);
                if *kind == 2 {
                    file = files.without_columns(&file).await;
                }
                let is_known = *kind != 1 && *kind != 2;
                expected.extend(identities.into_iter().map(|(row, identity)| (row, identity.filter(|_| is_known))));
                written.push(file);
            }
            let once = files.merge(&written).await;
            assert_eq!(files.identities(&[Arc::clone(&once)]).await, expected);
            // And again, as a file of the next size class is merged.
            let (batches, origins, more) = made(&inputs[0].0, 50_000_000);
            let other = files.write((&table(), &places()), &batches, &origins).await.remove(0);
            expected.extend(more);
            let twice = files.merge(&[once, other]).await;
            assert_eq!(files.identities(&[twice]).await, expected);
        });
    }
}

/// Rows of 20 gateways with 50 devices each, a row a second, as batches of so many rows: eight decimals that walk.
fn station_batches(rows_of_batch: usize, rows: usize) -> (TableDef, Locations, Vec<RecordBatch>, Vec<ChunkOrigins>) {
    let fields: String =
        (0..8).map(|field| format!("[[field]]\nname = \"f{field}\"\ntype = \"double\"\ndecimals = 2\n")).collect();
    let def = TableDef::from_toml(&format!("name = \"air\"\n{fields}")).unwrap();
    let schema = TableSchemas::new(&def).live;
    let location = |device: u32| Location {
        zone: Some(format!("zone-{:02}", device % 20).into()),
        device: Some(format!("station-{device:05}").into()),
        ..Location::default()
    };
    let places = Locations::new((0..1_000).map(|device| Arc::new(location(device))).collect());
    let mut walks = vec![[5_000i32; 8]; 1_000];
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut step = |width: i32| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        i32::try_from(state % u64::from(width.unsigned_abs())).unwrap() - width / 2
    };
    let (mut batches, mut origins) = (Vec::new(), Vec::new());
    let mut sent = [0usize; 20];
    for (number, gateway) in (0..rows / rows_of_batch).map(|number| (number as u64, number % 20)) {
        let at = |row: usize| (sent[gateway] + row, gateway + 20 * ((sent[gateway] + row) % 50));
        let rows: Vec<(usize, usize)> = (0..rows_of_batch).map(at).collect();
        let times = rows.iter().map(|(row, _)| 1_767_225_600_000_000 + (row / 50) as i64 * 1_000_000);
        let received = 1_767_225_700_000_000 + number as i64 * 2_017 + number as i64 % 7;
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")),
            Arc::new(TimestampMicrosecondArray::from_value(received, rows_of_batch).with_timezone("UTC")),
            Arc::new(UInt32Array::from_iter_values(rows.iter().map(|(_, device)| u32::try_from(*device + 1).unwrap()))),
            Arc::new(UInt8Array::from_value(0, rows_of_batch)),
            Arc::new(BooleanArray::from(vec![false; rows_of_batch])),
        ];
        for field in 0..8 {
            let values = rows.iter().map(|(_, device)| {
                let walk = &mut walks[*device][field];
                *walk += step([60, 100, 10, 20, 3, 40, 5, 10][field]);
                *walk
            });
            let values = Decimal32Array::from_iter_values(values).with_precision_and_scale(9, 2).unwrap();
            columns.push(Arc::new(values));
        }
        sent[gateway] += rows_of_batch;
        batches.push(RecordBatch::try_new(Arc::clone(&schema), columns).unwrap());
        // Some groups have several records.
        let sequence = GroupSequence(number * 2 / 3 + 1);
        let record = RowOrigin { lsn: Lsn(number + 1), sequence, rows: u32::try_from(rows_of_batch).unwrap() };
        origins.push(ChunkOrigins::new(ShardNumber((0x5a5a_1234_5678 << 16) + gateway as u64 % 2), vec![record]));
    }
    (def, places, batches, origins)
}

#[tokio::test]
async fn the_identity_costs_next_to_nothing_in_a_sorted_file() {
    let mut costs = Vec::new();
    // Rows of a batch, and the most that the identity may cost a reading, in thousandths of a byte.
    for (rows_of_batch, most) in [(8_192, 15), (1_000, 20), (100, 25), (50, 25)] {
        let files = Files::new();
        let (def, places, batches, origins) = station_batches(rows_of_batch, 200_000);
        let readings = 8 * batches.iter().map(RecordBatch::num_rows).sum::<usize>() as u64;
        let mut bytes = Vec::new();
        for origins in [&[][..], &origins[..]] {
            let written = files.write((&def, &places), &batches, origins).await;
            bytes.push(written.iter().map(|file| file.bytes).sum::<u64>() * 1_000 / readings);
        }
        costs.push((rows_of_batch, bytes[0], bytes[1], most));
    }
    println!("rows of a batch; thousandths of a byte a reading without identity, with it, and the most: {costs:?}");
    assert!(costs.iter().all(|(_, without, with, most)| *with <= without + most), "{costs:?}");
}
