//! A server whose clock is wrong for a while: it loses nothing, says so, and is right again when its clock is.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::TimestampMicrosecondType;
use zonelake_schemas::clock::{Clock, SystemClock};
use zonelake_schemas::wire::control::RefusedCode;

use crate::dialogue::{Running, Setting, batch_at, batch_of, doubles, open};

/// Clock that is wrong by as much as a test wants.
#[derive(Debug, Default)]
struct WrongClock {
    system: SystemClock,
    ahead_us: AtomicI64,
}

impl Clock for WrongClock {
    fn wall_us(&self) -> i64 {
        self.system.wall_us() + self.ahead_us.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        self.system.monotonic()
    }
}

const YEAR_US: i64 = 365 * 86_400 * 1_000_000;

fn setting() -> (Arc<WrongClock>, Setting) {
    let clock = Arc::new(WrongClock::default());
    let mut setting = Setting::new();
    setting.clock = Arc::clone(&clock) as _;
    (clock, setting)
}

/// The latest time of receipt of a table's rows in memory, as its distance from now in seconds.
fn latest_receipt(server: &Running, table: &str) -> i64 {
    let view = server.table(table).view();
    let latest = view.chunks().flat_map(|chunk| {
        let column = chunk.rows.column_by_name("ingested_at").unwrap();
        column.as_primitive::<TimestampMicrosecondType>().values().to_vec()
    });
    // Chunks come oldest first; a test has one shard's.
    let newest = latest.last().unwrap();
    (newest - SystemClock::default().wall_us()) / 1_000_000
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_clock_is_a_year_behind_nothing_is_taken_in_and_nothing_is_lost() {
    let (clock, setting) = setting();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let (mut dialogue, _) = server.opened(open(&token, "p")).await;
    dialogue.send_batch(1, &batch_of("pm2_5", doubles(&[1.0]))).await;
    assert_eq!(dialogue.acknowledged(1).await.rows, 1);

    clock.ahead_us.store(-YEAR_US, Ordering::SeqCst);
    dialogue.send_payload(2, &batch_of("pm2_5", doubles(&[2.0]))).await;
    let refused = dialogue.answer().await.refused();
    assert_eq!((refused.code(), refused.number, refused.last_number), (RefusedCode::Unavailable, 2, 1));
    assert!(refused.retry_after_ms > 0 && refused.message.contains("clock of the server"), "{}", refused.message);
    assert_eq!(server.pipeline.health().degraded_components(), ["the clock is behind the last receipt"]);
    assert_eq!(server.pipeline.health().clock_behind_seconds() / 86_400, 364);
    assert_eq!((server.rows("environment"), server.rows("rejected")), (1, 0));

    clock.ahead_us.store(0, Ordering::SeqCst);
    let (mut dialogue, opened) = server.opened(open(&token, "p")).await;
    assert_eq!(opened.last_number, 1);
    dialogue.send_batch(2, &batch_of("pm2_5", doubles(&[2.0]))).await;
    assert_eq!(dialogue.acknowledged(2).await.rows, 1);
    assert!(server.pipeline.health().degraded_components().is_empty());
    assert_eq!((server.rows("environment"), server.rows("rejected")), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_starts_with_its_clock_a_year_behind_knows_it_from_its_rows() {
    let (clock, setting) = setting();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let (mut dialogue, _) = server.opened(open(&token, "p")).await;
    dialogue.send_batch(1, &batch_of("pm2_5", doubles(&[1.0]))).await;
    dialogue.acknowledged(1).await;
    // One row in a file, and one in the log.
    server.store.flush_all().await.unwrap();
    drop(dialogue);
    server.shut_down().await;

    clock.ahead_us.store(-YEAR_US, Ordering::SeqCst);
    let server = setting.start().await;
    let (mut dialogue, _) = server.opened(open(&token, "p")).await;
    dialogue.send_batch(2, &batch_of("pm2_5", doubles(&[2.0]))).await;
    assert_eq!(dialogue.answer().await.refused().code(), RefusedCode::Unavailable);
    assert_eq!(server.rows("rejected"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_ten_years_ahead_leaves_a_right_time_of_receipt_behind_it() {
    let (clock, setting) = setting();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    clock.ahead_us.store(10 * YEAR_US, Ordering::SeqCst);
    let (mut dialogue, _) = server.opened(open(&token, "p")).await;
    dialogue.send_batch(1, &batch_of("pm2_5", doubles(&[1.0]))).await;
    assert_eq!(dialogue.acknowledged(1).await.rows, 1);
    assert!(latest_receipt(&server, "environment") > 9 * 365 * 86_400);

    clock.ahead_us.store(0, Ordering::SeqCst);
    for number in 2..4 {
        dialogue.send_payload(number, &batch_of("pm2_5", doubles(&[2.0]))).await;
        assert_eq!(dialogue.acknowledged(number).await.rows, 1);
        assert!(latest_receipt(&server, "environment").abs() < 60);
    }
    assert!(server.pipeline.health().degraded_components().is_empty());
    assert_eq!(server.store.receipt_clock().steps_back(), 1, "said once");
    drop(dialogue);
    server.shut_down().await;

    // The log still has the record from the future.
    let server = setting.start().await;
    let (mut dialogue, _) = server.opened(open(&token, "p")).await;
    dialogue.send_batch(4, &batch_at(SystemClock::default().wall_us(), "pm2_5", doubles(&[3.0]))).await;
    assert_eq!(dialogue.acknowledged(4).await.rows, 1);
    assert!(latest_receipt(&server, "environment").abs() < 60);
}
