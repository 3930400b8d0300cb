//! Batches that grow in the server, and groups of them.

use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int32Array, StringArray};
use arrow::datatypes::Int32Type;
use zonelake_gateway::EncodedBatch;
use zonelake_schemas::wire::control::{Open, RefusedCode};

use crate::dialogue::{Setting, batch_at, doubles, encode, open};

/// A batch in which every row of two columns has the same long text: small on the wire, large in the WAL.
fn repeated_text(rows: usize, text_bytes: usize) -> EncodedBatch {
    let now = 1_767_225_600_000_000;
    let text = |value: &str| -> ArrayRef {
        let values = Arc::new(StringArray::from(vec![value]));
        Arc::new(DictionaryArray::<Int32Type>::new(Int32Array::from_value(0, rows), values))
    };
    let time = arrow::array::TimestampMicrosecondArray::from_value(now, rows).with_timezone("UTC");
    let long = "x".repeat(text_bytes);
    encode(vec![("time", Arc::new(time)), ("device", text("truck")), ("status", text(&long)), ("event", text(&long))])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_too_large_for_the_log_is_refused_and_its_shard_goes_on() {
    let mut setting = Setting::new();
    setting.decode.decompressed_bytes_max = 256 << 20;
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let assets = Open { table: "assets".into(), ..open(&token, "p") };
    let (mut dialogue, _) = server.opened(assets.clone()).await;
    // 2 columns of 1,100 times 64 KiB: 144 MB, over what one block of the WAL holds.
    dialogue.send_batch(1, &repeated_text(1_100, 64 << 10)).await;
    let refused = dialogue.answer().await.refused();
    assert_eq!((refused.code(), refused.number), (RefusedCode::TooLarge, 1), "{}", refused.message);
    assert!(refused.message.contains("fewer rows"), "{}", refused.message);

    let (mut dialogue, opened) = server.opened(assets).await;
    assert_eq!(opened.last_number, 0);
    dialogue.send_batch(1, &repeated_text(2, 100)).await;
    assert_eq!(dialogue.acknowledged(1).await.rows, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_closed_before_a_batch_that_would_make_it_too_large() {
    let mut setting = Setting::new();
    setting.pipeline.group_bytes_max = 64 << 10;
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let (mut dialogue, _) = server.opened(open(&token, "p")).await;
    // 2,500 rows of 21 bytes and some: two of them are over the limit of a group, one is not.
    let batch = batch_at(1_767_225_600_000_000, "pm2_5", doubles(&vec![1.0; 2_500]));
    for number in 1..=60 {
        dialogue.send_batch(number, &batch).await;
    }
    assert_eq!(dialogue.acknowledged(60).await.rows, 60 * 2_500);
    let groups = server.metric("zonelake_group_commit_batches_count");
    let batches = server.metric("zonelake_group_commit_batches_sum");
    assert_eq!((groups, batches), (60.0, 60.0));
}
