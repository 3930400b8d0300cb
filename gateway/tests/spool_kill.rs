//! A gateway that is killed while it stores batches: whatever it has said that it took is there afterwards.
#![expect(
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    reason = "a test stops at what it does not expect, and its numbers are small"
)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use zonelake_gateway::{Connection, ConnectionOptions, ForwardOptions, Forwarder, StreamOptions, Trust, line_block};
use zonelake_schemas::wire::control::Encoding;

const FOLDER: &str = "ZONELAKE_TEST_SPOOL";

async fn open(folder: &Path) -> Forwarder {
    // Nobody listens there: all that matters here is the disk.
    let connection = Connection::new(ConnectionOptions::new("127.0.0.1:9", Trust::Fingerprint([0; 32]))).unwrap();
    let stream = StreamOptions { encoding: Encoding::Line, ..StreamOptions::new("zl_test", "p", "energy") };
    let options = ForwardOptions {
        segment_bytes: 64 << 10,
        live_age_max: Duration::from_millis(5),
        ..ForwardOptions::new(stream, folder)
    };
    Forwarder::open(connection, options).await.unwrap()
}

/// The process that is killed; only when the test below starts it.
#[tokio::test(flavor = "multi_thread")]
async fn store_without_end_where_the_test_below_asks_for_it() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let forwarder = open(Path::new(&folder)).await;
    let text = "x".repeat(900);
    loop {
        let (lane, number) = forwarder.send(line_block(text.clone(), 1)).await.unwrap();
        println!("taken {} {number}", lane as u32);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_gateway_has_taken_is_there_and_numbers_go_on_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut taken = [0u64; 2];
    for kill in 0..20 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store_without_end_where_the_test_below_asks_for_it", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // At another moment each time, some of them between two segments.
        let mut left = 20 + 17 * kill;
        while let Some(Ok(line)) = lines.next() {
            let Some(words) = line.split("taken ").nth(1) else { continue };
            let numbers: Vec<u64> = words.split(' ').map(|number| number.parse().unwrap()).collect();
            let last = &mut taken[numbers[0] as usize - 1];
            assert!(numbers[1] == *last + 1 || numbers[1] == *last + 2, "{numbers:?} behind {last}");
            *last = numbers[1];
            left -= 1;
            if left == 0 {
                child.kill().unwrap();
            }
        }
        assert!(!child.wait().unwrap().success());
        let forwarder = open(folder.path()).await;
        let status = forwarder.status();
        for (lane, last) in [&status.live, &status.backfill].into_iter().zip(&mut taken) {
            // One more may have been synced and not have been said.
            assert!(lane.taken.0 == *last || lane.taken.0 == *last + 1, "{lane:?}, {last} were taken");
            *last = lane.taken.0;
        }
        assert_eq!(status.lost_batches, 0);
        forwarder.close().await;
    }
    assert!(taken[0] > 0 && taken[1] > 1_000, "{taken:?}");
}
