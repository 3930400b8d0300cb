//! What docs/protocol.md says of the rare cases: each sentence holds on a real connection.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringArray, TimestampMicrosecondArray};
use zonelake_schemas::BatchNumber;
use zonelake_schemas::clock::{Clock, SystemClock};
use zonelake_schemas::wire::control::{Encoding, Open, RefusedCode};
use zonelake_schemas::wire::frame::{FrameKind, batch_prefix, control_frame};

use crate::dialogue::{Answer, Dialogue, Setting, batch_of, doubles, encode, open};

fn times(rows: usize) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_value(SystemClock::default().wall_us(), rows).with_timezone("UTC"))
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_come_before_opened_are_taken_as_if_they_had_come_behind_it() {
    let setting = Setting::new();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let mut dialogue = Dialogue::on(server.connect().await).await;
    dialogue.send(&control_frame(FrameKind::Open, &open(&token, "p"))).await;
    dialogue.send_batch(1, &batch_of("pm2_5", doubles(&[1.0]))).await;
    assert!(matches!(dialogue.answer().await, Answer::Opened(opened) if opened.last_number == 0));
    assert_eq!(dialogue.acknowledged(1).await.rows, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_of_a_software_that_is_too_long_to_show_refuses_nothing() {
    let setting = Setting::new();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let (mut dialogue, _) = server.opened(Open { software: "ạ\n".repeat(5_000), ..open(&token, "p") }).await;
    dialogue.send_batch(1, &batch_of("pm2_5", doubles(&[1.0]))).await;
    assert_eq!(dialogue.acknowledged(1).await.rows, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_in_another_encoding_but_a_batch_is_sent_again_in_its_own() {
    let setting = Setting::new();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let (mut arrow, _) = server.opened(open(&token, "p")).await;
    arrow.send_batch(1, &batch_of("pm2_5", doubles(&[1.0]))).await;
    arrow.acknowledged(1).await;

    let lines = Open { encoding: Encoding::Line as i32, ..open(&token, "p") };
    let send = async |dialogue: &mut Dialogue, number: u64| {
        let line = b"environment,device=kk-00 pm2_5=1\n";
        dialogue.send(&batch_prefix(BatchNumber(number), line.len())).await;
        dialogue.send(line).await;
    };
    let (mut line, opened) = server.opened(lines.clone()).await;
    assert_eq!(opened.last_number, 1, "it is the same stream");
    send(&mut line, 2).await;
    assert_eq!(line.acknowledged(2).await.rows, 1);
    let (mut line, _) = server.opened(lines).await;
    send(&mut line, 1).await;
    assert_eq!(line.answer().await.refused().code(), RefusedCode::OtherContent);
    assert_eq!(server.rows("environment"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_look_alike_are_different_devices() {
    let setting = Setting::new();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let names = ["a", "a ", " a", "A", "a\u{202e}", "tr\u{1ea1}m", "tra\u{323}m"];
    let device: ArrayRef = Arc::new(StringArray::from(names.to_vec()));
    let pm = doubles(&vec![1.0; names.len()]);
    let (mut dialogue, _) = server.opened(open(&token, "p")).await;
    dialogue.send_batch(1, &encode(vec![("time", times(names.len())), ("device", device), ("pm2_5", pm)])).await;
    let ack = dialogue.acknowledged(1).await;
    assert_eq!((ack.rows, ack.rejected_rows), (names.len() as u64, 0));
    assert_eq!(server.store.registry().devices().len(), names.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_stands_twice_or_is_missing_refuses_the_schema() {
    let setting = Setting::new();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let device = || Arc::new(StringArray::from(vec!["a"])) as ArrayRef;
    let cases = [
        (
            vec![("time", times(1)), ("device", device()), ("pm2_5", doubles(&[1.0])), ("pm2_5", doubles(&[2.0]))],
            "twice",
        ),
        (vec![("device", device()), ("pm2_5", doubles(&[1.0]))], "no column time"),
        (vec![("time", times(1)), ("pm2_5", doubles(&[1.0]))], "no column device"),
    ];
    for (columns, words) in cases {
        let (mut dialogue, _) = server.opened(open(&token, "p")).await;
        dialogue.send_batch(1, &encode(columns)).await;
        let refused = dialogue.answer().await.refused();
        assert_eq!(refused.code(), RefusedCode::BadPayload, "{words}");
        assert!(refused.message.contains(words), "{}", refused.message);
    }
    assert_eq!(server.rows("environment"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_of_each_reason_names_its_row_counted_from_0_in_lines_too() {
    let setting = Setting::new();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let (mut dialogue, _) = server.opened(Open { encoding: Encoding::Line as i32, ..open(&token, "p") }).await;
    let lines = b"# a comment\n\nenvironment,device=a pm2_5=1\nenvironment pm2_5=1\nenvironment,device=a pm2_5=NaN\n";
    dialogue.send(&batch_prefix(BatchNumber(1), lines.len())).await;
    dialogue.send(lines).await;
    let ack = dialogue.acknowledged(1).await;
    let first: Vec<_> = ack.rejections.iter().map(|told| (told.reason.as_str(), &told.first[..7])).collect();
    assert_eq!(first, [("bad_device", "row 1: "), ("not_finite", "row 2: ")]);
    let view = server.table("rejected").view();
    let rows = view.chunks().next().unwrap().rows.column_by_name("row").unwrap().clone();
    assert_eq!(rows.as_primitive::<arrow::datatypes::Int64Type>().values(), &[1, 2]);
}
