//! A full disk, seen from a gateway: refused with the word to come again, and its numbers go on when there is space
//! again.

use std::sync::Arc;
use std::time::Duration;

use zonelake_schemas::wire::control::{Refused, RefusedCode};
use zonelake_wal::MemoryDisk;

use crate::dialogue::{Answer, Running, Setting, batch_at, batch_of, doubles, open};

/// A server whose logs are on a disk of this size.
async fn on_disk(capacity_bytes: u64, free_bytes_min: u64) -> (MemoryDisk, Setting, Running) {
    let disk = MemoryDisk::new(1);
    disk.set_capacity_bytes(capacity_bytes);
    let mut setting = Setting::new();
    setting.disk = Arc::new(disk.clone());
    setting.free_bytes_min = free_bytes_min;
    let server = setting.start().await;
    (disk, setting, server)
}

/// Sends batches, resuming after each refusal as a gateway does, until this number is acknowledged. Returns the
/// refusals.
async fn send_through(server: &Running, token: &str, last: u64, mut when_refused: impl FnMut(&Refused)) -> u64 {
    let batch = batch_at(1_767_225_600_000_000, "pm2_5", doubles(&vec![1.5; 2_000]));
    let mut refusals = 0;
    for _ in 0..200 {
        let (mut dialogue, opened) = server.opened(open(token, "p")).await;
        let mut next = opened.last_number + 1;
        while next <= last {
            dialogue.send_batch(next, &batch).await;
            match dialogue.answer().await {
                Answer::Ack(ack) => assert_eq!(ack.number, next),
                Answer::Refused(refused) => {
                    refusals += 1;
                    assert_eq!((refused.code(), refused.number), (RefusedCode::Unavailable, next));
                    assert_eq!(refused.last_number, next - 1, "nothing of it counts as stored");
                    assert!(refused.retry_after_ms > 0);
                    when_refused(&refused);
                    break;
                }
                other => panic!("{other:?}"),
            }
            next += 1;
        }
        if next > last {
            return refusals;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the batches do not get through");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_numbered_stream_goes_on_where_it_stood_when_a_full_disk_has_room_again() {
    // Two shards with a segment of 8 MiB each fit, and no third segment.
    let (disk, _setting, server) = on_disk(((2 * 8) << 20) + (64 << 10), 0).await;
    let token = server.token("g", "vung-ang");
    // 400 batches of some 40 KB are two segments of one shard.
    let mut seen = 0;
    let refusals = send_through(&server, &token, 400, |refused| {
        assert!(refused.message.contains("no space"), "{}", refused.message);
        seen += 1;
        if seen == 3 {
            disk.set_capacity_bytes(1 << 30);
        }
    });
    assert_eq!(refusals.await, 3);
    assert_eq!(server.rows("environment"), 400 * 2_000);
    let (_, opened) = server.opened(open(&token, "p")).await;
    assert_eq!(opened.last_number, 400);
    assert!(server.pipeline.health().degraded_components().is_empty(), "a full disk stops no shard");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_too_little_free_space_batches_are_refused_until_there_is_room_again() {
    let (disk, _setting, server) = on_disk(32 << 20, 64 << 20).await;
    let token = server.token("g", "vung-ang");
    let refusals = send_through(&server, &token, 5, |refused| {
        assert!(refused.message.contains("nearly full"), "{}", refused.message);
        disk.set_capacity_bytes(1 << 30);
    });
    assert!(refusals.await > 0);
    assert_eq!(server.rows("environment"), 5 * 2_000);
    let (mut other, _) = server.opened(open(&token, "q")).await;
    other.send_batch(1, &batch_of("pm2_5", doubles(&[1.0]))).await;
    other.acknowledged(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_too_little_free_space_no_device_is_registered() {
    let mut setting = Setting::new();
    setting.free_bytes_min = u64::MAX;
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let (mut dialogue, _) = server.opened(open(&token, "p")).await;
    dialogue.send_batch(1, &batch_of("pm2_5", doubles(&[1.0]))).await;
    let refused = dialogue.answer().await.refused();
    assert_eq!(refused.code(), RefusedCode::Unavailable);
    assert!(refused.message.contains("nearly full") && refused.retry_after_ms > 0, "{}", refused.message);
    assert!(server.store.registry().devices().is_empty(), "nothing is registered into the space that must stay free");
    assert_eq!(server.rows("environment"), 0);
}
