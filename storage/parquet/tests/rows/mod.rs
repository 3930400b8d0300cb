//! Rows of a table with a field of every kind, for the tests of this crate.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Decimal32Array, Decimal64Array, Float64Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray, UInt8Array, UInt32Array,
};
use arrow::datatypes::{Decimal32Type, Decimal64Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use zonelake_parquet::with_arrow_types;
use zonelake_schemas::{DeviceKey, Location, Locations, Quality, TableDef, TableSchemas, identity};

/// A field of every kind.
pub(crate) fn table() -> TableDef {
    TableDef::from_toml(
        r#"
        name = "air"
        description = "Air, for tests."
        [[field]]
        name = "pm2_5"
        type = "double"
        decimals = 2
        unit = "µg/m³"
        description = "Particles up to 2.5 µm."
        [[field]]
        name = "total"
        type = "double"
        decimals = 3
        digits = 15
        [[field]]
        name = "raw"
        type = "double"
        [[field]]
        name = "count"
        type = "bigint"
        [[field]]
        name = "open"
        type = "boolean"
        [[field]]
        name = "note"
        type = "text"
        [[field]]
        name = "seen"
        type = "timestamp"
        "#,
    )
    .unwrap()
}

/// One row in plain types, without its position.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub(crate) struct Row {
    pub time: i64,
    pub ingested_at: i64,
    pub key: u32,
    pub quality: u8,
    pub backfill: bool,
    pub pm2_5: Option<i32>,
    pub total: Option<i64>,
    pub raw: Option<f64>,
    pub count: Option<i64>,
    pub open: Option<bool>,
    pub note: Option<String>,
    pub seen: Option<i64>,
}

/// Places: zones, sites and names with gaps, equal names in two zones, one device at two sites.
pub(crate) fn places() -> Locations {
    let text = |text: &str| (!text.is_empty()).then(|| Arc::from(text));
    let place = |(province, zone, site, device)| {
        Arc::new(Location { province: text(province), zone: text(zone), site: text(site), device: text(device) })
    };
    let all = [
        ("ha-tinh", "vung-ang", "formosa", "ống khói 1"),
        ("ha-tinh", "vung-ang", "", "b"),
        ("dak-lak", "hoa-phu", "", "b"),
        ("ha-tinh", "vung-ang", "son-duong", "ống khói 1"),
        ("ha-tinh", "vung-ang", "", ""),
        ("", "", "", ""),
    ];
    Locations::new(all.into_iter().map(place).collect())
}

/// Rows in the live schema.
pub(crate) fn chunk(rows: &[Row]) -> RecordBatch {
    let times = |of: fn(&Row) -> Option<i64>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    let pm2_5 = rows.iter().map(|row| row.pm2_5).collect::<Decimal32Array>().with_precision_and_scale(9, 2).unwrap();
    let total = rows.iter().map(|row| row.total).collect::<Decimal64Array>().with_precision_and_scale(15, 3).unwrap();
    let columns: Vec<ArrayRef> = vec![
        times(|row| Some(row.time)),
        times(|row| Some(row.ingested_at)),
        Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.key))),
        Arc::new(UInt8Array::from_iter_values(rows.iter().map(|row| row.quality))),
        Arc::new(rows.iter().map(|row| Some(row.backfill)).collect::<BooleanArray>()),
        Arc::new(pm2_5),
        Arc::new(total),
        Arc::new(rows.iter().map(|row| row.raw).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|row| row.count).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.open).collect::<BooleanArray>()),
        Arc::new(rows.iter().map(|row| row.note.as_deref()).collect::<StringArray>()),
        times(|row| row.seen),
    ];
    RecordBatch::try_new(TableSchemas::new(&table()).live, columns).unwrap()
}

/// A row as a file holds it: its place in words.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub(crate) struct FileRow {
    pub zone: Option<String>,
    pub device: Option<String>,
    pub province: Option<String>,
    pub site: Option<String>,
    pub quality: String,
    /// `key` and `quality` are 0.
    pub row: Row,
}

/// What a file is to hold of a row.
pub(crate) fn in_file(row: &Row, places: &Locations) -> FileRow {
    let place = places.get(DeviceKey(row.key)).unwrap();
    let text = |text: &Option<Arc<str>>| text.as_deref().map(str::to_owned);
    FileRow {
        zone: text(&place.zone),
        device: text(&place.device),
        province: text(&place.province),
        site: text(&place.site),
        quality: Quality::from_number(row.quality).unwrap().name().to_owned(),
        row: Row { key: 0, quality: 0, ..row.clone() },
    }
}

/// A file, opened as this program reads it.
pub(crate) fn open(file: Bytes) -> ParquetRecordBatchReaderBuilder<Bytes> {
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    let metadata = ArrowReaderMetadata::load(&file, options.clone()).unwrap();
    let metadata = with_arrow_types(ParquetMetaData::clone(metadata.metadata())).unwrap();
    let metadata = ArrowReaderMetadata::try_new(Arc::new(metadata), options).unwrap();
    ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
}

/// Shard number, LSN, row and sequence; all of them are there, or none.
pub(crate) type Identity = Option<(i64, i64, i32, i64)>;

/// Identities of rows read from a file.
pub(crate) fn file_identities(batch: &RecordBatch) -> Vec<Identity> {
    let wide = |name| batch.column_by_name(name).unwrap().as_primitive::<Int64Type>();
    let (shard, lsn, sequence) = (wide(identity::SHARD), wide(identity::LSN), wide(identity::SEQUENCE));
    let row = batch.column_by_name(identity::ROW).unwrap().as_primitive::<Int32Type>();
    let all = shard.iter().zip(lsn.iter()).zip(row.iter().zip(sequence.iter()));
    all.map(|parts| match parts {
        ((Some(shard), Some(lsn)), (Some(row), Some(sequence))) => Some((shard, lsn, row, sequence)),
        ((None, None), (None, None)) => None,
        half => panic!("half an identity: {half:?}"),
    })
    .collect()
}

/// Rows read from a file, in the file schema.
pub(crate) fn file_rows(batch: &RecordBatch) -> Vec<FileRow> {
    let column = |name: &str| batch.column_by_name(name).unwrap();
    let text = |name, at| column(name).as_string::<i32>().iter().nth(at).unwrap().map(str::to_owned);
    let instant = |name, at| column(name).as_primitive::<TimestampMicrosecondType>().iter().nth(at).unwrap();
    let boolean = |name, at| column(name).as_boolean().iter().nth(at).unwrap();
    let row = |at| FileRow {
        zone: text("zone", at),
        device: text("device", at),
        province: text("province", at),
        site: text("site", at),
        quality: text("quality", at).unwrap(),
        row: Row {
            time: instant("time", at).unwrap(),
            ingested_at: instant("ingested_at", at).unwrap(),
            key: 0,
            quality: 0,
            backfill: boolean("backfill", at).unwrap(),
            pm2_5: column("pm2_5").as_primitive::<Decimal32Type>().iter().nth(at).unwrap(),
            total: column("total").as_primitive::<Decimal64Type>().iter().nth(at).unwrap(),
            raw: column("raw").as_primitive::<Float64Type>().iter().nth(at).unwrap(),
            count: column("count").as_primitive::<Int64Type>().iter().nth(at).unwrap(),
            open: boolean("open", at),
            note: text("note", at),
            seen: instant("seen", at),
        },
    };
    (0..batch.num_rows()).map(row).collect()
}
