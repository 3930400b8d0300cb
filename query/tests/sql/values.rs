//! Values are the same wherever the rows are.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Float64Type, Int64Type, TimestampMicrosecondType};
use zonelake_parquet::ParquetOptions;
use zonelake_schemas::TableDef;

use crate::harness::{HOUR_US, Harness, NEW_YEAR_US, PROBE, ProbeRow, answer, caller, probe_batch};

/// 600 rows of three devices over five days, in the order of device and time.
fn some_rows(keys: &[zonelake_schemas::DeviceKey]) -> Vec<ProbeRow> {
    let row = |n: i64| ProbeRow::numbered(n, keys[(n % 3) as usize], NEW_YEAR_US - 3 * HOUR_US + n * HOUR_US / 5);
    (0..600).map(row).collect()
}

async fn all(harness: &Arc<Harness>, sql: &str) -> RecordBatch {
    let engine = harness.engine();
    let result = engine.execute(sql, &caller()).await.unwrap();
    let schema = Arc::clone(&result.schema);
    concat_batches(&schema, &result.collect().await.unwrap()).unwrap()
}

/// The same rows live, in files, and half and half; `page_rows` is small, so that pages are skipped too.
async fn three_beds() -> (Vec<ProbeRow>, Vec<(&'static str, Arc<Harness>)>) {
    let mut beds = Vec::new();
    let mut rows = Vec::new();
    for place in ["live", "files", "mixed"] {
        let (harness, keys) = Harness::probe(3);
        rows = some_rows(&keys);
        let options = ParquetOptions { page_rows_max: 16, row_group_rows_max: 64, ..ParquetOptions::default() };
        let (first, second) = rows.split_at(300);
        let batches = |rows: &[ProbeRow]| -> Vec<RecordBatch> {
            rows.chunks(70).map(|rows| probe_batch(harness.schemas("probe"), rows)).collect()
        };
        harness.add_live("probe", batches(first));
        if place != "live" {
            harness.flush("probe", &options).await;
        }
        harness.add_live("probe", batches(second));
        if place == "files" {
            harness.flush("probe", &options).await;
        }
        beds.push((place, harness));
    }
    (rows, beds)
}

#[tokio::test]
async fn every_type_has_the_same_values_live_in_files_and_mixed() {
    let (mut rows, beds) = three_beds().await;
    rows.sort_by_key(|row| (row.device, row.time_us));
    for (place, harness) in beds {
        let batch = all(&harness, "select * from probe order by device, time").await;
        assert_eq!(batch.num_rows(), rows.len(), "{place}");
        assert_eq!(batch.schema().fields(), harness.schemas("probe").sql.fields(), "{place}");
        let times = batch.column(1).as_primitive::<TimestampMicrosecondType>();
        let qualities = batch.column(7).as_string_view();
        let level = batch.column(9).as_primitive::<Float64Type>();
        let temperature = batch.column(10).as_primitive::<Float64Type>();
        let volume = batch.column(11).as_primitive::<Float64Type>();
        let pulses = batch.column(12).as_primitive::<Int64Type>();
        let notes = batch.column(14).as_string_view();
        let seen = batch.column(15).as_primitive::<TimestampMicrosecondType>();
        for (at, row) in rows.iter().enumerate() {
            let value = |array: &arrow::array::Float64Array| array.is_valid(at).then(|| array.value(at).to_bits());
            assert_eq!(times.value(at), row.time_us, "{place}");
            assert_eq!(qualities.value(at), zonelake_schemas::Quality::ALL[usize::from(row.quality)].name(), "{place}");
            assert_eq!(value(level), row.level.map(f64::to_bits), "{place}");
            assert_eq!(value(temperature), row.temperature.map(|n| (f64::from(n) / 100.0).to_bits()), "{place}");
            assert_eq!(value(volume), row.volume.map(|n| (n as f64 / 1000.0).to_bits()), "{place}");
            assert_eq!(pulses.is_valid(at).then(|| pulses.value(at)), row.pulses, "{place}");
            assert_eq!(notes.is_valid(at).then(|| notes.value(at)), row.note.as_deref(), "{place}");
            assert_eq!(seen.is_valid(at).then(|| seen.value(at)), row.seen, "{place}");
        }
        let rest = "select distinct province, zone, site, date = date_trunc('day', time)::date from probe";
        assert_eq!(answer(&harness.engine(), rest).await, ["ha-tinh | vung-ang | NULL | true"], "{place}");
        let backfill = "select backfill, is_open, count(*) from probe group by all order by 1, 2";
        assert_eq!(answer(&harness.engine(), backfill).await.len(), 6, "{place}");
    }
}

#[tokio::test]
async fn a_filter_passes_the_same_rows_wherever_they_are() {
    let (_, beds) = three_beds().await;
    let filters = [
        "temperature > 12.34",
        "temperature >= 12.345 and temperature < 50",
        "temperature = -3.07 or temperature = 21.9",
        "temperature <> 17.43",
        "temperature in (0.29, 17.43, -52.6, 1.005)",
        "temperature not in (0.29, 17.43)",
        "not (temperature < 9999999.99)",
        "temperature between -1.5 and 1.5",
        "volume > 1000.003 and volume < 100000.5",
        "volume is null",
        "level > 12.05 and level <= 30",
        "pulses >= 9223372036854775807",
        "is_open",
        "note like 'note 1%'",
        "note >= 'note 5' and note < 'note 7'",
        "seen < '2026-01-02T00:00:00Z'",
        "date = '2026-01-02'",
        "date > '2026-01-01' and time < '2026-01-03T12:30:00Z'",
        "time between '2026-01-01T00:00:00Z' and '2026-01-01T01:00:00Z'",
        "device = 'd1'",
        "device in ('d0', 'd2') and zone = 'vung-ang'",
        "device = 'd1' and province = 'dak-lak'",
        "device > 'd0' and quality = 'good'",
        "site is null and device = 'd2'",
        "site = 'formosa-ha-tinh'",
        "upper(device) = 'D1'",
        "quality <> 'good' and backfill",
        "device = 'd1' or temperature > 90",
        "time >= timestamp '2026-01-02 00:00:00' and time < timestamp '2026-01-02 03:00:00'",
        "extract(hour from time) = 3",
    ];
    let mut passed = 0;
    for filter in filters {
        // The expression in the SELECT list is evaluated on doubles, above any scan; that in WHERE prunes.
        let sql = format!("select count(*), sum(pulses % 1000), min(time) from probe where {filter}");
        let check = format!(
            "select count(*), sum(pulses % 1000), min(time) from (select *, ({filter}) as f from probe offset 0) where f is true"
        );
        let expected = answer(&beds[0].1.engine(), &check).await;
        passed += usize::from(!expected[0].starts_with("0 "));
        for (place, harness) in &beds {
            assert_eq!(answer(&harness.engine(), &sql).await, expected, "{place}: {filter}");
        }
    }
    assert!(passed > filters.len() / 2, "most filters pass some rows");
}

#[tokio::test]
async fn counts_are_known_without_reading() {
    let (_, beds) = three_beds().await;
    for (place, harness) in beds {
        let engine = harness.engine();
        let sql = "select count(*), count(temperature), count(note) from probe";
        assert_eq!(answer(&engine, sql).await, ["600 | 480 | 400"], "{place}");
        let plan = answer(&engine, &format!("explain {sql}")).await.join("\n");
        assert!(plan.contains("PlaceholderRowExec"), "{place}: {plan}");
        assert_eq!(answer(&engine, "select count(*) from probe where device = 'd0'").await, ["200"], "{place}");
        assert_eq!(answer(&engine, "select 1 from probe limit 3").await, ["1", "1", "1"], "{place}");
        let top = answer(&engine, "select pulses from probe where device = 'd1' order by time desc limit 1").await;
        assert_eq!(top, ["357554"], "{place}");
    }
}

#[tokio::test]
async fn a_field_that_is_added_is_null_in_older_rows() {
    let (harness, keys) = Harness::probe(1);
    let old = probe_batch(harness.schemas("probe"), &[ProbeRow::numbered(1, keys[0], NEW_YEAR_US)]);
    harness.add_live("probe", vec![old.clone()]);
    harness.flush("probe", &ParquetOptions::default()).await;
    harness.add_live("probe", vec![old]);
    let more = format!("{PROBE}\n[[field]]\nname = \"added\"\ntype = \"double\"\ndecimals = 1\n");
    let later = Harness::new(&[TableDef::from_toml(&more).unwrap()]);
    later.devices("vung-ang", &["d0".to_owned()]);
    let view = harness.view("probe");
    for file in view.files.iter() {
        let (from, to) = (harness.table_path("probe", &file.path), later.table_path("probe", &file.path));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from, to).unwrap();
    }
    later.publish("probe", zonelake_storage::TableView::clone(&view));
    let engine = later.engine();
    let sql = "select temperature, added from probe";
    assert_eq!(answer(&engine, sql).await, ["9999999.99 | NULL", "9999999.99 | NULL"]);
    assert_eq!(answer(&engine, "select count(*) from probe where added > 1.5").await, ["0"]);
    assert_eq!(answer(&engine, "select count(*) from probe where added is null").await, ["2"]);
}
