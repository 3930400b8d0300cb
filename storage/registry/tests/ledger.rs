//! The ledger of pushes, filled through its own code: what an entry costs on disk, and that a long ledger costs no time at start.

use std::path::Path;
use std::sync::Arc;

use zonelake_registry::{LentProducer, PUSHES_KEPT_MAX, PushDigests, PushEntry, Registry, entry_name};
use zonelake_schemas::Lane;
use zonelake_schemas::clock::{Clock, SystemClock};

/// Bytes of what the record has beside the digests that are looked up: two more digests, numbers, and the name of a station's file.
const RECORD_BYTES: usize = 112;
const LEDGER_BYTES_MAX: u64 = 100_000_000;

fn open(path: &Path) -> Registry {
    Registry::open(path, Arc::new(SystemClock::default())).expect("the registry opens")
}

/// Sixteen bytes that look like a digest.
fn digest(of: u64, salt: u64) -> Vec<u8> {
    let mixed =
        |seed: u64| (of ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    [mixed(salt).to_le_bytes(), mixed(salt ^ 0x5555).to_le_bytes()].concat()
}

fn entry(number: u64, lent: LentProducer) -> PushEntry {
    PushEntry {
        table: "environment".into(),
        lane: Lane::Backfill,
        producer: entry_name(&lent.name(), lent.epoch),
        head: digest(number, 1),
        rows_set: digest(number, 2),
        content: digest(number, 3),
        record: digest(number, 4).into_iter().cycle().take(RECORD_BYTES).collect(),
    }
}

/// `ZONELAKE_LEDGER_FILES=260000` fills all of it, which takes a commit of SQLite a note: two for a file.
#[test]
fn a_full_ledger_takes_less_than_100_mb_and_a_start_takes_no_longer_for_it() {
    let files: u64 =
        std::env::var("ZONELAKE_LEDGER_FILES").map_or(1_500, |text| text.parse().expect("a number of files"));
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("registry.sqlite");
    let clock = SystemClock::default();
    let timed = || {
        let began = clock.monotonic();
        let registry = open(&path);
        (registry, clock.monotonic() - began)
    };
    let gateway = open(&path).add_gateway("g", "vung-ang").expect("a new gateway").gateway.id;
    let size = || std::fs::metadata(&path).expect("it is there").len();
    let (registry, empty_start) = timed();
    let empty_bytes = size();
    let began = clock.monotonic();
    for number in 0..files {
        let lent = registry.note_new_push(gateway, |lent| entry(number, lent)).expect("it is noted");
        registry.note_push(gateway, &entry(number, lent), true).expect("it is noted");
    }
    let took = clock.monotonic() - began;
    // Closing takes the journal into the file.
    drop(registry);
    let (registry, full_start) = timed();
    let kept = files.min(PUSHES_KEPT_MAX.unsigned_abs());
    let bytes = (size() - empty_bytes) / kept;
    println!(
        "{files} files in {took:?}; {bytes} bytes an entry; a start takes {empty_start:?} without and {full_start:?} with them"
    );
    assert!(bytes * PUSHES_KEPT_MAX.unsigned_abs() < LEDGER_BYTES_MAX, "{bytes} bytes an entry");
    let last = digest(files - 1, 1);
    let found = registry.pushes_like(
        gateway,
        "environment",
        Lane::Backfill,
        PushDigests { head: &last, ..PushDigests::default() },
    );
    let found = found.expect("it can be read");
    assert!(found.len() == 1 && found[0].content == digest(files - 1, 3), "{found:?}");
    // A start reads nothing of it: it may not take longer than the noting of a hundred files.
    let hundred = took * 100 / u32::try_from(files).expect("a small number");
    assert!(full_start < empty_start + hundred.max(std::time::Duration::from_secs(5)), "{full_start:?}");
}
