//! How long decoding takes; run with `cargo test --release -p zonelake-ingest --test decode_speed -- --ignored --nocapture`.

mod fixture;

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, Decimal32Array, DictionaryArray, Float64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::Int32Type;
use fixture::{Fixture, NOW_US, batch, messages};
use zonelake_ingest::{ArrowDecoder, Decoded, LineDecoder, Precision, Source};
use zonelake_registry::AdoptedTable;
use zonelake_schemas::TableDef;

const ROWS: usize = 8_192;
const FIELDS: usize = 8;

fn table(fixture: &Fixture) -> Arc<AdoptedTable> {
    let fields: String = (0..FIELDS)
        .map(|i| {
            format!("[[field]]\nname = \"field_{i}\"\ntype = \"double\"\ndecimals = 2\nmin = 0.0\nmax = 100000.0\n")
        })
        .collect();
    let table = TableDef::from_toml(&format!("name = \"speed\"\n{fields}")).unwrap();
    let adopted = fixture.registry.adopt_tables(&[table]).unwrap();
    Arc::clone(adopted.iter().find(|table| table.def.name == "speed").unwrap())
}

/// Hundredths that walk, as a sensor's do.
fn hundredths(row: usize, field: usize) -> i32 {
    i32::try_from(2_000 + field * 1_000 + (row * 7 + field * 13) % 997).unwrap()
}

fn device(row: usize) -> String {
    format!("device-{:03}", row % 500)
}

fn rows(field: impl Fn(usize) -> ArrayRef) -> RecordBatch {
    let times =
        TimestampMicrosecondArray::from_iter_values((0..ROWS).map(|row| NOW_US - row as i64)).with_timezone("UTC");
    let names: Vec<_> = (0..ROWS).map(device).collect();
    let devices: DictionaryArray<Int32Type> = names.iter().map(String::as_str).collect();
    let names: Vec<_> = (0..FIELDS).map(|i| format!("field_{i}")).collect();
    let fields = names.iter().enumerate().map(|(i, name)| (name.as_str(), field(i)));
    batch([("time", Arc::new(times) as ArrayRef), ("device", Arc::new(devices))].into_iter().chain(fields).collect())
}

#[expect(clippy::disallowed_methods, reason = "it measures")]
fn measure(what: &str, mut decode: impl FnMut() -> Decoded) {
    let mut best = f64::MAX;
    for _ in 0..200 {
        let start = Instant::now();
        let decoded = decode();
        best = best.min(start.elapsed().as_secs_f64());
        assert_eq!(decoded.readings, (ROWS * FIELDS) as u64);
        assert!(decoded.rejected.is_none());
    }
    println!("{what}: {:.2} ns a reading", best * 1e9 / (ROWS * FIELDS) as f64);
}

#[test]
#[ignore = "it measures"]
fn decoding_of_8192_rows_of_8_fields() {
    let fixture = Fixture::new();
    let table = table(&fixture);
    let source = Source { table: &table, ..fixture.source() };
    let arrow = |what: &str, batch: RecordBatch| {
        let messages = messages(&batch);
        let mut decoder = ArrowDecoder::new(&table, fixture.limits.clone());
        decoder.handle_schema(&messages.schema).unwrap();
        decoder.handle_dictionary(messages.dictionaries[0].clone()).unwrap();
        measure(what, || decoder.decode(messages.batch.clone(), &source).unwrap());
    };
    arrow(
        "Float64 to Decimal32",
        rows(|field| {
            Arc::new(Float64Array::from_iter_values((0..ROWS).map(|row| f64::from(hundredths(row, field)) / 100.0)))
        }),
    );
    arrow(
        "Decimal32 passed through",
        rows(|field| {
            let values = Decimal32Array::from_iter_values((0..ROWS).map(|row| hundredths(row, field)));
            Arc::new(values.with_precision_and_scale(9, 2).unwrap())
        }),
    );
    let mut lines = String::new();
    for row in 0..ROWS {
        lines.push_str(&format!("speed,device={} ", device(row)));
        let fields: Vec<_> = (0..FIELDS)
            .map(|field| format!("field_{field}={}.{:02}", hundredths(row, field) / 100, hundredths(row, field) % 100))
            .collect();
        lines.push_str(&format!("{} {}\n", fields.join(","), (NOW_US - row as i64) * 1_000));
    }
    let mut decoder = LineDecoder::new(&table, Precision::Nanoseconds);
    println!("{:.1} bytes of line protocol a reading", lines.len() as f64 / (ROWS * FIELDS) as f64);
    measure("line protocol", || decoder.decode(lines.as_bytes(), &source).unwrap());
}
