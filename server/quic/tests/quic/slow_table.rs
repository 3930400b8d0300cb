//! A table without capacity holds its own senders and nobody else.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, DictionaryArray, Int32Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::Int32Type;
use zonelake_gateway::EncodedBatch;
use zonelake_schemas::wire::control::Open;

use crate::dialogue::{Dialogue, Running, Setting, batch_of, doubles, encode, open};

/// Rows of a large batch: half a megabyte on the wire.
const ROWS: usize = 25_000;

/// Rows of one device. All of them have the same schema and dictionary.
fn rows(rows: usize) -> EncodedBatch {
    let device =
        DictionaryArray::<Int32Type>::new(Int32Array::from_value(0, rows), Arc::new(StringArray::from(vec!["kk-00"])));
    let time = TimestampMicrosecondArray::from_value(1_767_225_600_000_000, rows).with_timezone("UTC");
    let columns: Vec<(&str, ArrayRef)> =
        vec![("time", Arc::new(time)), ("device", Arc::new(device)), ("pm2_5", doubles(&vec![1.0; rows]))];
    encode(columns)
}

fn production(token: &str, producer: &str) -> Open {
    Open { table: "production".into(), ..open(token, producer) }
}

/// Reserved bytes are given back, a moment after the acknowledgement.
async fn nothing_in_flight(server: &Running) {
    for _ in 0..200 {
        if server.pipeline.bytes_in_flight() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} bytes are still reserved", server.pipeline.bytes_in_flight());
}

#[tokio::test(flavor = "multi_thread")]
async fn senders_of_other_tables_go_on_while_one_table_has_no_room() {
    let mut setting = Setting::new();
    setting.live_bytes_max = 128 << 10;
    setting.pipeline.buffered_bytes_max = 4 << 20;
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let (small, large) = (rows(1), Arc::new(rows(ROWS)));
    let mut dialogues = Vec::new();
    for sender in 0..12 {
        let (mut dialogue, _) = server.opened(open(&token, &format!("p{sender}"))).await;
        dialogue.send_batch(1, &small).await;
        dialogue.acknowledged(1).await;
        dialogues.push(dialogue);
    }
    dialogues[0].send_payload(2, &large).await;
    dialogues[0].acknowledged(2).await;
    let same = dialogues[0].connection.clone();
    let mut held = Vec::new();
    for (sender, mut dialogue) in dialogues.into_iter().enumerate() {
        let large = Arc::clone(&large);
        held.push(tokio::spawn(async move {
            let first = if sender == 0 { 3 } else { 2 };
            dialogue.send_payload(first, &large).await;
            dialogue.send_payload(first + 1, &large).await;
            dialogue.acknowledged(first + 1).await.rows
        }));
    }
    // Time for all of them to fill whatever they can fill.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(server.rows("environment"), 12 + ROWS, "the table has no capacity for more");

    let (mut other, _) = server.opened(production(&token, "other")).await;
    let mut same = Dialogue::on(same).await;
    same.open(&production(&token, "same")).await;
    for number in 1..=10 {
        for dialogue in [&mut other, &mut same] {
            dialogue.send_batch(number, &batch_of("temperature", doubles(&[1.0]))).await;
            assert_eq!(dialogue.acknowledged(number).await.rows, 1);
        }
    }
    assert_eq!(server.rows("environment"), 12 + ROWS);

    let table = server.table("environment");
    let mut late = 0;
    for sender in held {
        while !sender.is_finished() {
            server.store.flush(table).await.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        late += sender.await.unwrap();
    }
    assert_eq!(late, 12 * 2 * ROWS as u64);
    nothing_in_flight(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_whose_window_is_small_goes_on_with_its_other_tables_too() {
    let mut setting = Setting::new();
    setting.live_bytes_max = 128 << 10;
    // No connection has a large window, as with many of them.
    setting.receive_windows_bytes_max = 0;
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let (mut full, _) = server.opened(open(&token, "p")).await;
    full.send_batch(1, &rows(ROWS)).await;
    full.acknowledged(1).await;
    let connection = full.connection.clone();
    // Both lanes of the table that has no capacity.
    let mut backfill = Dialogue::on(connection.clone()).await;
    backfill.open(&Open { lane: 2, ..open(&token, "p") }).await;
    let mut held = Vec::new();
    for (mut dialogue, first) in [(full, 2), (backfill, 1)] {
        held.push(tokio::spawn(async move {
            dialogue.send_batch(first, &rows(ROWS)).await;
            dialogue.acknowledged(first).await.rows
        }));
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(server.rows("environment"), ROWS, "the table has no capacity for more");

    let mut other = Dialogue::on(connection).await;
    other.open(&production(&token, "other")).await;
    for number in 1..=10 {
        other.send_batch(number, &batch_of("temperature", doubles(&[1.0]))).await;
        assert_eq!(other.acknowledged(number).await.rows, 1);
    }
    let table = server.table("environment");
    for sender in held {
        while !sender.is_finished() {
            server.store.flush(table).await.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(sender.await.unwrap(), ROWS as u64);
    }
    nothing_in_flight(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_batch_takes_when_it_is_decoded_counts_and_the_largest_passes_alone() {
    let mut setting = Setting::new();
    // A half of it is less than a batch takes when it is decoded: each waits until it is alone.
    setting.pipeline.buffered_bytes_max = 1 << 20;
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let batch = Arc::new(rows(ROWS));
    let mut senders = Vec::new();
    for sender in 0..4 {
        let (mut dialogue, _) = server.opened(open(&token, &format!("p{sender}"))).await;
        let batch = Arc::clone(&batch);
        senders.push(tokio::spawn(async move {
            for number in 1..=3 {
                dialogue.send_batch(number, &batch).await;
            }
            dialogue.acknowledged(3).await.rows
        }));
    }
    let mut stored = 0;
    for sender in senders {
        stored += sender.await.unwrap();
    }
    assert_eq!(stored, 12 * ROWS as u64);
    nothing_in_flight(&server).await;
}
