//! Store and forward against a real server: outages, restarts of the gateway, a full spool, refused batches.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use zonelake_gateway::BackoffPolicy;
use zonelake_gateway::{
    Connection, ConnectionOptions, EncodedBatch, ForwardOptions, Forwarder, SpoolError, SpoolSummary, StreamOptions,
    Trust, WhenFull, line_block, retry_refused,
};
use zonelake_schemas::clock::{Clock, SystemClock};
use zonelake_schemas::error::ErrorKind;
use zonelake_schemas::wire::control::Encoding;
use zonelake_schemas::{BatchNumber, Epoch, FieldDef, Lane};

use crate::dialogue::{Running, Setting, batch_of, doubles};
use crate::relay::Relay;

/// A gateway that is quick to notice a dead link and to put batches on the other lane.
fn connection(server: &Running, relay: &Relay) -> Arc<Connection> {
    let options = ConnectionOptions::new(relay.address.to_string(), Trust::Fingerprint(server.fingerprint()));
    let (idle_timeout, keep_alive) = (Duration::from_millis(500), Duration::from_millis(100));
    Connection::new(ConnectionOptions { idle_timeout, keep_alive, ..options }).unwrap()
}

fn options(token: &str, folder: &Path) -> ForwardOptions {
    let (first, longest) = (Duration::from_millis(10), Duration::from_millis(200));
    let backoff = BackoffPolicy { first, longest, give_up_after: None };
    let stream = StreamOptions { backoff, ..StreamOptions::new(token, "p", "environment") };
    ForwardOptions {
        live_age_max: Duration::from_millis(200),
        segment_bytes: 64 << 10,
        retry_refused_after: Duration::from_millis(100),
        ..ForwardOptions::new(stream, folder)
    }
}

fn rows(values: usize) -> EncodedBatch {
    batch_of("pm2_5", doubles(&vec![1.0; values]))
}

async fn drained(forwarder: &Forwarder) {
    let drained = tokio::time::timeout(Duration::from_secs(20), forwarder.drained()).await;
    drained.unwrap_or_else(|_| panic!("not drained: {:?}", forwarder.status())).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_through_an_outage_and_a_crash_of_the_gateway_is_stored_once_and_live_goes_first_again() {
    let (setting, folder) = (Setting::new(), tempfile::tempdir().unwrap());
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let relay = Relay::to(server.address).await;
    let forwarder = Forwarder::open(connection(&server, &relay), options(&token, folder.path())).await.unwrap();
    for n in 1..=5 {
        assert_eq!(forwarder.send(rows(10)).await.unwrap(), (Lane::Live, BatchNumber(n)));
    }
    drained(&forwarder).await;
    assert_eq!(server.rows("environment"), 50);

    relay.lose(true, true);
    let mut lanes = [0; 2];
    for _ in 0..40 {
        let (lane, _) = forwarder.send(rows(10)).await.unwrap();
        lanes[usize::from(lane == Lane::Backfill)] += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(lanes[0] > 0 && lanes[1] > 20, "first on the live lane, then on the other: {lanes:?}");
    // The end without a word: tasks and memory are gone, what is on disk stays.
    drop(forwarder);
    let again = async {
        loop {
            match Forwarder::open(connection(&server, &relay), options(&token, folder.path())).await {
                Err(SpoolError::InUse(_)) => tokio::time::sleep(Duration::from_millis(10)).await,
                opened => return opened.unwrap(),
            }
        }
    };
    let forwarder = again.await;
    for _ in 0..10 {
        assert!(forwarder.send(rows(10)).await.is_ok(), "no link is needed");
    }
    relay.lose(false, false);
    drained(&forwarder).await;
    assert_eq!(forwarder.send(rows(10)).await.unwrap().0, Lane::Live, "the live lane has caught up");
    drained(&forwarder).await;
    assert_eq!(server.rows("environment"), 560);
    let status = forwarder.status();
    assert_eq!((status.dropped_batches, status.lost_batches, status.refused_batches), (0, 0, 0));
    assert!(status.live.is_open && status.backfill.is_open && status.stopped.is_none(), "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn live_batches_are_not_held_up_by_a_spool_that_drains_beside_them() {
    let (setting, folder) = (Setting::new(), tempfile::tempdir().unwrap());
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let relay = Relay::to(server.address).await;
    relay.lose(true, true);
    let slow = ForwardOptions { backfill_bytes_in_flight: 256 << 10, ..options(&token, folder.path()) };
    let slow = ForwardOptions { segment_bytes: 1 << 20, ..slow };
    let forwarder = Forwarder::open(connection(&server, &relay), slow).await.unwrap();
    forwarder.send(rows(1)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(250)).await;
    let large = rows(5_000);
    let mut spooled = 1;
    while forwarder.status().backfill.bytes < 24 << 20 {
        assert_eq!(forwarder.send(large.clone()).await.unwrap().0, Lane::Backfill);
        spooled += 5_000;
    }
    let backlog = forwarder.status().backfill;
    relay.lose(false, false);
    while forwarder.status().live.acknowledged.0 == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let clock = SystemClock::default();
    let (mut waits, drains_since) = (Vec::new(), clock.monotonic());
    while forwarder.status().backfill.acknowledged < backlog.taken {
        let began = clock.monotonic();
        let (lane, number) = forwarder.send(rows(10)).await.unwrap();
        assert_eq!(lane, Lane::Live, "what happens now is live, whatever else is to be sent");
        spooled += 10;
        while forwarder.status().live.acknowledged < number {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        waits.push(clock.monotonic() - began);
    }
    waits.sort();
    let (count, median, worst) = (waits.len(), waits[waits.len() / 2], waits[waits.len() - 1]);
    let took = clock.monotonic() - drains_since;
    eprintln!(
        "next to {} bytes of back-fill in {took:?}: {count} live batches, median {median:?}, worst {worst:?}",
        backlog.bytes
    );
    assert!(count >= 5, "live batches went through while the spool drained: {count}");
    // One that stood behind the spool would wait for all of it; on a busy machine everything takes longer.
    assert!(worst < (took / 2).max(Duration::from_millis(750)), "{worst:?} of {took:?}");
    drained(&forwarder).await;
    assert_eq!(server.rows("environment"), spooled);
    let leaves = async {
        while forwarder.status().backfill.bytes >= 2 << 20 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), leaves).await.expect("what is acknowledged leaves the disk");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_spool_refuses_what_is_new_or_drops_what_is_oldest_as_its_owner_wants() {
    let setting = Setting::new();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    for when_full in [WhenFull::Refuse, WhenFull::DropOldest] {
        let folder = tempfile::tempdir().unwrap();
        let relay = Relay::to(server.address).await;
        relay.lose(true, true);
        let small = ForwardOptions { bytes_max: 400 << 10, when_full, ..options(&token, folder.path()) };
        let forwarder = Forwarder::open(connection(&server, &relay), small).await.unwrap();
        let (mut taken, mut refusals) = (0, 0);
        for _ in 0..100 {
            match forwarder.send(rows(500)).await {
                Ok(_) => taken += 1,
                Err(error) => {
                    assert!(matches!(error, SpoolError::Full { .. }) && error.kind() == ErrorKind::Retry, "{error}");
                    refusals += 1;
                }
            }
            let status = forwarder.status();
            assert!(status.live.bytes + status.backfill.bytes <= 400 << 10, "its bound holds");
        }
        let before = server.rows("environment");
        relay.lose(false, false);
        drained(&forwarder).await;
        let dropped = forwarder.status().dropped_batches;
        match when_full {
            WhenFull::Refuse => assert!(refusals > 0 && dropped == 0),
            WhenFull::DropOldest => assert!(refusals == 0 && dropped > 0),
        }
        assert_eq!(server.rows("environment") - before, 500 * (taken - usize::try_from(dropped).unwrap()));
        assert!(forwarder.send(rows(1)).await.is_ok(), "there is capacity again");
        drained(&forwarder).await;
        forwarder.close().await;
        // The other kind begins as a producer that has lost its state: its own folder, a later epoch.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_the_server_refuses_is_put_aside_and_those_behind_it_go_on() {
    let mut setting = Setting::new();
    setting.decode.batch_rows_max = 100;
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let relay = Relay::to(server.address).await;
    let folder = tempfile::tempdir().unwrap();
    let forwarder = Forwarder::open(connection(&server, &relay), options(&token, folder.path())).await.unwrap();
    let invalid = EncodedBatch { payload: "no message".into(), ..rows(1) };
    for batch in [rows(10), invalid, rows(10), rows(101), rows(10)] {
        forwarder.send(batch).await.unwrap();
    }
    drained(&forwarder).await;
    let status = forwarder.status();
    assert_eq!((status.refused_batches, server.rows("environment")), (2, 30), "{status:?}");
    let kept = SpoolSummary::read(folder.path()).unwrap().refused;
    assert_eq!(kept.len(), 2);
    assert!(kept.iter().all(|batch| !batch.reason.is_empty()) && kept[1].reason.contains("101 rows"), "{kept:?}");
    forwarder.close().await;

    let lines = tempfile::tempdir().unwrap();
    let mut of_lines = options(&token, lines.path());
    of_lines.stream.producer = "lines".into();
    of_lines.stream.encoding = Encoding::Line;
    let forwarder = Forwarder::open(connection(&server, &relay), of_lines).await.unwrap();
    for line in ["environment,device=a pm2_5=1", "environment,device=a pm2_5=", "environment,device=a pm2_5=2"] {
        forwarder.send(line_block(line, 1)).await.unwrap();
    }
    drained(&forwarder).await;
    assert_eq!((forwarder.status().refused_batches, server.rows("environment")), (1, 32));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_the_table_lacks_is_waited_for_with_an_alarm_and_nothing_is_put_aside() {
    let mut setting = Setting::new();
    let folder = tempfile::tempdir().unwrap();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let relay = Relay::to(server.address).await;
    let forwarder = Forwarder::open(connection(&server, &relay), options(&token, folder.path())).await.unwrap();
    for batch in [rows(10), batch_of("dew_point_2", doubles(&[1.0])), rows(10)] {
        assert_eq!(forwarder.send(batch).await.unwrap().0, Lane::Live);
    }
    let waits_for = async {
        loop {
            if let Some(what) = forwarder.status().live.waits_for {
                break what;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let what = tokio::time::timeout(Duration::from_secs(10), waits_for).await.unwrap();
    assert!(what.contains("dew_point_2"), "{what}");
    assert_eq!((forwarder.status().refused_batches, server.rows("environment")), (0, 10));
    assert!(forwarder.send(rows(1)).await.is_ok(), "batches are still taken");
    forwarder.close().await;
    server.shut_down().await;

    let table = setting.declared.iter_mut().find(|table| table.name == "environment").unwrap();
    let field = table.fields.iter().find(|field| field.name == "pm2_5").unwrap().clone();
    table.fields.push(FieldDef { name: "dew_point_2".into(), ..field });
    let server = setting.start().await;
    let relay = Relay::to(server.address).await;
    let forwarder = Forwarder::open(connection(&server, &relay), options(&token, folder.path())).await.unwrap();
    drained(&forwarder).await;
    assert_eq!(server.rows("environment"), 22);
    assert_eq!((forwarder.status().live.waits_for, forwarder.status().refused_batches), (None, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_were_put_aside_are_sent_again_once_whatever_was_killed_meanwhile() {
    let mut setting = Setting::new();
    setting.decode.batch_rows_max = 100;
    let folder = tempfile::tempdir().unwrap();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let relay = Relay::to(server.address).await;
    let forwarder = Forwarder::open(connection(&server, &relay), options(&token, folder.path())).await.unwrap();
    let invalid = EncodedBatch { payload: "no message".into(), ..rows(1) };
    for batch in [rows(101), invalid, rows(102), rows(103)] {
        forwarder.send(batch).await.unwrap();
    }
    drained(&forwarder).await;
    assert_eq!((forwarder.status().refused_batches, server.rows("environment")), (4, 0));
    let stream = StreamOptions::new(&token, "", "");
    let refused = || SpoolSummary::read(folder.path()).unwrap().refused;
    let report = retry_refused(&connection(&server, &relay), &stream, folder.path()).await.unwrap();
    assert_eq!((report.stored, report.refused.len(), refused().len()), (0, 4, 4), "nothing is mended yet");
    forwarder.close().await;
    server.shut_down().await;

    setting.decode.batch_rows_max = 1_000;
    let server = setting.start().await;
    let relay = Relay::to(server.address).await;
    let to_server = connection(&server, &relay);
    let named = |number: u64, name: &str| folder.path().join("refused").join(format!("{number}@{name}.batch"));
    let first = refused()[0].clone();
    let bytes = std::fs::read(&first.path).unwrap();
    // Killed before it was sent: the server has no batch 5 of it.
    std::fs::rename(&first.path, named(5, &first.name)).unwrap();
    let report = retry_refused(&to_server, &stream, folder.path()).await.unwrap();
    assert_eq!((report.stored, report.rows, report.refused.len()), (3, 306, 1), "{report:?}");
    assert_eq!((server.rows("environment"), refused().len()), (306, 1));
    // A spool that opens again keeps apart what was put aside, whatever the server takes by now.
    let forwarder = Forwarder::open(Arc::clone(&to_server), options(&token, folder.path())).await.unwrap();
    forwarder.send(rows(1)).await.unwrap();
    drained(&forwarder).await;
    assert_eq!(server.rows("environment"), 307);
    forwarder.close().await;
    // Killed between the acknowledgement and the removal of its file.
    std::fs::write(named(1, &first.name), bytes).unwrap();
    let report = retry_refused(&to_server, &stream, folder.path()).await.unwrap();
    assert_eq!((report.stored, report.rows, report.refused.len()), (1, 0, 1), "{report:?}");
    assert_eq!((server.rows("environment"), refused().len()), (307, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_is_of_one_stream_and_one_process_and_a_fenced_one_stops_and_says_so() {
    let setting = Setting::new();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let relay = Relay::to(server.address).await;
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = ForwardOptions { epoch: Some(Epoch(5)), ..options(&token, one.path()) };
    let forwarder = Forwarder::open(connection(&server, &relay), first.clone()).await.unwrap();
    forwarder.send(rows(1)).await.unwrap();
    drained(&forwarder).await;
    let error = Forwarder::open(connection(&server, &relay), first.clone()).await.unwrap_err();
    assert!(matches!(error, SpoolError::InUse(_)), "{error}");

    // The disk was lost: a new spool begins a later epoch, and fences whoever still has the old one.
    let later = Forwarder::open(connection(&server, &relay), options(&token, two.path())).await.unwrap();
    assert!(later.epoch() > Epoch(1_700_000_000));
    later.send(rows(1)).await.unwrap();
    drained(&later).await;
    forwarder.send(rows(1)).await.unwrap();
    let error = tokio::time::timeout(Duration::from_secs(10), forwarder.drained()).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("Two producers must not share a name"), "{error}");
    assert_eq!(forwarder.status().stopped, Some(error));
    assert!(forwarder.send(rows(1)).await.is_ok(), "batches are still taken");
    assert_eq!(server.rows("environment"), 2);
    forwarder.close().await;

    let mut other = first;
    other.stream.table = "energy".into();
    let error = Forwarder::open(connection(&server, &relay), other).await.unwrap_err();
    assert!(error.to_string().contains("environment") && error.kind() == ErrorKind::Input, "{error}");
}
