//! Rules of values that hold however they come: times that can be stored, qualities of every scale, and rejections of which
//! none is lost.

#![expect(clippy::unwrap_used, reason = "a helper that cannot do its part fails its test")]

mod fixture;

use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray, UInt32Array,
};
use arrow::datatypes::Int32Type;
use fixture::{Fixture, NOW_US, batch, column_text, messages, reasons, rejections};
use zonelake_ingest::{ArrowDecoder, DecodedBatch, LineDecoder, Precision, Refusal};
use zonelake_schemas::wire::control::RefusedCode;

/// The last microsecond of the year 9999, and the first of the year 1.
const LAST_US: i64 = 253_402_300_799_999_999;
const FIRST_US: i64 = -62_135_596_800_000_000;

fn times(rows: usize) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_value(NOW_US, rows).with_timezone("UTC"))
}

fn devices(rows: usize) -> ArrayRef {
    Arc::new(vec!["a"; rows].into_iter().collect::<DictionaryArray<Int32Type>>())
}

fn decode(fixture: &Fixture, batch: &RecordBatch) -> Result<DecodedBatch, Refusal> {
    let messages = messages(batch);
    let mut decoder = ArrowDecoder::new(&fixture.table, fixture.limits.clone());
    decoder.handle_schema(&messages.schema)?;
    for dictionary in messages.dictionaries {
        decoder.handle_dictionary(dictionary)?;
    }
    decoder.decode(messages.batch, &fixture.context())
}

fn decode_lines(fixture: &Fixture, precision: Precision, lines: &str) -> Result<DecodedBatch, Refusal> {
    LineDecoder::new(&fixture.table, precision).decode(lines.as_bytes(), &fixture.context())
}

fn with(fixture: &Fixture, name: &str, values: ArrayRef) -> DecodedBatch {
    let rows = values.len();
    decode(fixture, &batch(vec![("time", times(rows)), ("device", devices(rows)), (name, values)])).unwrap()
}

fn reading(row: i64, field: &str, reason: &str) -> (i64, String, String) {
    (row, field.to_owned(), reason.to_owned())
}

#[test]
fn a_timestamp_beyond_the_years_1_to_9999_is_no_reading_whatever_its_unit() {
    let fixture = Fixture::new();
    let micros = [FIRST_US - 1, FIRST_US, LAST_US, LAST_US + 1, 9_200_000_000_000_000_000, i64::MIN, i64::MAX];
    let kept = ["-", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "-", "-", "-", "-"];
    let refused = [0, 3, 4, 5, 6].map(|row| reading(row, "at", "out_of_range"));
    let decoded = with(&fixture, "at", Arc::new(TimestampMicrosecondArray::from(micros.to_vec())));
    assert_eq!(fixture.stored(&decoded, "at"), kept);
    assert_eq!(reasons(&decoded), refused);
    assert!(rejections(&decoded)[1].3.contains("outside of the years 1 to 9999"), "{:?}", rejections(&decoded)[1]);
    // What stands under a null is no value.
    let nulls = TimestampMicrosecondArray::new(vec![i64::MAX, NOW_US].into(), Some(vec![false, true].into()));
    let decoded = with(&fixture, "at", Arc::new(nulls));
    assert_eq!(
        (fixture.stored(&decoded, "at"), reasons(&decoded).len()),
        (vec!["-".into(), "2025-01-01T00:00:00Z".into()], 0)
    );

    let seconds = Arc::new(TimestampSecondArray::from(vec![LAST_US / 1_000_000, LAST_US / 1_000_000 + 1, i64::MAX]));
    let millis = Arc::new(TimestampMillisecondArray::from(vec![LAST_US / 1_000, LAST_US / 1_000 + 1, i64::MAX]));
    for values in [seconds as ArrayRef, millis] {
        let decoded = with(&fixture, "at", values);
        assert_eq!(reasons(&decoded), [1, 2].map(|row| reading(row, "at", "out_of_range")));
    }
    let nanos = Arc::new(TimestampNanosecondArray::from(vec![i64::MIN, i64::MAX]));
    assert!(reasons(&with(&fixture, "at", nanos)).is_empty(), "64 bits of nanoseconds are the years 1677 to 2262");
}

#[test]
fn a_timestamp_beyond_the_years_1_to_9999_in_a_line_is_no_reading_in_any_precision() {
    let fixture = Fixture::new();
    let micros = format!(
        "t,device=a at={LAST_US}i\nt,device=a at={}i\nt,device=a at={FIRST_US}i\nt,device=a at={}i\n",
        LAST_US + 1,
        FIRST_US - 1
    );
    let decoded = decode_lines(&fixture, Precision::Microseconds, &micros).unwrap();
    assert_eq!(fixture.stored(&decoded, "at"), ["9999-12-31T23:59:59.999999Z", "-", "0001-01-01T00:00:00Z", "-"]);
    assert_eq!(reasons(&decoded), [1, 3].map(|row| reading(row, "at", "out_of_range")));
    for (precision, last) in [
        (Precision::Milliseconds, LAST_US / 1_000),
        (Precision::Seconds, LAST_US / 1_000_000),
        (Precision::Minutes, LAST_US / 60_000_000),
        (Precision::Hours, LAST_US / 3_600_000_000),
    ] {
        let lines = format!("t,device=a at={last}i\nt,device=a at={}i\n", last + 1);
        let decoded = decode_lines(&fixture, precision, &lines).unwrap();
        assert_eq!(reasons(&decoded), [reading(1, "at", "out_of_range")], "{precision:?}");
    }
}

#[test]
fn a_row_before_the_earliest_time_that_is_taken_is_rejected_whole_with_the_reason() {
    let mut fixture = Fixture::new();
    fixture.limits.oldest_us = 978_307_200_000_000;
    let sent = TimestampMicrosecondArray::from(vec![0, 978_307_199_999_999, 978_307_200_000_000, -1, NOW_US]);
    let decoded = decode(&fixture, &batch(vec![("time", Arc::new(sent)), ("device", devices(5))])).unwrap();
    assert_eq!((decoded.rows, decoded.rejected_rows), (2, 3));
    let expected = [reading(0, "-", "past_time"), reading(1, "-", "past_time"), reading(3, "-", "bad_time")];
    assert_eq!(reasons(&decoded), expected);
    let told = &rejections(&decoded)[0].3;
    assert!(told.contains("1970-01-01T00:00:00Z") && told.contains("before 2001-01-01T00:00:00Z"), "{told}");
    // Seconds that were sent as nanoseconds.
    let decoded = decode_lines(&fixture, Precision::Nanoseconds, "t,device=a pm=1 1735689600\n").unwrap();
    assert_eq!(reasons(&decoded), [reading(0, "-", "past_time")]);
}

#[test]
fn codes_of_a_quality_are_of_the_scale_that_their_column_names() {
    let fixture = Fixture::new();
    let quality = |name: &str, values: ArrayRef| {
        let decoded = with(&fixture, name, values);
        (column_text(decoded.stored.as_ref().unwrap(), "quality"), reasons(&decoded))
    };
    let ints = |values: &[i32]| Arc::new(Int32Array::from(values.to_vec())) as ArrayRef;
    let good = |numbers: &[&str]| (numbers.iter().map(|&number| number.to_owned()).collect::<Vec<_>>(), vec![]);
    assert_eq!(
        quality("quality_opc_da", ints(&[0, 4, 8, 20, 28, 68, 80, 216, 192])),
        good(&["3", "3", "4", "4", "3", "1", "1", "0", "0"])
    );
    assert_eq!(
        quality("quality", ints(&[4, 8, 20, 28, 68, 80, 216, 192])),
        good(&["3", "4", "4", "3", "1", "1", "0", "0"])
    );
    let opc_ua = vec![0, 0x8000_0000, 0x4090_0000, 0x0096_0000, 0x808C_0000];
    assert_eq!(
        quality("quality_opc_ua", Arc::new(UInt32Array::from(opc_ua.clone()))),
        good(&["0", "3", "1", "0", "2"])
    );
    assert_eq!(quality("quality", Arc::new(UInt32Array::from(opc_ua))), good(&["0", "3", "1", "0", "2"]));
    assert_eq!(quality("quality_circular_10", Arc::new(Int64Array::from(vec![0, 1, 2]))), good(&["0", "1", "2"]));
    let names = StringArray::from(vec![Some("GOOD"), Some("Uncertain"), Some("0x80000000"), None]);
    assert_eq!(quality("quality", Arc::new(names)), good(&["0", "1", "3", "0"]));
    // The same digits in a dictionary, which is read once for each value.
    let zero = vec!["0", "192", "0"].into_iter().collect::<DictionaryArray<Int32Type>>();
    assert_eq!(quality("quality_opc_da", Arc::new(zero.clone())), good(&["3", "0", "3"]));
    assert_eq!(quality("quality", Arc::new(zero)), good(&["0", "0", "0"]));

    let (stored, rejected) = quality("quality", ints(&[1, 0]));
    assert_eq!((stored, rejected), (vec!["0".to_owned()], vec![reading(0, "-", "bad_quality")]));
    let decoded = decode_lines(
        &fixture,
        Precision::Nanoseconds,
        "t,device=a quality_opc_da=0i,pm=1\nt,device=a,quality_opc_da=216 pm=1\nt,device=a,quality_circular_10=1 pm=1\nt,device=a quality=0i,pm=1\nt,device=a quality=2i,pm=1\nt,device=a,quality=Good pm=1\n",
    );
    let decoded = decoded.unwrap();
    assert_eq!(column_text(decoded.stored.as_ref().unwrap(), "quality"), ["3", "0", "1", "0", "0"]);
    let told = &rejections(&decoded)[0];
    assert!(told.0 == 4 && told.3.contains("quality 2 is") && told.3.contains("quality_opc_da"), "{told:?}");
}

#[test]
fn a_row_has_one_quality() {
    let fixture = Fixture::new();
    let codes = || Arc::new(Int32Array::from(vec![0])) as ArrayRef;
    let two =
        batch(vec![("time", times(1)), ("device", devices(1)), ("quality", codes()), ("quality_opc_da", codes())]);
    let refusal = decode(&fixture, &two).unwrap_err();
    assert_eq!(refusal.code, RefusedCode::BadPayload);
    assert!(refusal.message.contains("columns quality and quality_opc_da both have the quality"), "{refusal}");
    let lines = "t,device=a,quality=good quality_opc_da=0i,pm=1\n";
    let refusal = decode_lines(&fixture, Precision::Nanoseconds, lines).unwrap_err();
    assert!(refusal.message.contains("line 1: the quality stands twice"), "{refusal}");
}

#[test]
fn the_largest_batch_of_rows_from_the_future_is_kept_row_by_row() {
    let fixture = Fixture::new();
    let rows = 131_072;
    let week_us = 7 * 86_400_000_000;
    let time: ArrayRef = Arc::new(TimestampMicrosecondArray::from_value(NOW_US + week_us, rows).with_timezone("UTC"));
    let pm: ArrayRef = Arc::new(Float64Array::from(vec![1.5; rows]));
    let decoded = decode(&fixture, &batch(vec![("time", time), ("device", devices(rows)), ("pm", pm)])).unwrap();
    assert_eq!((decoded.rows, decoded.rejected_rows), (0, rows as u64));
    let rejected = decoded.rejected.unwrap();
    assert_eq!(rejected.num_rows(), rows);
    let content = rejected.column_by_name("content").unwrap();
    assert_eq!(arrow::array::Array::null_count(content), 0, "each row is there with what was sent");
}

#[test]
fn every_reading_of_a_batch_that_is_none_is_kept_or_the_batch_is_refused_before_anything_is_stored() {
    let mut fixture = Fixture::new();
    // Two fields of 40,000 rows are more than 65,536 rejections.
    let rows = 40_000;
    let bad = || Arc::new(Float64Array::from(vec![f64::NAN; rows])) as ArrayRef;
    let sent = batch(vec![("time", times(rows)), ("device", devices(rows)), ("pm", bad()), ("ratio", bad())]);
    let decoded = decode(&fixture, &sent).unwrap();
    assert_eq!((decoded.rows, decoded.rejected_readings), (rows as u64, 2 * rows as u64));
    assert_eq!(decoded.rejected.unwrap().num_rows(), 2 * rows);

    fixture.limits.rejected_rows_max = 2 * rows - 1;
    let refusal = decode(&fixture, &sent).unwrap_err();
    assert_eq!(refusal.code, RefusedCode::TooLarge);
    for words in ["more than 79999 rows and readings", "nothing of it is stored", "smaller batches"] {
        assert!(refusal.message.contains(words), "{words}: {refusal}");
    }
    let lines: String = (0..100).map(|_| "t,device=a pm=-1\n").collect();
    fixture.limits.rejected_rows_max = 99;
    assert_eq!(decode_lines(&fixture, Precision::Nanoseconds, &lines).unwrap_err().code, RefusedCode::TooLarge);
    fixture.limits.rejected_rows_max = 100;
    assert_eq!(decode_lines(&fixture, Precision::Nanoseconds, &lines).unwrap().rejected_readings, 100);
    fixture.limits.rejected_bytes_max = 4_000;
    assert_eq!(decode_lines(&fixture, Precision::Nanoseconds, &lines).unwrap_err().code, RefusedCode::TooLarge);
}

#[test]
fn a_rejected_row_keeps_the_whole_of_its_texts() {
    let fixture = Fixture::new();
    let note = "ạ".repeat(5_000);
    let decoded =
        decode_lines(&fixture, Precision::Nanoseconds, &format!("t,device=a,zone=elsewhere note=\"{note}\"\n"))
            .unwrap();
    let content: serde_json::Value = serde_json::from_str(&rejections(&decoded)[0].4).unwrap();
    assert_eq!(content["note"], note);
    let time: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![NOW_US * 2]));
    let notes: ArrayRef = Arc::new(StringArray::from(vec![note.as_str()]));
    let decoded = decode(&fixture, &batch(vec![("time", time), ("device", devices(1)), ("note", notes)])).unwrap();
    let content: serde_json::Value = serde_json::from_str(&rejections(&decoded)[0].4).unwrap();
    assert_eq!(content["note"], note);
}
