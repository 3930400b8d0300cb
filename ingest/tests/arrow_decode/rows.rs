//! Rows: their time, quality, device, place and lane.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Float64Array, Int32Array, LargeStringArray, NullArray, StringArray,
    StringViewArray, TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
    TimestampSecondArray,
};
use arrow::datatypes::{Int8Type, UInt16Type};
use zonelake_ingest::ArrowDecoder;
use zonelake_registry::{DeviceChanges, DeviceState};
use zonelake_schemas::Lane;
use zonelake_schemas::columns::log;

use crate::fixture::{Fixture, NOW_US, batch, column_text, messages, reasons, rejections, stored_devices};
use crate::sent::{decode, devices, field, times, with_field};

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
    let instants = TimestampSecondArray::from(vec![-1, i64::MAX]);
    let (stored, rejected) = field(&fixture, "at", Arc::new(instants));
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
    let codes = Int32Array::from(vec![Some(192), Some(0x808B_0000_u32.cast_signed()), None, Some(3)]);
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
fn rows_of_a_retired_device_are_rejected_from_the_next_batch_on_and_stored_once_it_is_approved_again() {
    let fixture = Fixture::new();
    let set = |state| {
        let changes = DeviceChanges { state: Some(state), ..DeviceChanges::default() };
        fixture.registry.set_device("vung-ang", "a", &changes, "admin").unwrap();
    };
    let mut decoder = ArrowDecoder::new(&fixture.table, fixture.limits.clone());
    let sent = messages(&batch(vec![("time", times(2)), ("device", devices(&["a", "b"]))]));
    decoder.handle_schema(&sent.schema).unwrap();
    decoder.handle_dictionary(sent.dictionaries[0].clone()).unwrap();
    // The stream has its key from here on.
    let before = stored_devices(&decoder.decode(sent.batch.clone(), &fixture.context()).unwrap());
    set(DeviceState::Retired);
    let decoded = decoder.decode(sent.batch.clone(), &fixture.context()).unwrap();
    assert_eq!(reasons(&decoded), [(0, "-".to_owned(), "unknown_device".to_owned())]);
    assert_eq!(stored_devices(&decoded), before[1..]);
    set(DeviceState::Approved);
    assert_eq!(stored_devices(&decoder.decode(sent.batch, &fixture.context()).unwrap()), before);
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
    assert_eq!(decoded.rows, 1);
    assert_eq!(reasons(&decoded), [1, 2, 3, 4].map(|row| (row, "-".to_owned(), "wrong_place".to_owned())));
    assert!(rejections(&decoded)[3].3.contains("elsewhere"), "{:?}", rejections(&decoded)[3]);
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
