//! Values of fields: numbers, decimals, text, booleans, and what is no reading.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Decimal32Array, Decimal64Array, Decimal128Array, DictionaryArray, Float32Array,
    Float64Array, Int32Array, Int64Array, LargeStringArray, RecordBatch, StringArray, StringViewArray, UInt8Array,
    UInt64Array,
};
use arrow::datatypes::{Field, Int8Type, Schema};
use zonelake_ingest::Refusal;
use zonelake_schemas::wire::control::RefusedCode;

use crate::fixture::{Fixture, batch, column_text, reasons, rejections, stored_devices};
use crate::sent::{decode, devices, field, times, with_field};

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
fn values_that_a_source_could_not_read_are_rejected_as_they_were_sent_and_the_others_are_stored() {
    let fixture = Fixture::new();
    let sent = |name: &str, texts: Vec<Option<&str>>| {
        let plain = with_field(name, Arc::new(StringArray::from(texts)));
        let as_text = |field: &Field| match field.name() == name {
            true => field.clone().with_metadata([("as_text".to_owned(), "true".to_owned())].into()),
            false => field.clone(),
        };
        let fields: Vec<Field> = plain.schema().fields().iter().map(|field| as_text(field)).collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), plain.columns().to_vec()).unwrap();
        let decoded = decode(&fixture, &batch)?;
        let stored = fixture.stored(&decoded, name);
        Ok::<_, Refusal>((stored, reasons(&decoded)))
    };
    let unreadable = |row, field: &str| (row, field.to_owned(), "unreadable".to_owned());
    let (stored, rejected) = sent("pm", vec![Some("1.5"), Some("<0.5"), None, Some("2"), Some("1e6")]).unwrap();
    assert_eq!(stored, ["1.50", "-", "-", "2.00", "-"]);
    assert_eq!(rejected, [unreadable(1, "pm"), (4, "pm".into(), "out_of_range".into())]);
    let (stored, rejected) = sent("raw", vec![Some("0.1"), Some("ND"), Some("-7")]).unwrap();
    assert_eq!((stored, rejected), (vec!["0.1".into(), "-".into(), "-7.0".into()], vec![unreadable(1, "raw")]));
    let (stored, rejected) = sent("count", vec![Some("9007199254740993"), Some("1.5")]).unwrap();
    assert_eq!((stored, rejected), (vec!["9007199254740993".into(), "-".into()], vec![unreadable(1, "count")]));
    let (stored, rejected) = sent("on", vec![Some("true"), Some("maybe"), None]).unwrap();
    assert_eq!((stored, rejected), (vec!["true".into(), "-".into(), "-".into()], vec![unreadable(1, "on")]));
    let refusal = sent("at", vec![Some("2025-01-01")]).unwrap_err();
    assert_eq!(refusal.code, RefusedCode::WrongType, "an instant has no other form than its own");
}
