//! What is written is read back, sorted, with statistics that hold, and damage to it is found.
#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect, and its numbers are small")]

#[expect(dead_code, reason = "these tests use a part of it")]
mod rows;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{FieldRef, Schema};
use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::{Compression, Encoding, Type};
use parquet::file::metadata::ParquetMetaData;
use proptest::prelude::*;
use zonelake_objects::SyncedStore;
use zonelake_parquet::{
    DataFile, FileDamage, ParquetFileError, ParquetOptions, SortInput, StatValue, VerifiedFile, path_in_store,
    verify_file, write_sorted,
};
use zonelake_schemas::{DeviceKey, Locations, OnRepeat, TableSchemas};

use crate::rows::{FileRow, Row, chunk, file_rows, in_file, open, places, table};

/// A data folder with one table.
struct Folder {
    folder: tempfile::TempDir,
    store: Arc<dyn ObjectStore>,
    root: Path,
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SyncedStore::new(folder.path()).unwrap();
        let root = store.root().clone().join("tables").join("air");
        Self { folder, store: Arc::new(store), root }
    }

    async fn write(&self, chunks: &[RecordBatch], options: &ParquetOptions) -> Result<Vec<DataFile>, ParquetFileError> {
        let (def, places) = (table(), places());
        let input = SortInput {
            schemas: &TableSchemas::new(&def),
            chunks,
            origins: &[],
            locations: &places,
            on_repeat: OnRepeat::KeepAll,
        };
        sendable(write_sorted(input, Arc::clone(&self.store), &self.root, options)).await
    }

    async fn verify(&self, file: &DataFile) -> Result<VerifiedFile, FileDamage> {
        sendable(verify_file(&TableSchemas::new(&table()), &self.store, &self.root, file)).await
    }

    fn disk_path(&self, file: &DataFile) -> std::path::PathBuf {
        self.folder.path().join("tables/air").join(&file.path)
    }

    fn read(&self, file: &DataFile) -> (Arc<ParquetMetaData>, Vec<FileRow>) {
        let builder = open(std::fs::read(self.disk_path(file)).unwrap().into());
        let described = |schema: &Schema| {
            let of = |field: &FieldRef| (field.name().clone(), field.data_type().clone(), field.is_nullable());
            schema.fields().iter().map(of).collect::<Vec<_>>()
        };
        assert_eq!(described(builder.schema()), described(&TableSchemas::new(&table()).file));
        let metadata = Arc::clone(builder.metadata());
        (metadata, builder.build().unwrap().flat_map(|batch| file_rows(&batch.unwrap())).collect())
    }

    fn files_on_disk(&self) -> usize {
        let Ok(dates) = std::fs::read_dir(self.folder.path().join("tables/air")) else { return 0 };
        dates.map(|date| std::fs::read_dir(date.unwrap().path()).unwrap().count()).sum()
    }
}

/// A server moves these futures between threads.
fn sendable<F: Future + Send>(future: F) -> F {
    future
}

fn row(time: i64, key: u32) -> Row {
    Row {
        time,
        ingested_at: 1_767_225_600_000_000,
        key,
        quality: 0,
        backfill: false,
        pm2_5: None,
        total: None,
        raw: None,
        count: None,
        open: None,
        note: None,
        seen: None,
    }
}

/// In the order of files, within each date.
fn sorted(rows: &[Vec<Row>], places: &Locations) -> Vec<(i64, Vec<FileRow>)> {
    let mut dates = std::collections::BTreeMap::<i64, Vec<FileRow>>::new();
    for row in rows.iter().flatten() {
        dates.entry(row.time.div_euclid(DAY_US)).or_default().push(in_file(row, places));
    }
    for rows in dates.values_mut() {
        rows.sort_by(|a, b| (&a.zone, &a.device, a.row.time).cmp(&(&b.zone, &b.device, b.row.time)));
    }
    dates.into_iter().collect()
}

const DAY_US: i64 = 86_400_000_000;

fn any_row() -> impl Strategy<Value = Row> {
    let number = -999_999_999_999_999i64..=999_999_999_999_999;
    let time = prop_oneof![
        // Dates of many decades, and times that meet often.
        (prop::sample::select(vec![0i64, 1, 9_000, 10_956, 25_000]), 0i64..DAY_US)
            .prop_map(|(day, us)| day * DAY_US + us),
        (20_000i64..20_002, 0i64..50).prop_map(|(day, us)| day * DAY_US + us),
    ];
    let head = (time, any::<i32>(), 1u32..=6, 0u8..=4, any::<bool>());
    let fields = (
        prop::option::of(-999_999_999i32..=999_999_999),
        prop::option::of(number),
        prop::option::of(prop::num::f64::NORMAL | prop::num::f64::ZERO),
        prop::option::of(any::<i64>()),
        prop::option::of(any::<bool>()),
        prop::option::of(prop_oneof![Just(String::new()), "[a-cé]{0,3}", "[x\u{10ffff}]{30,40}"]),
        prop::option::of(0i64..4_000_000_000_000_000),
    );
    (head, fields).prop_map(
        |((time, received, key, quality, backfill), (pm2_5, total, raw, count, open, note, seen))| {
            let ingested_at = 1_767_225_600_000_000 + i64::from(received);
            Row { time, ingested_at, key, quality, backfill, pm2_5, total, raw, count, open, note, seen }
        },
    )
}

fn text_bounds(file: &DataFile, column: &str, value: Option<&str>) {
    bounds(file, column, value.map(|value| StatValue::Text(value.to_owned())));
}

fn bounds(file: &DataFile, column: &str, value: Option<StatValue>) {
    if let Some(value) = value {
        let stats = &file.stats[column];
        assert!(stats.min.as_ref().is_none_or(|min| *min <= value), "{column} {value:?} {stats:?}");
        assert!(stats.max.as_ref().is_none_or(|max| *max >= value), "{column} {value:?} {stats:?}");
    }
}

fn check_stats(file: &DataFile, rows: &[FileRow]) {
    // The place of a row in its record has none.
    assert_eq!(file.stats.len(), TableSchemas::new(&table()).file.fields().len() - 1);
    let nulls = |of: fn(&FileRow) -> bool| rows.iter().filter(|row| of(row)).count() as u64;
    assert_eq!(file.stats["site"].nulls, nulls(|row| row.site.is_none()));
    assert_eq!(file.stats["pm2_5"].nulls, nulls(|row| row.row.pm2_5.is_none()));
    assert_eq!(file.stats["open"].nulls, nulls(|row| row.row.open.is_none()));
    for file_row in rows {
        let row = &file_row.row;
        bounds(file, "time", Some(StatValue::Integer(row.time)));
        bounds(file, "ingested_at", Some(StatValue::Integer(row.ingested_at)));
        text_bounds(file, "zone", file_row.zone.as_deref());
        text_bounds(file, "device", file_row.device.as_deref());
        text_bounds(file, "quality", Some(&file_row.quality));
        bounds(file, "pm2_5", row.pm2_5.map(|n| StatValue::Integer(n.into())));
        bounds(file, "total", row.total.map(StatValue::Integer));
        bounds(file, "raw", row.raw.map(StatValue::Double));
        bounds(file, "count", row.count.map(StatValue::Integer));
        text_bounds(file, "note", row.note.as_deref());
        bounds(file, "seen", row.seen.map(StatValue::Integer));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn rows_are_read_back_in_the_order_of_files(
        chunks in prop::collection::vec(prop::collection::vec(any_row(), 1..60), 0..5),
        row_group_rows_max in prop::sample::select(vec![1usize, 7, 1000]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let folder = Folder::new();
        let options = ParquetOptions { row_group_rows_max, page_rows_max: 5, ..ParquetOptions::default() };
        let batches: Vec<RecordBatch> = chunks.iter().map(|rows| chunk(rows)).collect();
        let files = runtime.block_on(folder.write(&batches, &options)).unwrap();
        let expected = sorted(&chunks, &places());
        prop_assert_eq!(files.len(), expected.len());
        for (file, (date, rows)) in files.iter().zip(&expected) {
            prop_assert_eq!(i64::from(file.date), *date);
            prop_assert_eq!(file.rows, rows.len() as u64);
            let (metadata, found) = folder.read(file);
            prop_assert_eq!(&found, rows);
            prop_assert_eq!(metadata.num_row_groups(), rows.len().div_ceil(row_group_rows_max));
            check_stats(file, rows);
            let verified = runtime.block_on(folder.verify(file)).unwrap();
            let readings = rows.iter().map(|row| [
                row.row.pm2_5.is_some(), row.row.total.is_some(), row.row.raw.is_some(), row.row.count.is_some(),
                row.row.open.is_some(), row.row.note.is_some(), row.row.seen.is_some(),
            ].into_iter().filter(|is_some| *is_some).count() as u64);
            prop_assert_eq!(verified, VerifiedFile { rows: file.rows, readings: readings.sum() });
        }
    }
}

#[tokio::test]
async fn files_lie_in_a_folder_for_each_utc_date() {
    let folder = Folder::new();
    let rows = [row(DAY_US - 1, 1), row(0, 1), row(DAY_US, 2), row(20_454 * DAY_US, 2)];
    let files = folder.write(&[chunk(&rows)], &ParquetOptions::default()).await.unwrap();
    let found: Vec<_> =
        files.iter().map(|file| (file.date, file.rows, &file.path[..15], folder.disk_path(file).exists())).collect();
    assert_eq!(
        found,
        [(0, 2, "date=1970-01-01", true), (1, 1, "date=1970-01-02", true), (20_454, 1, "date=2026-01-01", true)]
    );
    assert!(files.iter().all(|file| file.bytes == std::fs::metadata(folder.disk_path(file)).unwrap().len()));
    assert!(folder.write(&[], &ParquetOptions::default()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_row_of_the_last_millisecond_is_within_the_bounds() {
    let folder = Folder::new();
    let files = folder.write(&[chunk(&[row(1_767_225_600_123_456, 1)])], &ParquetOptions::default()).await.unwrap();
    let stats = &files[0].stats["time"];
    assert_eq!(stats.min, Some(StatValue::Integer(1_767_225_600_123_000)));
    assert_eq!(stats.max, Some(StatValue::Integer(1_767_225_600_124_000)));
}

#[tokio::test]
async fn columns_are_encoded_as_their_kind_wants_it() {
    let folder = Folder::new();
    let rows: Vec<Row> = (0..20_000i32)
        .map(|n| Row {
            pm2_5: Some(n),
            total: Some(n.into()),
            raw: Some(f64::from(n % 50)),
            count: Some(n.into()),
            note: Some(format!("note {}", n % 7)),
            seen: Some(n.into()),
            ..row(i64::from(n) * 1_000_000, 1)
        })
        .collect();
    let files = folder.write(&[chunk(&rows)], &ParquetOptions::default()).await.unwrap();
    let (metadata, _) = folder.read(&files[0]);
    let group = metadata.row_group(0);
    let column = |name: &str| group.columns().iter().find(|column| column.column_path().string() == name).unwrap();
    for (name, physical, packed) in [
        ("time", Type::INT64, true),
        ("ingested_at", Type::INT64, false),
        ("pm2_5", Type::INT32, true),
        ("total", Type::INT64, true),
        ("count", Type::INT64, true),
        ("seen", Type::INT64, true),
        ("raw", Type::DOUBLE, false),
        ("note", Type::BYTE_ARRAY, false),
        ("device", Type::BYTE_ARRAY, false),
        ("quality", Type::BYTE_ARRAY, false),
    ] {
        let column = column(name);
        assert_eq!(column.column_type(), physical, "{name}");
        let encodings: Vec<Encoding> = column.encodings().collect();
        let wanted = if packed { Encoding::DELTA_BINARY_PACKED } else { Encoding::RLE_DICTIONARY };
        assert!(encodings.contains(&wanted), "{name}: {encodings:?}");
        assert_eq!(column.dictionary_page_offset().is_some(), !packed, "{name}");
        assert!(matches!(column.compression(), Compression::ZSTD(_)), "{name}");
    }
    assert!(group.columns().iter().all(|column| column.statistics().is_some()));
    // Readers of before Decimal32 refuse a file whose Arrow schema has it.
    let bytes = Bytes::from(std::fs::read(folder.disk_path(&files[0])).unwrap());
    let on_disk = ArrowReaderMetadata::load(&bytes, ArrowReaderOptions::new()).unwrap();
    assert!(on_disk.metadata().file_metadata().key_value_metadata().is_none_or(Vec::is_empty));
    let sorting = group.sorting_columns().unwrap();
    assert_eq!(sorting.iter().map(|by| by.column_idx).collect::<Vec<_>>(), [3, 5, 0]);
    assert!(sorting.iter().all(|by| by.nulls_first && !by.descending));
    for (column, pages) in group.columns().iter().zip(&metadata.offset_index().unwrap()[0]) {
        let has_values = column.statistics().unwrap().null_count_opt() != Some(20_000);
        let expected = if has_values { 3 } else { 1 };
        assert_eq!(pages.page_locations().len(), expected, "pages of 8,192 rows of {}", column.column_path());
    }
    let types = metadata.file_metadata().schema_descr();
    let decimal = types.columns().iter().find(|column| column.name() == "pm2_5").unwrap();
    assert_eq!((decimal.type_precision(), decimal.type_scale()), (9, 2));
}

#[tokio::test]
async fn chunks_of_an_earlier_version_read_as_null_in_new_fields() {
    let folder = Folder::new();
    let old = chunk(&[Row { pm2_5: Some(5), note: Some("old".into()), ..row(5, 1) }]);
    let old = old.project(&(0..old.num_columns() - 2).collect::<Vec<_>>()).unwrap();
    let new = chunk(&[Row { pm2_5: Some(6), note: Some("new".into()), ..row(6, 1) }]);
    let files = folder.write(&[old, new], &ParquetOptions::default()).await.unwrap();
    let (_, found) = folder.read(&files[0]);
    let notes: Vec<_> = found.iter().map(|row| (row.row.pm2_5, row.row.note.as_deref())).collect();
    assert_eq!(notes, [(Some(5), None), (Some(6), Some("new"))]);
}

#[tokio::test]
async fn a_flipped_byte_anywhere_in_a_file_is_found() {
    let folder = Folder::new();
    let rows: Vec<Row> = (0..3_000).map(|n| Row { pm2_5: Some(n), ..row(i64::from(n), 1) }).collect();
    let files = folder.write(&[chunk(&rows)], &ParquetOptions::default()).await.unwrap();
    let (file, disk) = (&files[0], folder.disk_path(&files[0]));
    let sound = std::fs::read(&disk).unwrap();
    for at in (0..sound.len()).step_by(sound.len() / 40) {
        let mut damaged = sound.clone();
        damaged[at] ^= 0x10;
        std::fs::write(&disk, damaged).unwrap();
        assert!(matches!(folder.verify(file).await, Err(FileDamage::Checksum { .. })), "byte {at}");
    }
    std::fs::write(&disk, &sound[..sound.len() - 1]).unwrap();
    assert!(matches!(folder.verify(file).await, Err(FileDamage::Size { .. })));
    std::fs::remove_file(&disk).unwrap();
    assert!(matches!(folder.verify(file).await, Err(FileDamage::Unreadable(_))));
    std::fs::write(&disk, &sound).unwrap();
    assert_eq!(folder.verify(file).await.unwrap(), VerifiedFile { rows: 3_000, readings: 3_000 });
}

#[tokio::test]
async fn a_file_without_a_checksum_is_compared_by_what_it_holds() {
    let folder = Folder::new();
    let rows: Vec<Row> = (0..3_000).map(|n| Row { pm2_5: Some(n), ..row(i64::from(n), 1) }).collect();
    let files = folder.write(&[chunk(&rows)], &ParquetOptions::default()).await.unwrap();
    let file = DataFile { checksum: None, ..files[0].clone() };
    folder.verify(&file).await.unwrap();
    let more = DataFile { rows: 3_001, ..file.clone() };
    assert!(matches!(folder.verify(&more).await, Err(FileDamage::Rows { found: 3_000, expected: 3_001 })));
    let mut narrow = file.clone();
    narrow.stats.get_mut("pm2_5").unwrap().max = Some(StatValue::Integer(2_998));
    assert!(matches!(folder.verify(&narrow).await, Err(FileDamage::Stats { column, .. }) if column == "pm2_5"));
    let mut nulls = file.clone();
    nulls.stats.get_mut("pm2_5").unwrap().nulls = 1;
    assert!(matches!(folder.verify(&nulls).await, Err(FileDamage::Stats { .. })));

    let disk = folder.disk_path(&file);
    let mut damaged = std::fs::read(&disk).unwrap();
    // The header of the first page: decoding itself must fail.
    damaged[4..12].fill(0xff);
    std::fs::write(&disk, damaged).unwrap();
    assert!(matches!(folder.verify(&file).await, Err(FileDamage::Parquet(_))));
}

#[tokio::test]
async fn rows_that_cannot_be_written_leave_nothing_behind() {
    let folder = Folder::new();
    let unknown = folder.write(&[chunk(&[row(5, 1), row(6, 99)])], &ParquetOptions::default()).await;
    assert!(matches!(unknown, Err(ParquetFileError::UnknownDevice { key: DeviceKey(99) })), "{unknown:?}");
    let bad = Row { quality: 9, ..row(3 * DAY_US, 1) };
    let options = ParquetOptions { files_in_work_max: 1, ..ParquetOptions::default() };
    let unknown = folder.write(&[chunk(&[row(5, 1), row(DAY_US, 1), bad])], &options).await;
    assert!(matches!(unknown, Err(ParquetFileError::UnknownQuality { number: 9 })), "{unknown:?}");
    assert_eq!(folder.files_on_disk(), 0);
    let far = folder.write(&[chunk(&[row(i64::MAX, 1)])], &ParquetOptions::default()).await;
    assert!(matches!(far, Err(ParquetFileError::DateOutOfRange { .. })), "{far:?}");
}

#[tokio::test]
async fn a_large_file_goes_up_in_parts() {
    let folder = Folder::new();
    let texts: Vec<Row> = (0..4_000u64)
        .map(|n| {
            // Text that does not compress: 12 MB in all.
            let mut state = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut next = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                char::from(b'!' + u8::try_from(state % 94).unwrap())
            };
            Row { note: Some((0..4_000).map(|_| next()).collect()), ..row(i64::try_from(n).unwrap(), 1) }
        })
        .collect();
    let options = ParquetOptions { row_group_rows_max: 1_000, ..ParquetOptions::default() };
    let files = folder.write(&[chunk(&texts)], &options).await.unwrap();
    assert!(files[0].bytes > 11_000_000, "{} bytes are one part only", files[0].bytes);
    folder.verify(&files[0]).await.unwrap();
    assert_eq!(folder.read(&files[0]).1.len(), 4_000);
    let path = path_in_store(&folder.root, &files[0].path);
    assert_eq!(folder.store.head(&path).await.unwrap().size, files[0].bytes);
}
