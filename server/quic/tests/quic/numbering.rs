//! Numbers, epochs and lanes over real connections.

use zonelake_schemas::wire::control::RefusedCode;

use crate::dialogue::{Answer, Setting, batch_of, doubles, open};

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_acknowledged_and_visible_and_a_resumed_stream_goes_on_behind_them() {
    let setting = Setting::new();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let batch = batch_of("pm2_5", doubles(&[1.25, 2.5]));
    let (mut first, opened) = server.opened(open(&token, "p")).await;
    assert_eq!(opened.last_number, 0);
    assert!(opened.schema.len() > 100 && opened.batch_rows_max > 0 && opened.server_time_us > 0);
    first.send_batch(1, &batch).await;
    let ack = first.acknowledged(1).await;
    assert_eq!((ack.rows, ack.readings, ack.rejected_rows, ack.repeated_batches), (2, 2, 0, 0));
    assert_eq!(server.rows("environment"), 2, "acknowledged is visible");
    first.connection.close(0u32.into(), b"gone");

    let (mut second, opened) = server.opened(open(&token, "p")).await;
    assert_eq!(opened.last_number, 1);
    second.send_batch(1, &batch).await;
    let ack = second.acknowledged(1).await;
    assert_eq!((ack.rows, ack.repeated_batches), (0, 1));
    second.send_batch(2, &batch).await;
    assert_eq!(second.acknowledged(2).await.rows, 2);
    assert_eq!(server.rows("environment"), 4);
    second.up.finish().unwrap();
    assert!(matches!(second.answer().await, Answer::End));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_is_refused_and_so_is_a_known_number_with_other_content() {
    let setting = Setting::new();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let (mut dialogue, _) = server.opened(open(&token, "p")).await;
    dialogue.send_batch(1, &batch_of("pm2_5", doubles(&[1.0]))).await;
    dialogue.acknowledged(1).await;
    dialogue.send_batch(3, &batch_of("pm2_5", doubles(&[1.0]))).await;
    let refused = dialogue.answer().await.refused();
    assert_eq!((refused.code(), refused.number, refused.last_number), (RefusedCode::Gap, 3, 1));
    assert!(refused.message.contains("2 is next"), "{}", refused.message);

    let (mut dialogue, _) = server.opened(open(&token, "p")).await;
    dialogue.send_batch(1, &batch_of("pm2_5", doubles(&[9.0]))).await;
    let refused = dialogue.answer().await.refused();
    assert_eq!((refused.code(), refused.number), (RefusedCode::OtherContent, 1));
    assert_eq!(server.rows("environment"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_begins_again_at_one_without_a_new_epoch_is_refused_and_loses_nothing_silently() {
    let setting = Setting::new();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let (mut dialogue, _) = server.opened(open(&token, "p")).await;
    let batch = batch_of("pm2_5", doubles(&[1.0]));
    for number in 1..=40 {
        dialogue.send_batch(number, &batch).await;
    }
    dialogue.acknowledged(40).await;
    for number in [1, 7] {
        let (mut dialogue, opened) = server.opened(open(&token, "p")).await;
        assert_eq!(opened.last_number, 40);
        dialogue.send_batch(number, &batch_of("pm2_5", doubles(&[number as f64, 9.0]))).await;
        let refused = dialogue.answer().await.refused();
        assert_eq!((refused.code(), refused.number), (RefusedCode::OtherContent, number), "{}", refused.message);
        assert_eq!((refused.last_number, refused.retry_after_ms), (40, 0));
        assert!(refused.message.contains("41 is next"), "{}", refused.message);
    }
    assert_eq!(server.rows("environment"), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_number_for_other_devices_is_other_content() {
    let setting = Setting::new();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let (mut dialogue, _) = server.opened(open(&token, "p")).await;
    let one = batch_of("pm2_5", doubles(&[1.0]));
    dialogue.send_batch(1, &one).await;
    dialogue.acknowledged(1).await;
    // The payload is the same; only the column that it fills differs.
    let mut other = one.clone();
    other.prelude = batch_of("pm10", doubles(&[1.0])).prelude;
    let (mut dialogue, _) = server.opened(open(&token, "p")).await;
    dialogue.send_batch(1, &other).await;
    assert_eq!(dialogue.answer().await.refused().code(), RefusedCode::OtherContent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_epoch_fences_the_earlier_and_a_later_connection_takes_its_stream_over() {
    let setting = Setting::new();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let batch = batch_of("pm2_5", doubles(&[1.0]));
    let (mut old, _) = server.opened(open(&token, "p")).await;
    old.send_batch(1, &batch).await;
    old.acknowledged(1).await;

    let (mut same, _) = server.opened(open(&token, "p")).await;
    old.send_batch(2, &batch).await;
    let refused = old.answer().await.refused();
    assert_eq!(refused.code(), RefusedCode::Fenced);
    assert!(refused.message.contains("taken"), "{}", refused.message);
    same.send_batch(2, &batch).await;
    same.acknowledged(2).await;

    let mut later = open(&token, "p");
    later.epoch = 2;
    let (mut later, opened) = server.opened(later).await;
    assert_eq!(opened.last_number, 0, "numbers begin again");
    same.send_batch(3, &batch).await;
    assert_eq!(same.answer().await.refused().code(), RefusedCode::Fenced);
    later.send_batch(1, &batch).await;
    later.acknowledged(1).await;
    let (_, answer) = server.open(open(&token, "p")).await;
    assert_eq!(answer.refused().code(), RefusedCode::Fenced);
    assert_eq!(server.rows("environment"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn lanes_tables_and_gateways_number_their_batches_apart() {
    let setting = Setting::new();
    let server = setting.start().await;
    let (one, two) = (server.token("g", "vung-ang"), server.token("h", "phu-vinh"));
    let batch = batch_of("temperature", doubles(&[1.0]));
    let mut backfill = open(&one, "p");
    backfill.lane = 2;
    let mut production = open(&one, "p");
    production.table = "production".into();
    for open in [open(&one, "p"), backfill, production, open(&two, "p")] {
        let (mut dialogue, opened) = server.opened(open).await;
        assert_eq!(opened.last_number, 0);
        dialogue.send_batch(1, &batch).await;
        assert_eq!(dialogue.acknowledged(1).await.repeated_batches, 0);
    }
    assert_eq!((server.rows("environment"), server.rows("production")), (3, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_another_process_has_just_added_is_known_at_once() {
    let setting = Setting::new();
    let server = setting.start().await;
    let file = setting.folder.path().join("data/registry.sqlite");
    let clock = std::sync::Arc::new(zonelake_schemas::clock::SystemClock::default());
    let other = zonelake_registry::Registry::open(&file, clock).unwrap();
    let token = other.add_gateway("late", "vung-ang").unwrap().token;
    assert_eq!(server.opened(open(&token, "p")).await.1.last_number, 0);
}
