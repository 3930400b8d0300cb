//! Decoding of Arrow batches: every rule for rows, readings, devices and locations.

#![expect(clippy::unwrap_used, reason = "a helper that cannot do its part fails its test")]

mod fixture;

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal32Array, Decimal64Array, Decimal128Array, DictionaryArray,
    Float32Array, Float64Array, Int32Array, Int64Array, LargeStringArray, ListArray, NullArray, RecordBatch,
    StringArray, StringViewArray, TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
    TimestampSecondArray, UInt8Array, UInt64Array,
};
use arrow::datatypes::{Float64Type, Int8Type, Int32Type, UInt16Type};
use arrow::ipc::CompressionType;
use arrow::ipc::writer::IpcWriteOptions;
use fixture::{Fixture, NOW_US, Sender, batch, column_text, messages, reasons, rejections, stored_devices};
use zonelake_ingest::{ArrowDecoder, DecodedBatch, Refusal};
use zonelake_schemas::Lane;
use zonelake_schemas::TableDef;
use zonelake_schemas::columns::log;
use zonelake_schemas::wire::control::RefusedCode;

fn times(rows: usize) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values((0..rows).map(|row| NOW_US - row as i64)).with_timezone("UTC"))
}

fn devices(names: &[&str]) -> ArrayRef {
    Arc::new(names.iter().copied().collect::<DictionaryArray<Int32Type>>())
}

/// Decodes one batch with a fresh decoder.
fn decode(fixture: &Fixture, batch: &RecordBatch) -> Result<DecodedBatch, Refusal> {
    decode_with(fixture, batch, IpcWriteOptions::default())
}

fn decode_with(fixture: &Fixture, batch: &RecordBatch, options: IpcWriteOptions) -> Result<DecodedBatch, Refusal> {
    let messages = Sender::new(options).send(batch);
    let mut decoder = ArrowDecoder::new(&fixture.table, fixture.limits.clone());
    decoder.handle_schema(&messages.schema)?;
    for dictionary in messages.dictionaries {
        decoder.handle_dictionary(dictionary)?;
    }
    decoder.decode(messages.batch, &fixture.context())
}

/// Rows of device "a" with one field.
fn with_field(name: &str, values: ArrayRef) -> RecordBatch {
    let rows = values.len();
    batch(vec![("time", times(rows)), ("device", devices(&vec!["a"; rows])), (name, values)])
}

fn field(fixture: &Fixture, name: &str, values: ArrayRef) -> (Vec<String>, Vec<(i64, String, String)>) {
    let decoded = decode(fixture, &with_field(name, values)).unwrap();
    (fixture.stored(&decoded, name), reasons(&decoded))
}

#[test]
fn columns_come_in_any_order_and_end_in_the_log_schema() {
    let fixture = Fixture::new();
    let sent = batch(vec![
        ("raw", Arc::new(Float64Array::from(vec![Some(1.5), None]))),
        ("quality", Arc::new(StringArray::from(vec![Some("uncertain"), None]))),
        ("device", devices(&["a", "b"])),
        ("pm", Arc::new(Decimal32Array::from(vec![2153, 100]).with_precision_and_scale(9, 2).unwrap())),
        ("time", times(2)),
    ]);
    let decoded = decode(&fixture, &sent).unwrap();
    let stored = decoded.stored.as_ref().unwrap();
    assert_eq!(stored.schema(), fixture.table.schemas.log);
    assert_eq!((decoded.rows, decoded.readings), (2, 3));
    assert_eq!(fixture.stored(&decoded, "pm"), ["21.53", "1.00"]);
    assert_eq!(fixture.stored(&decoded, "raw"), ["1.5", "-"]);
    assert_eq!(fixture.stored(&decoded, "note"), ["-", "-"]);
    assert_eq!(column_text(stored, "quality"), ["1", "0"]);
    assert_eq!(stored_devices(&decoded), [fixture.key("a").unwrap().0, fixture.key("b").unwrap().0]);
    assert!(decoded.rejected.is_none() && decoded.rejections.is_empty());
}

#[test]
fn a_column_in_its_kept_type_shares_the_memory_of_the_message() {
    let fixture = Fixture::new();
    let messages = messages(&with_field("raw", Arc::new(Float64Array::from(vec![1.0; 1_000]))));
    let mut decoder = ArrowDecoder::new(&fixture.table, fixture.limits.clone());
    decoder.handle_schema(&messages.schema).unwrap();
    decoder.handle_dictionary(messages.dictionaries[0].clone()).unwrap();
    // An allocation begins at a multiple of 16, and the buffers in a message at multiples of 8.
    let frame = messages.batch;
    let range = frame.as_ptr_range();
    let decoded = decoder.decode(frame, &fixture.context()).unwrap();
    let stored = decoded.stored.unwrap();
    let values = stored.column_by_name("raw").unwrap().as_primitive::<Float64Type>().values();
    assert!(range.contains(&values.as_ptr().cast()));
}

#[test]
fn a_column_that_uses_little_of_the_message_does_not_keep_it_alive() {
    let fixture = Fixture::new();
    let messages = messages(&with_field("pm", Arc::new(Float64Array::from(vec![1.0; 1_000]))));
    let mut decoder = ArrowDecoder::new(&fixture.table, fixture.limits.clone());
    decoder.handle_schema(&messages.schema).unwrap();
    decoder.handle_dictionary(messages.dictionaries[0].clone()).unwrap();
    let mut frame = messages.batch.to_vec();
    frame.shrink_to_fit();
    let frame = bytes::Bytes::from(frame);
    // Times are 8 of the 20 bytes of a row; the rest is converted.
    let decoded = decoder.decode(frame.clone(), &fixture.context()).unwrap();
    assert!(frame.is_unique());
    assert_eq!(column_text(&decoded.stored.unwrap(), "time")[999], "2024-12-31T23:59:59.999001Z");
}

#[test]
fn doubles_become_decimals_by_their_shortest_text() {
    let fixture = Fixture::new();
    let sent = Float64Array::from(vec![Some(0.125), Some(1.005), None, Some(21.53), Some(0.0), Some(999.994)]);
    let (stored, rejected) = field(&fixture, "pm", Arc::new(sent));
    assert_eq!(stored, ["0.13", "1.01", "-", "21.53", "0.00", "999.99"]);
    assert!(rejected.is_empty());
    let (stored, _) = field(&fixture, "wide", Arc::new(Float64Array::from(vec![-99_999_999_999.123_5, 0.000_05])));
    assert_eq!(stored, ["-99999999999.1235", "0.0001"]);
}

#[test]
fn many_doubles_with_a_few_odd_ones_convert_like_each_alone() {
    let fixture = Fixture::new();
    let values: Vec<f64> =
        (0..5_000).map(|i| if i % 997 == 0 { f64::from(i) / 10.0 + 0.005 } else { f64::from(i) / 100.0 }).collect();
    let (stored, rejected) = field(&fixture, "pm", Arc::new(Float64Array::from(values.clone())));
    for (value, stored) in values.iter().zip(stored) {
        let n = zonelake_schemas::decimal::from_f64(*value, 2, 9).unwrap();
        assert_eq!(stored, format!("{}.{:02}", n / 100, n % 100));
    }
    assert!(rejected.is_empty());
}

#[test]
fn every_kind_of_number_fits_a_double_field_where_it_is_exact() {
    let fixture = Fixture::new();
    let decimal = |scale| Decimal128Array::from(vec![12_345, -15]).with_precision_and_scale(20, scale).unwrap();
    let cases: Vec<(ArrayRef, [&str; 2])> = vec![
        (Arc::new(Float32Array::from(vec![1.005, 0.1])), ["1.0050", "0.1000"]),
        (Arc::new(Int32Array::from(vec![7, -7])), ["7.0000", "-7.0000"]),
        (Arc::new(UInt8Array::from(vec![7, 255])), ["7.0000", "255.0000"]),
        (Arc::new(decimal(6)), ["0.0123", "0.0000"]),
        (Arc::new(decimal(5)), ["0.1235", "-0.0002"]),
        (Arc::new(decimal(0)), ["12345.0000", "-15.0000"]),
        (Arc::new(Decimal32Array::from(vec![5, -5]).with_precision_and_scale(5, 1).unwrap()), ["0.5000", "-0.5000"]),
        (Arc::new(Decimal64Array::from(vec![5, -5]).with_precision_and_scale(18, 4).unwrap()), ["0.0005", "-0.0005"]),
    ];
    for (sent, expected) in cases {
        let name = sent.data_type().to_string();
        let (stored, rejected) = field(&fixture, "wide", sent);
        assert_eq!(stored, expected, "{name}");
        assert!(rejected.is_empty(), "{name}");
    }
    let (stored, rejected) = field(&fixture, "raw", Arc::new(UInt64Array::from(vec![1 << 53, (1 << 53) + 1])));
    assert_eq!(stored, ["9007199254740992.0", "-"]);
    assert_eq!(rejected, [(1, "raw".into(), "too_many_digits".into())]);
    let (stored, _) = field(&fixture, "raw", Arc::new(Float32Array::from(vec![0.1])));
    assert_eq!(stored, [f64::from(0.1f32).to_string()]);
    let (stored, _) = field(&fixture, "raw", Arc::new(decimal(5)));
    assert_eq!(stored, ["0.12345", "-0.00015"]);
}

#[test]
fn values_that_are_no_readings_become_null_and_go_to_rejected_alone() {
    let fixture = Fixture::new();
    let sent = batch(vec![
        ("time", times(5)),
        ("device", devices(&["a"; 5])),
        ("pm", Arc::new(Float64Array::from(vec![f64::NAN, f64::INFINITY, -1.0, 1000.01, 5.0]))),
        ("ratio", Arc::new(Float64Array::from(vec![0.5, 1.5, f64::NAN, 1.0, 0.0]))),
        ("wide", Arc::new(Float64Array::from(vec![1.0, 1e12, 1.0, 1.0, 1.0]))),
        ("count", Arc::new(Int64Array::from(vec![1, 2, -3, 4, 5]))),
    ]);
    let decoded = decode(&fixture, &sent).unwrap();
    assert_eq!(fixture.stored(&decoded, "pm"), ["-", "-", "-", "-", "5.00"]);
    assert_eq!(fixture.stored(&decoded, "ratio"), ["0.5", "-", "-", "1.0", "0.0"]);
    assert_eq!(fixture.stored(&decoded, "count"), ["1", "2", "-", "4", "5"]);
    let expected: [(i64, &str, &str); 8] = [
        (0, "pm", "not_finite"),
        (1, "pm", "not_finite"),
        (2, "pm", "out_of_range"),
        (3, "pm", "out_of_range"),
        (1, "ratio", "out_of_range"),
        (2, "ratio", "not_finite"),
        (1, "wide", "too_many_digits"),
        (2, "count", "out_of_range"),
    ];
    assert_eq!(reasons(&decoded), expected.map(|(row, field, reason)| (row, field.to_owned(), reason.to_owned())));
    assert_eq!((decoded.rows, decoded.readings), (5, 20 - 8));
    assert_eq!((decoded.rejected_rows, decoded.rejected_readings), (0, 8));
    let counts: Vec<_> = decoded.rejections.iter().map(|r| (r.reason.as_str(), r.count, r.number)).collect();
    assert_eq!(counts, [("not_finite", 3, 0), ("out_of_range", 4, 0), ("too_many_digits", 1, 0)]);
    assert!(decoded.rejections[1].first.contains("pm: -1.0 is outside of 0 to 1000 µg/m³"), "{:?}", decoded.rejections);

    let rejected = decoded.rejected.as_ref().unwrap();
    assert_eq!(rejected.schema(), fixture.rejected.schemas.log);
    let constant = |name: &str| column_text(rejected, name)[0].clone();
    assert_eq!([constant("table_name"), constant("gateway"), constant("producer")], ["t", "gw", "p"]);
    assert_eq!([constant("epoch"), constant("batch"), constant("quality")], ["3", "7", "0"]);
    assert_eq!(constant("time"), "1970-01-01T00:00:00Z");
    assert_eq!(constant("device_key"), fixture.key("a").unwrap().0.to_string());
    let content: serde_json::Value = serde_json::from_str(&rejections(&decoded)[0].4).unwrap();
    assert_eq!(content, serde_json::json!({"time": "2025-01-01T00:00:00Z", "device": "a", "pm": "NaN"}));
}

#[test]
fn values_under_nulls_are_never_looked_at() {
    let fixture = Fixture::new();
    let nulls = || Some(vec![true, false].into());
    let pm = Float64Array::new(vec![1.0, f64::NAN].into(), nulls());
    assert_eq!(field(&fixture, "pm", Arc::new(pm)), (vec!["1.00".into(), "-".into()], vec![]));
    let ratio = Float64Array::new(vec![1.0, 7.0].into(), nulls());
    assert_eq!(field(&fixture, "ratio", Arc::new(ratio)), (vec!["1.0".into(), "-".into()], vec![]));
    let count = Int64Array::new(vec![1, -7].into(), nulls());
    assert_eq!(field(&fixture, "count", Arc::new(count)), (vec!["1".into(), "-".into()], vec![]));
}

#[test]
fn a_decimal_of_the_kept_scale_with_too_many_digits_is_no_reading() {
    let fixture = Fixture::new();
    let sent =
        Decimal64Array::from(vec![999_999_999_999_999, 1_000_000_000_000_000]).with_precision_and_scale(18, 4).unwrap();
    let (stored, rejected) = field(&fixture, "wide", Arc::new(sent));
    assert_eq!(stored, ["99999999999.9999", "-"]);
    assert_eq!(rejected, [(1, "wide".into(), "too_many_digits".into())]);
}

#[test]
fn rows_whose_time_is_not_acceptable_are_rejected_whole() {
    let fixture = Fixture::new();
    let five_minutes = 300_000_000;
    let sent = batch(vec![
        (
            "time",
            Arc::new(TimestampMicrosecondArray::from(vec![
                Some(NOW_US),
                None,
                Some(-1),
                Some(NOW_US + five_minutes),
                Some(NOW_US + five_minutes + 1),
            ])),
        ),
        ("device", devices(&["a", "a", "a", "a", "never"])),
        ("pm", Arc::new(Float64Array::from(vec![1.0, f64::NAN, 3.0, 4.0, 5.0]))),
    ]);
    let decoded = decode(&fixture, &sent).unwrap();
    assert_eq!(fixture.stored(&decoded, "pm"), ["1.00", "4.00"]);
    let expected = [(1, "bad_time"), (2, "bad_time"), (4, "future_time")];
    assert_eq!(reasons(&decoded), expected.map(|(row, reason)| (row, "-".to_owned(), reason.to_owned())));
    assert_eq!((decoded.rows, decoded.rejected_rows, decoded.rejected_readings), (2, 3, 0));
    assert_eq!(fixture.key("never"), None, "a device of rejected rows alone is not registered");
    let rejected = decoded.rejected.as_ref().unwrap();
    assert_eq!(column_text(rejected, "device_key")[2], fixture.gateway.zone_key.0.to_string());
    assert!(rejections(&decoded)[2].4.contains("\"pm\":5.0"), "{:?}", rejections(&decoded)[2]);
}

#[test]
fn times_of_every_unit_are_brought_to_microseconds_or_rejected() {
    let fixture = Fixture::new();
    let second = NOW_US / 1_000_000;
    let cases: Vec<(ArrayRef, &str)> = vec![
        (Arc::new(TimestampSecondArray::from(vec![second, i64::MAX, i64::MIN])), "2025-01-01T00:00:00Z"),
        (
            Arc::new(TimestampMillisecondArray::from(vec![second * 1_000 - 1, i64::MAX, i64::MIN])),
            "2024-12-31T23:59:59.999Z",
        ),
        (
            Arc::new(
                TimestampNanosecondArray::from(vec![NOW_US * 1_000 - 1, i64::MAX, i64::MIN])
                    .with_timezone("Asia/Ho_Chi_Minh"),
            ),
            "2024-12-31T23:59:59.999999Z",
        ),
    ];
    for (time, expected) in cases {
        let sent = batch(vec![("time", time), ("device", devices(&["a"; 3]))]);
        let decoded = decode(&fixture, &sent).unwrap();
        assert_eq!(column_text(decoded.stored.as_ref().unwrap(), "time"), [expected]);
        let reasons: Vec<_> = reasons(&decoded).into_iter().map(|(row, _, reason)| (row, reason)).collect();
        assert_eq!(reasons, [(1, "future_time".to_owned()), (2, "bad_time".to_owned())]);
    }
    let field = TimestampSecondArray::from(vec![-1, i64::MAX]);
    let (stored, rejected) = self::field(&fixture, "at", Arc::new(field));
    assert_eq!(stored, ["1969-12-31T23:59:59Z", "-"]);
    assert_eq!(rejected, [(1, "at".into(), "out_of_range".into())]);
}

#[test]
fn qualities_come_as_names_statuses_and_codes() {
    let fixture = Fixture::new();
    let quality = |quality: ArrayRef| {
        let rows = quality.len();
        let sent = batch(vec![("time", times(rows)), ("device", devices(&vec!["a"; rows])), ("quality", quality)]);
        let decoded = decode(&fixture, &sent).unwrap();
        (column_text(decoded.stored.as_ref().unwrap(), "quality"), reasons(&decoded))
    };
    let bad = |row: i64| vec![(row, "-".to_owned(), "bad_quality".to_owned())];
    let names = vec![Some("good"), Some("02"), None, Some("nonsense"), Some("64")];
    let expected = (vec!["0".to_owned(), "2".into(), "0".into(), "1".into()], bad(3));
    assert_eq!(quality(Arc::new(StringArray::from(names.clone()))), expected);
    assert_eq!(quality(Arc::new(names.clone().into_iter().collect::<DictionaryArray<Int8Type>>())), expected);
    assert_eq!(quality(Arc::new(StringViewArray::from(names))), expected);
    let codes = Int32Array::from(vec![Some(192), Some(0x808B_0000_u32.cast_signed()), None, Some(5)]);
    assert_eq!(quality(Arc::new(codes)), (vec!["0".to_owned(), "3".into(), "0".into()], bad(3)));
    assert_eq!(quality(Arc::new(NullArray::new(2))), (vec!["0".to_owned(), "0".into()], vec![]));
}

#[test]
fn rows_without_a_device_or_with_a_name_that_cannot_be_are_rejected() {
    let fixture = Fixture::new();
    let names = vec![Some("a"), None, Some(""), Some("tab\t"), Some("Trạm 1")];
    let long = "x".repeat(129);
    for device in [
        Arc::new(names.clone().into_iter().collect::<DictionaryArray<UInt16Type>>()) as ArrayRef,
        Arc::new(LargeStringArray::from(names.clone())),
        Arc::new(StringViewArray::from(names)),
        Arc::new(StringArray::from(vec![Some("a"), None, Some(long.as_str()), Some(long.as_str()), Some("Trạm 1")])),
    ] {
        let decoded = decode(&fixture, &batch(vec![("time", times(5)), ("device", device)])).unwrap();
        assert_eq!(stored_devices(&decoded), [fixture.key("a").unwrap().0, fixture.key("Trạm 1").unwrap().0]);
        let expected = [1, 2, 3].map(|row| (row, "-".to_owned(), "bad_device".to_owned()));
        assert_eq!(reasons(&decoded), expected);
    }
}

#[test]
fn where_the_zone_does_not_let_devices_register_unknown_ones_are_rejected_until_they_are_known() {
    let fixture = Fixture::new();
    fixture.registry.set_auto_register("vung-ang", false).unwrap();
    let gateway = fixture.registry.authenticate_gateway(&fixture.token).unwrap();
    assert!(!gateway.auto_register);
    let mut decoder = ArrowDecoder::new(&fixture.table, fixture.limits.clone());
    let sent = messages(&batch(vec![("time", times(2)), ("device", devices(&["a", "b"]))]));
    decoder.handle_schema(&sent.schema).unwrap();
    decoder.handle_dictionary(sent.dictionaries[0].clone()).unwrap();
    fixture.registry.register_devices(gateway.zone, &["a"]).unwrap();
    let context = zonelake_ingest::BatchContext { gateway: &gateway, ..fixture.context() };
    let decoded = decoder.decode(sent.batch.clone(), &context).unwrap();
    assert_eq!(stored_devices(&decoded).len(), 1);
    assert_eq!(reasons(&decoded), [(1, "-".to_owned(), "unknown_device".to_owned())]);
    fixture.registry.register_devices(gateway.zone, &["b"]).unwrap();
    let decoded = decoder.decode(sent.batch, &context).unwrap();
    assert_eq!(decoded.rows, 2);
}

#[test]
fn a_device_that_moves_gets_its_new_key_from_the_next_batch_on() {
    let fixture = Fixture::new();
    let mut decoder = ArrowDecoder::new(&fixture.table, fixture.limits.clone());
    let sent = messages(&batch(vec![("time", times(1)), ("device", devices(&["a"]))]));
    decoder.handle_schema(&sent.schema).unwrap();
    decoder.handle_dictionary(sent.dictionaries[0].clone()).unwrap();
    let before = stored_devices(&decoder.decode(sent.batch.clone(), &fixture.context()).unwrap());
    fixture.registry.add_site("vung-ang", "pier-2", "Pier 2").unwrap();
    let moved = fixture.registry.assign_device_site("vung-ang", "a", Some("pier-2")).unwrap();
    let after = stored_devices(&decoder.decode(sent.batch, &fixture.context()).unwrap());
    assert_ne!(before, after);
    assert_eq!(after, [moved.0]);
}

#[test]
fn stated_places_are_checked_and_dropped() {
    let fixture = Fixture::new();
    fixture.registry.add_site("vung-ang", "pier-2", "Pier 2").unwrap();
    fixture.registry.register_devices(fixture.gateway.zone, &["at-pier"]).unwrap();
    fixture.registry.assign_device_site("vung-ang", "at-pier", Some("pier-2")).unwrap();
    let text = |values: [Option<&str>; 5]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let sent = batch(vec![
        ("time", times(5)),
        ("device", devices(&["at-pier", "at-pier", "b", "b", "b"])),
        ("province", text([Some("ha-tinh"), None, None, Some("dak-lak"), None])),
        ("zone", text([Some("vung-ang"), Some(""), None, None, Some("elsewhere")])),
        ("site", text([Some("pier-2"), Some("pier-3"), Some("anywhere"), None, None])),
    ]);
    let decoded = decode(&fixture, &sent).unwrap();
    assert_eq!(decoded.rows, 2);
    assert_eq!(reasons(&decoded), [1, 3, 4].map(|row| (row, "-".to_owned(), "wrong_place".to_owned())));
    assert!(rejections(&decoded)[2].3.contains("elsewhere"), "{:?}", rejections(&decoded)[2]);
    assert!(decoded.stored.unwrap().column_by_name("site").is_none());
}

#[test]
fn a_row_without_any_reading_is_stored_as_a_heartbeat() {
    let fixture = Fixture::new();
    let decoded = decode(&fixture, &batch(vec![("time", times(1)), ("device", devices(&["a"]))])).unwrap();
    assert_eq!((decoded.rows, decoded.readings), (1, 0));
    let decoded = decode(&fixture, &with_field("pm", Arc::new(Float64Array::from(vec![f64::NAN])))).unwrap();
    assert_eq!((decoded.rows, decoded.readings, decoded.rejected_readings), (1, 0, 1));
}

#[test]
fn the_lane_is_kept_with_each_row_and_each_rejection() {
    let fixture = Fixture::new();
    let messages = messages(&with_field("pm", Arc::new(Float64Array::from(vec![1.0, f64::NAN]))));
    let mut decoder = ArrowDecoder::new(&fixture.table, fixture.limits.clone());
    decoder.handle_schema(&messages.schema).unwrap();
    decoder.handle_dictionary(messages.dictionaries[0].clone()).unwrap();
    let context = zonelake_ingest::BatchContext { lane: Lane::Backfill, ..fixture.context() };
    let decoded = decoder.decode(messages.batch, &context).unwrap();
    for part in [decoded.stored.unwrap(), decoded.rejected.unwrap()] {
        let backfill = part.column(log::BACKFILL).as_boolean();
        assert_eq!(backfill.true_count(), part.num_rows());
    }
}

#[test]
fn text_booleans_and_integers_arrive_in_every_wire_type() {
    let fixture = Fixture::new();
    let notes = vec![Some("một"), None, Some("two"), Some("một")];
    for sent in [
        Arc::new(StringArray::from(notes.clone())) as ArrayRef,
        Arc::new(LargeStringArray::from(notes.clone())),
        Arc::new(StringViewArray::from(notes.clone())),
        Arc::new(notes.into_iter().collect::<DictionaryArray<Int8Type>>()),
    ] {
        let (stored, rejected) = field(&fixture, "note", sent);
        assert_eq!(stored, ["một", "-", "two", "một"]);
        assert!(rejected.is_empty());
    }
    let (stored, _) = field(&fixture, "on", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])));
    assert_eq!(stored, ["true", "-", "false"]);
    let (stored, rejected) = field(&fixture, "count", Arc::new(UInt64Array::from(vec![7, u64::MAX])));
    assert_eq!((stored, rejected), (vec!["7".into(), "-".into()], vec![(1, "count".into(), "out_of_range".into())]));
}

#[test]
fn text_over_the_limit_is_no_reading() {
    let mut fixture = Fixture::new();
    fixture.limits.text_bytes_max = 5;
    let sent = || vec!["12345", "123456", "ok"];
    for array in [Arc::new(StringArray::from(sent())) as ArrayRef, Arc::new(StringViewArray::from(sent()))] {
        let (stored, rejected) = field(&fixture, "note", array);
        assert_eq!(stored, ["12345", "-", "ok"]);
        assert_eq!(rejected, [(1, "note".into(), "too_long".into())]);
    }
}

#[test]
fn shared_text_cannot_grow_beyond_the_limit_of_a_batch() {
    let mut fixture = Fixture::new();
    fixture.limits.decompressed_bytes_max = 100_000;
    let long = "x".repeat(60_000);
    let sent: DictionaryArray<Int32Type> = [long.as_str(), long.as_str()].into_iter().collect();
    let refusal = decode(&fixture, &with_field("note", Arc::new(sent))).unwrap_err();
    assert_eq!(refusal.code, RefusedCode::TooLarge, "{refusal}");
}

#[test]
fn text_columns_share_one_limit_of_a_batch() {
    let mut fixture = Fixture::new();
    let fields = ["u", "v", "w"].map(|name| format!("[[field]]\nname = \"{name}\"\ntype = \"text\"\n"));
    let table = TableDef::from_toml(&format!("name = \"texts\"\n{}", fields.concat())).unwrap();
    let registered = fixture.registry.register_tables(&[table]).unwrap();
    fixture.table = Arc::clone(registered.iter().find(|table| table.def.name == "texts").unwrap());
    fixture.limits.decompressed_bytes_max = 100_000;
    let long = "x".repeat(40_000);
    let shared: ArrayRef = Arc::new([long.as_str()].into_iter().collect::<DictionaryArray<Int32Type>>());
    let columns = |names: &[&'static str]| {
        let fixed = [("time", times(1)), ("device", devices(&["a"]))];
        batch(fixed.into_iter().chain(names.iter().map(|name| (*name, Arc::clone(&shared)))).collect())
    };
    assert_eq!(decode(&fixture, &columns(&["u", "v"])).unwrap().readings, 2);
    let refusal = decode(&fixture, &columns(&["u", "v", "w"])).unwrap_err();
    assert_eq!(refusal.code, RefusedCode::TooLarge, "{refusal}");
}

#[test]
fn unknown_columns_wrong_types_and_nested_types_are_refused_by_name() {
    let fixture = Fixture::new();
    let refused = |name: &str, values: ArrayRef| decode(&fixture, &with_field(name, values)).unwrap_err();
    let refusal = refused("pn", Arc::new(Float64Array::from(vec![1.0])));
    assert_eq!(refusal.code, RefusedCode::UnknownColumn);
    assert!(refusal.message.contains("\"pn\"") && refusal.message.contains("pm"), "{refusal}");
    for (name, values, words) in [
        ("pm", Arc::new(StringArray::from(vec!["1"])) as ArrayRef, ["pm", "Utf8", "Decimal32(9, 2)"]),
        ("count", Arc::new(Float64Array::from(vec![1.0])), ["count", "Float64", "Int64"]),
        ("on", Arc::new(Int64Array::from(vec![1])), ["on", "Int64", "Boolean"]),
        ("at", Arc::new(Int64Array::from(vec![1])), ["at", "Int64", "Timestamp"]),
        ("quality", Arc::new(Float64Array::from(vec![1.0])), ["quality", "Float64", "integer code"]),
        (
            "raw",
            Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>([Some([Some(1.0)])])),
            ["raw", "List", "Float64"],
        ),
    ] {
        let refusal = refused(name, values);
        assert_eq!(refusal.code, RefusedCode::WrongType, "{refusal}");
        assert!(words.iter().all(|word| refusal.message.contains(word)), "{refusal}");
    }
    assert_eq!(fixture.key("a"), None, "nothing of a refused batch has an effect");
    let refusal = decode(&fixture, &batch(vec![("time", times(1)), ("pm", Arc::new(Float64Array::from(vec![1.0])))]))
        .unwrap_err();
    assert!(refusal.message.contains("no column device"), "{refusal}");
}

#[test]
fn dictionaries_may_grow_by_deltas_and_be_replaced() {
    let fixture = Fixture::new();
    let mut decoder = ArrowDecoder::new(&fixture.table, fixture.limits.clone());
    let mut sender = Sender::new(IpcWriteOptions::default());
    let mut decode = |names: &[&str]| {
        let sent = sender.send(&batch(vec![("time", times(names.len())), ("device", devices(names))]));
        if decoder.digest(b"") == ArrowDecoder::new(&fixture.table, fixture.limits.clone()).digest(b"") {
            decoder.handle_schema(&sent.schema).unwrap();
        }
        let sizes: Vec<_> = sent.dictionaries.iter().map(bytes::Bytes::len).collect();
        for dictionary in sent.dictionaries {
            decoder.handle_dictionary(dictionary).unwrap();
        }
        (stored_devices(&decoder.decode(sent.batch, &fixture.context()).unwrap()), decoder.digest(b"x"), sizes.len())
    };
    let (first, digest_ab, sent) = decode(&["a", "b"]);
    assert_eq!(sent, 1);
    let (grown, digest_abc, sent) = decode(&["a", "b", "c"]);
    assert_eq!((grown[..2].to_vec(), sent), (first.clone(), 1));
    assert_eq!(grown[2], fixture.key("c").unwrap().0);
    let (replaced, digest_ba, _) = decode(&["b", "a"]);
    assert_eq!(replaced, [first[1], first[0]]);
    assert!(digest_ab != digest_abc && digest_ab != digest_ba);

    // A sender that starts again sends the grown dictionary whole; its content is the same.
    let mut fresh = ArrowDecoder::new(&fixture.table, fixture.limits.clone());
    let sent = messages(&batch(vec![("time", times(3)), ("device", devices(&["a", "b", "c"]))]));
    fresh.handle_schema(&sent.schema).unwrap();
    fresh.handle_dictionary(sent.dictionaries[0].clone()).unwrap();
    assert_eq!(fresh.digest(b"x"), digest_abc);
    assert_ne!(fresh.digest(b"x"), fresh.digest(b"y"));
}

#[test]
fn compressed_batches_decode_alike() {
    let fixture = Fixture::new();
    let values: Vec<f64> = (0..10_000).map(|i| f64::from(i % 50) / 100.0).collect();
    let sent = with_field("pm", Arc::new(Float64Array::from(values)));
    let plain = decode(&fixture, &sent).unwrap();
    for codec in [CompressionType::LZ4_FRAME, CompressionType::ZSTD] {
        let options = IpcWriteOptions::default().try_with_compression(Some(codec)).unwrap();
        let decoded = decode_with(&fixture, &sent, options).unwrap();
        assert_eq!(decoded.stored, plain.stored, "{codec:?}");
    }
}

#[test]
fn batches_over_the_limits_are_refused_and_what_is_beyond_the_limit_of_rejections_is_counted() {
    let mut fixture = Fixture::new();
    fixture.limits.batch_rows_max = 3;
    let rows = |n: usize| with_field("pm", Arc::new(Float64Array::from(vec![f64::NAN; n])));
    assert_eq!(decode(&fixture, &rows(4)).unwrap_err().code, RefusedCode::TooLarge);
    fixture.limits.rejected_rows_max = 2;
    let decoded = decode(&fixture, &rows(3)).unwrap();
    assert_eq!(decoded.rejected_readings, 3);
    let rejected = rejections(&decoded);
    assert_eq!(rejected.len(), 3);
    assert_eq!((rejected[2].0, rejected[2].1.as_str()), (-1, "pm"));
    assert!(rejected[2].3.starts_with("1 more readings"), "{:?}", rejected[2]);
    assert_eq!(decoded.rejections[0].count, 3);
    fixture.limits.batch_cells_max = 8;
    assert_eq!(decode(&fixture, &rows(2)).unwrap_err().code, RefusedCode::TooLarge);
    fixture.limits.batch_cells_max = 1_000;
    fixture.limits.dictionary_values_max = 1;
    let two = batch(vec![("time", times(2)), ("device", devices(&["a", "b"]))]);
    assert_eq!(decode(&fixture, &two).unwrap_err().code, RefusedCode::TooLarge);
}

#[test]
fn messages_out_of_order_are_refused() {
    let fixture = Fixture::new();
    let sent = messages(&with_field("pm", Arc::new(Float64Array::from(vec![1.0]))));
    let mut decoder = ArrowDecoder::new(&fixture.table, fixture.limits.clone());
    let code = |result: Result<(), Refusal>| result.unwrap_err().code;
    assert_eq!(code(decoder.decode(sent.batch.clone(), &fixture.context()).map(drop)), RefusedCode::Protocol);
    assert_eq!(code(decoder.handle_dictionary(sent.dictionaries[0].clone())), RefusedCode::Protocol);
    assert_eq!(code(decoder.handle_schema(&sent.batch)), RefusedCode::BadPayload);
    decoder.handle_schema(&sent.schema).unwrap();
    assert_eq!(code(decoder.decode(sent.batch.clone(), &fixture.context()).map(drop)), RefusedCode::Protocol);
    assert_eq!(code(decoder.decode(sent.schema.clone(), &fixture.context()).map(drop)), RefusedCode::BadPayload);
    assert_eq!(code(decoder.handle_dictionary(sent.batch.clone())), RefusedCode::BadPayload);
}

#[test]
fn an_index_outside_of_its_dictionary_is_refused() {
    let fixture = Fixture::new();
    let mut decoder = ArrowDecoder::new(&fixture.table, fixture.limits.clone());
    let two = messages(&batch(vec![("time", times(2)), ("device", devices(&["a", "b"]))]));
    let one = messages(&batch(vec![("time", times(1)), ("device", devices(&["a"]))]));
    decoder.handle_schema(&two.schema).unwrap();
    decoder.handle_dictionary(one.dictionaries[0].clone()).unwrap();
    let refusal = decoder.decode(two.batch, &fixture.context()).unwrap_err();
    assert_eq!(refusal.code, RefusedCode::BadPayload);
    assert!(refusal.message.contains("column device, row 1: index 1"), "{refusal}");
}
