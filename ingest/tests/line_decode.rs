//! Decoding of lines on a QUIC stream: the rules of Arrow batches, in line protocol.

mod fixture;

use fixture::{Fixture, NOW_US, column_text, reasons, rejections, stored_devices};
use proptest::prelude::*;
use zonelake_ingest::{DecodedBatch, LineDecoder, Precision, Refusal};
use zonelake_schemas::wire::control::RefusedCode;

fn decode(fixture: &Fixture, lines: &str) -> Result<DecodedBatch, Refusal> {
    LineDecoder::new(&fixture.table, Precision::Nanoseconds).decode(lines.as_bytes(), &fixture.context())
}

#[test]
fn a_line_becomes_a_row_with_every_kind_of_field() {
    let fixture = Fixture::new();
    let decoded = decode(
        &fixture,
        "t,device=a,zone=vung-ang,quality=uncertain,note=from\\ tag pm=21.53,wide=-1.00005,raw=1e-3,ratio=1,count=7i,on=true,at=1735689600000000000i 1735689599000000123\n\
         t,device=b note=\"say \\\"hi\\\"\",raw=-0.0\n",
    )
    .unwrap();
    assert_eq!((decoded.rows, decoded.readings), (2, 10));
    let stored = |field: &str| fixture.stored(&decoded, field);
    assert_eq!(stored("pm"), ["21.53", "-"]);
    assert_eq!(stored("wide"), ["-1.0001", "-"]);
    assert_eq!(stored("raw"), ["0.001", "-0.0"]);
    assert_eq!(stored("ratio"), ["1.0", "-"]);
    assert_eq!(stored("count"), ["7", "-"]);
    assert_eq!(stored("on"), ["true", "-"]);
    assert_eq!(stored("note"), ["from tag", "say \"hi\""]);
    assert_eq!(stored("at"), ["2025-01-01T00:00:00Z", "-"]);
    let batch = decoded.stored.as_ref().unwrap();
    assert_eq!(batch.schema(), fixture.table.schemas.log);
    assert_eq!(column_text(batch, "quality"), ["1", "0"]);
    assert_eq!(column_text(batch, "time"), ["2024-12-31T23:59:59Z", "2025-01-01T00:00:00Z"]);
    assert_eq!(stored_devices(&decoded), [fixture.key("a").unwrap().0, fixture.key("b").unwrap().0]);
}

#[test]
fn numbers_convert_by_the_same_rules_as_in_arrow() {
    let fixture = Fixture::new();
    let decoded = decode(
        &fixture,
        "t,device=a pm=0.125\nt,device=a pm=1.005\nt,device=a pm=5i\nt,device=a pm=1e2\nt,device=a pm=2.6750000000000000000\n\
         t,device=a pm=NaN\nt,device=a pm=1e400\nt,device=a pm=1000.01\nt,device=a wide=123456789012\nt,device=a count=99999999999999999999i\n\
         t,device=a raw=9007199254740993i\nt,device=a raw=+Inf\n\
         t,device=a raw=999999999999999999999999999999999999999999i\nt,device=a pm=-999999999999999999999999999999999999999999i\n\
         t,device=a raw=18446744073709549568u\n",
    )
    .unwrap();
    assert_eq!(fixture.stored(&decoded, "pm")[..5], ["0.13", "1.01", "5.00", "100.00", "2.68"]);
    let reason = |row: i64, field: &str, reason: &str| (row, field.to_owned(), reason.to_owned());
    assert_eq!(
        reasons(&decoded),
        [
            reason(5, "pm", "not_finite"),
            reason(6, "pm", "not_finite"),
            reason(7, "pm", "out_of_range"),
            reason(8, "wide", "too_many_digits"),
            reason(9, "count", "out_of_range"),
            reason(10, "raw", "too_many_digits"),
            reason(11, "raw", "not_finite"),
            reason(12, "raw", "too_many_digits"),
            reason(13, "pm", "out_of_range"),
        ]
    );
    assert_eq!(fixture.stored(&decoded, "raw")[14], "1.844674407370955e19");
    assert_eq!((decoded.rows, decoded.readings, decoded.rejected_readings), (15, 6, 9));
    assert!(rejections(&decoded)[2].4.contains("\"pm\":1000.01"), "{:?}", rejections(&decoded)[2]);
}

#[test]
fn rows_that_are_not_acceptable_are_rejected_with_their_content() {
    let fixture = Fixture::new();
    let future = (NOW_US + 300_000_001) * 1_000;
    let decoded = decode(
        &fixture,
        &format!(
            "t pm=1\nt,device=a,zone=elsewhere pm=2\nt,device=a pm=3 {future}\nt,device=a,quality=odd pm=4\nt,device=a pm=5 -1\n\
             # a comment\nt,device=a\\\tb,quality=192,province=ha-tinh pm=6,note=\"x\"\nt,device=a pm=7\n"
        ),
    )
    .unwrap();
    let expected = [
        (0, "bad_device"),
        (1, "wrong_place"),
        (2, "future_time"),
        (3, "bad_quality"),
        (4, "bad_time"),
        (5, "bad_device"),
    ];
    assert_eq!(reasons(&decoded), expected.map(|(row, reason)| (row, "-".to_owned(), reason.to_owned())));
    assert_eq!(fixture.stored(&decoded, "pm"), ["7.00"]);
    let content: serde_json::Value = serde_json::from_str(&rejections(&decoded)[1].4).unwrap();
    let expected = serde_json::json!({"time": "2025-01-01T00:00:00Z", "device": "a", "zone": "elsewhere", "pm": 2.0});
    assert_eq!(content, expected);
    assert!(rejections(&decoded)[1].3.contains("elsewhere"));
}

#[test]
fn a_stated_site_that_is_not_the_devices_is_rejected() {
    let fixture = Fixture::new();
    fixture.registry.add_site("vung-ang", "pier-2", "Pier 2").unwrap();
    fixture.registry.register_devices(fixture.gateway.zone, &["a"]).unwrap();
    fixture.registry.assign_device_site("vung-ang", "a", Some("pier-2")).unwrap();
    let decoded = decode(&fixture, "t,device=a,site=pier-2 pm=1\nt,device=a,site=pier-3 pm=2\n").unwrap();
    assert_eq!(reasons(&decoded), [(1, "-".to_owned(), "wrong_place".to_owned())]);
    // A device that is at no site may be at any that its zone has.
    let lines = "t,device=new,site=pier-2 pm=1\nt,device=new,site=nowhere pm=2\nt,device=new,site=nowhere pm=3\nt,device=new,site=pier-2 pm=4\n";
    let decoded = decode(&fixture, lines).unwrap();
    assert_eq!(reasons(&decoded), [1, 2].map(|row| (row, "-".to_owned(), "wrong_place".to_owned())));
}

#[test]
fn a_faulty_line_refuses_its_batch_by_number_and_leaves_no_trace() {
    let fixture = Fixture::new();
    for (line, code, words) in [
        ("t,device=a nothing=1", RefusedCode::UnknownColumn, "line 3: table t has no column \"nothing\""),
        ("t,device=a,host=x pm=1", RefusedCode::UnknownColumn, "\"host\""),
        (
            "t,device=a count=1.5",
            RefusedCode::WrongType,
            "line 3: column count of table t: sent as a float; expected an integer",
        ),
        ("t,device=a pm=\"1\"", RefusedCode::WrongType, "sent as a string"),
        ("t,device=a on=1i", RefusedCode::WrongType, "sent as an integer"),
        ("t,device=a,pm=1 on=t", RefusedCode::WrongType, "pm"),
        ("t,device=a pm=1,pm=2", RefusedCode::BadPayload, "stands twice"),
        ("t,device=a,device=b pm=1", RefusedCode::BadPayload, "device stands twice"),
        ("t,device=a,site=x,site=x pm=1", RefusedCode::BadPayload, "site stands twice"),
        ("t,device=a,quality=good pm=1,quality=2i", RefusedCode::BadPayload, "quality stands twice"),
        ("t,device=a,note=x,note=y pm=1", RefusedCode::BadPayload, "note stands twice"),
        ("t,device=a time=1i", RefusedCode::UnknownColumn, "timestamp stands at the end"),
        ("t,device=a pm=", RefusedCode::BadPayload, "line 3: a field without a value"),
        ("u,device=a pm=1", RefusedCode::UnknownTable, "measurement \"u\" in a stream of table t"),
    ] {
        let refusal = decode(&fixture, &format!("t,device=new pm=1\n\n{line}\nt,device=a pm=2\n")).unwrap_err();
        assert_eq!(refusal.code, code, "{line}: {refusal}");
        assert!(refusal.message.contains(words), "{line}: {refusal}");
    }
    let refusal = LineDecoder::new(&fixture.table, Precision::Nanoseconds)
        .decode(b"t,device=\xFF\xFE pm=1\n", &fixture.context())
        .unwrap_err();
    assert!(refusal.message.contains("not UTF-8"), "{refusal}");
    assert_eq!(fixture.key("new"), None);
}

#[test]
fn a_decoder_goes_on_after_a_refused_batch() {
    let fixture = Fixture::new();
    let mut decoder = LineDecoder::new(&fixture.table, Precision::Seconds);
    assert!(decoder.decode(b"t,device=a pm=1,pm=1\n", &fixture.context()).is_err());
    let decoded = decoder.decode(b"t,device=a pm=1 1735689600\nt,device=a pm=2 1\n", &fixture.context()).unwrap();
    assert_eq!(column_text(decoded.stored.as_ref().unwrap(), "time"), ["2025-01-01T00:00:00Z", "1970-01-01T00:00:01Z"]);
}

#[test]
fn more_rows_than_a_batch_may_have_are_refused() {
    let mut fixture = Fixture::new();
    fixture.limits.batch_rows_max = 2;
    assert!(decode(&fixture, "t,device=a pm=1\nt,device=a pm=2\n").is_ok());
    let refusal = decode(&fixture, "t,device=a pm=1\nt,device=a pm=2\nt,device=a pm=3\n").unwrap_err();
    assert_eq!(refusal.code, RefusedCode::TooLarge);
}

#[test]
fn an_empty_batch_is_no_row() {
    let fixture = Fixture::new();
    let decoded = decode(&fixture, "# only a comment\n\n").unwrap();
    assert!(decoded.stored.is_none() && decoded.rejected.is_none());
    assert_eq!(decoded.rows, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_is_written_as_lines_is_what_is_stored(
        rows in proptest::collection::vec(
            (0i64..=100_000, any::<i32>(), proptest::option::of("[a-z \"\\\\,=]{1,12}"), any::<f64>(), 0i64..NOW_US), 1..30),
    ) {
        let fixture = Fixture::new();
        let mut lines = String::new();
        for (hundredths, wide, note, raw, time) in &rows {
            lines.push_str(&format!("t,device=a pm={}.{:02},wide={wide}", hundredths / 100, hundredths % 100));
            if raw.is_finite() {
                lines.push_str(&format!(",raw={raw:e}"));
            }
            if let Some(note) = note {
                lines.push_str(&format!(",note=\"{}\"", note.replace('\\', "\\\\").replace('"', "\\\"")));
            }
            lines.push_str(&format!(" {time}\n"));
        }
        let decoded = LineDecoder::new(&fixture.table, Precision::Microseconds).decode(lines.as_bytes(), &fixture.context()).unwrap();
        prop_assert!(decoded.rejected.is_none());
        let stored = |field: &str| fixture.stored(&decoded, field);
        let (pm, note, raw) = (stored("pm"), stored("note"), stored("raw"));
        let batch = decoded.stored.as_ref().unwrap();
        let times = arrow::array::AsArray::as_primitive::<arrow::datatypes::TimestampMicrosecondType>(batch.column(0));
        for (i, row) in rows.iter().enumerate() {
            prop_assert_eq!(&pm[i], &format!("{}.{:02}", row.0 / 100, row.0 % 100));
            prop_assert_eq!(&note[i], row.2.as_deref().unwrap_or("-"));
            if row.3.is_finite() {
                prop_assert_eq!(raw[i].parse::<f64>().unwrap().to_bits(), row.3.to_bits());
            }
            prop_assert_eq!(times.value(i), row.4);
        }
    }

    #[test]
    fn arbitrary_lines_never_panic(lines in "(t,device=[a-c=\\\\, ]{0,4} (pm|raw|count|on|note|at|x)=[0-9.eit\"\\\\na-]{0,8}( [0-9-]{0,20})?\n){1,5}") {
        let fixture = Fixture::new();
        if let Ok(decoded) = decode(&fixture, &lines) {
            prop_assert_eq!(decoded.stored.map_or(0, |stored| stored.num_rows()) as u64, decoded.rows);
        }
    }
}
