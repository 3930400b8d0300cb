//! Rows and readings that are not acceptable: counted in the acknowledgement, kept in `rejected`, the rest stored.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::Decimal32Type;
use zonelake_schemas::TableDef;
use zonelake_schemas::clock::{Clock, SystemClock};
use zonelake_schemas::wire::control::Open;

use crate::dialogue::{Running, Setting, batch_at, batch_of, doubles, encode, open};

/// Values of a text column of `rejected`, in order.
fn rejected(server: &Running, column: &str) -> Vec<String> {
    let view = server.table("rejected").view();
    view.chunks()
        .flat_map(|chunk| {
            let column = chunk.rows.column_by_name(column).unwrap();
            column.as_string::<i32>().iter().map(|text| text.unwrap_or("null").to_owned()).collect::<Vec<_>>()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_cannot_be_a_reading_becomes_null_and_its_row_stays() {
    let setting = Setting::new();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let (mut dialogue, _) = server.opened(open(&token, "p")).await;
    let values = doubles(&[12.5, f64::NAN, f64::INFINITY, -5.0, 1e12]);
    dialogue.send_batch(1, &batch_of("pm2_5", values)).await;
    let ack = dialogue.acknowledged(1).await;
    assert_eq!((ack.rows, ack.readings, ack.rejected_rows, ack.rejected_readings), (5, 1, 0, 4));
    assert!(ack.rejections.iter().all(|rejection| rejection.number == 1));
    assert_eq!(rejected(&server, "reason"), ["not_finite", "not_finite", "out_of_range", "out_of_range"]);
    assert_eq!(rejected(&server, "field"), ["pm2_5"; 4]);
    assert_eq!(rejected(&server, "gateway"), ["g"; 4]);
    let view = server.table("environment").view();
    let chunk = view.chunks().next().unwrap();
    let stored = chunk.rows.column_by_name("pm2_5").unwrap().as_primitive::<Decimal32Type>();
    assert_eq!((stored.value(0), stored.null_count()), (1250, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_wrong_time_or_another_zone_go_whole_to_rejected() {
    let setting = Setting::new();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let now = SystemClock::default().wall_us();
    let year_us = 365 * 86_400 * 1_000_000;
    let (mut dialogue, _) = server.opened(open(&token, "p")).await;
    dialogue.send_batch(1, &batch_at(now + year_us, "pm2_5", doubles(&[1.0]))).await;
    dialogue.send_batch(2, &batch_at(-1, "pm2_5", doubles(&[1.0]))).await;
    let zone: ArrayRef = Arc::new(StringArray::from(vec!["hoa-phu", "vung-ang"]));
    let device: ArrayRef = Arc::new(StringArray::from(vec!["a", "a"]));
    let time: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![now, now]).with_timezone("UTC"));
    dialogue
        .send_batch(
            3,
            &encode(vec![("time", time), ("device", device), ("zone", zone), ("pm2_5", doubles(&[1.0, 2.0]))]),
        )
        .await;
    let ack = dialogue.acknowledged(3).await;
    assert_eq!((ack.rows, ack.rejected_rows, ack.rejected_readings), (1, 3, 0));
    assert_eq!(rejected(&server, "reason"), ["future_time", "bad_time", "no_right"]);
    assert!(rejected(&server, "content")[2].contains("hoa-phu"));
    assert_eq!(server.rows("environment"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_device_is_registered_or_rejected_as_its_zone_wants() {
    let setting = Setting::new();
    let server = setting.start().await;
    server.store.registry().set_auto_register("phu-vinh", false).unwrap();
    let (open_zone, closed_zone) = (server.token("g", "vung-ang"), server.token("h", "phu-vinh"));
    let (mut dialogue, _) = server.opened(open(&open_zone, "p")).await;
    dialogue.send_batch(1, &batch_of("pm2_5", doubles(&[1.0, 2.0]))).await;
    assert_eq!(dialogue.acknowledged(1).await.rows, 2);
    let (mut dialogue, _) = server.opened(open(&closed_zone, "p")).await;
    dialogue.send_batch(1, &batch_of("pm2_5", doubles(&[1.0, 2.0]))).await;
    let ack = dialogue.acknowledged(1).await;
    assert_eq!((ack.rows, ack.rejected_rows), (0, 2));
    assert_eq!(rejected(&server, "reason"), ["unknown_device"; 2]);
    assert_eq!(server.store.registry().devices().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_with_more_digits_than_its_field_keeps_is_rejected_and_the_sender_is_told_why() {
    let mut setting = Setting::new();
    let meters = "name = \"meters\"\n[[field]]\nname = \"total\"\ntype = \"double\"\ndecimals = 2\n";
    setting.declared.push(TableDef::from_toml(meters).unwrap());
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let (mut dialogue, _) = server.opened(Open { table: "meters".into(), ..open(&token, "p") }).await;
    // Nine digits are kept, two of them behind the point.
    dialogue.send_batch(1, &batch_of("total", doubles(&[9_999_999.99, 12_345_678.9, 0.125]))).await;
    let ack = dialogue.acknowledged(1).await;
    assert_eq!((ack.rows, ack.readings, ack.rejected_rows, ack.rejected_readings), (3, 2, 0, 1));
    let told: Vec<_> = ack.rejections.iter().map(|told| (told.number, told.reason.as_str(), told.count)).collect();
    assert_eq!(told, [(1, "too_many_digits", 1)]);
    assert!(ack.rejections[0].first.contains("total"), "{:?}", ack.rejections);
    assert_eq!(
        (rejected(&server, "reason"), rejected(&server, "field")),
        (vec!["too_many_digits".into()], vec!["total".into()])
    );
    assert!(rejected(&server, "content")[0].contains("12345678.9"));
    let view = server.table("meters").view();
    let kept = view.chunks().next().unwrap().rows.column_by_name("total").unwrap().clone();
    let kept: Vec<_> = kept.as_primitive::<Decimal32Type>().iter().collect();
    assert_eq!(kept, [Some(999_999_999), None, Some(13)], "0.125 is rounded half away from zero");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_states_a_zone_that_does_not_exist_goes_whole_to_rejected() {
    let setting = Setting::new();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let (mut dialogue, _) = server.opened(open(&token, "p")).await;
    let zone: ArrayRef = Arc::new(StringArray::from(vec![Some("atlantis"), Some("vung-ang"), None]));
    let device: ArrayRef = Arc::new(StringArray::from(vec!["a"; 3]));
    let now = SystemClock::default().wall_us();
    let time: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![now; 3]).with_timezone("UTC"));
    let columns = vec![("time", time), ("device", device), ("zone", zone), ("pm2_5", doubles(&[1.0, 2.0, 3.0]))];
    dialogue.send_batch(1, &encode(columns)).await;
    let ack = dialogue.acknowledged(1).await;
    assert_eq!((ack.rows, ack.rejected_rows, ack.rejected_readings), (2, 1, 0));
    let told: Vec<_> = ack.rejections.iter().map(|told| (told.reason.as_str(), told.count)).collect();
    assert_eq!(told, [("wrong_place", 1)]);
    assert!(ack.rejections[0].first.contains("atlantis"), "{:?}", ack.rejections);
    assert_eq!(rejected(&server, "reason"), ["wrong_place"]);
    assert!(rejected(&server, "content")[0].contains("atlantis"));
    assert_eq!(server.rows("environment"), 2);
}
