//! No room left: writes are refused with the word to come again, nothing that was acknowledged is harmed, and writing goes
//! on when there is room.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::installation::{Installation, Server, lines};

const START: u64 = 1_700_000_000;

fn count(server: &Server<'_>) -> u64 {
    server.sql_value("select count(*) from environment").as_u64().expect("a count")
}

#[test]
fn with_too_little_free_space_writes_are_refused_and_queries_go_on() {
    let mut place = Installation::new();
    let server = place.first_start();
    let (password, token) = (server.password().to_owned(), place.add_gateway("g"));
    server.write_rows(&token, "d", START, 10);
    assert!(server.terminate().success());

    place.set("ZONELAKE_STORAGE_FREE_BYTES_MIN", u64::MAX / 2);
    let server = place.restart(&password);
    let (status, body) = server.write(&token, &lines("d", START + 10, 10));
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("disk"), "the sender is told why: {body}");
    assert_eq!(count(&server), 10);
    assert!(server.terminate().success(), "a clean end needs no room that is not there");

    place.set("ZONELAKE_STORAGE_FREE_BYTES_MIN", 0);
    let server = place.restart(&password);
    server.write_rows(&token, "d", START + 10, 10);
    assert_eq!(count(&server), 20);
}

/// A file system of its own size. Only root may mount one.
struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    fn mount(at: PathBuf, mebibytes: usize) -> Option<Self> {
        std::fs::create_dir_all(&at).expect("the folder can be made");
        let options = format!("size={mebibytes}m");
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "zonelake-test"]).arg(&at).status();
        status.is_ok_and(|status| status.success()).then_some(Self { at })
    }

    fn grow(&self, mebibytes: usize) {
        let options = format!("remount,size={mebibytes}m");
        let status = Command::new("mount").args(["-o", &options]).arg(&self.at).status().expect("mount can be started");
        assert!(status.success());
    }

    fn path(&self) -> &Path {
        &self.at
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // What cannot be unmounted now is so when its last user ends.
        drop(Command::new("umount").arg("-l").arg(&self.at).status());
    }
}

#[test]
fn on_a_disk_that_is_full_nothing_acknowledged_is_lost_and_writing_goes_on_with_room() {
    let outside = tempfile::tempdir().expect("a temporary folder can be made");
    let Some(disk) = SmallDisk::mount(outside.path().join("disk"), 24) else {
        // The guard of free bytes, tested above, is what stands in front of a full disk; without root no disk can be filled.
        assert!(std::env::var_os("CI").is_none(), "CI is root and can mount a small disk");
        eprintln!("NOT TESTED: a full disk, since this user may not mount a small one");
        return;
    };
    let place = Installation::new()
        .with_data(disk.path().join("data"))
        .with("ZONELAKE_INGEST_SHARDS", 1)
        .with("ZONELAKE_STORAGE_FREE_BYTES_MIN", 0)
        .with("ZONELAKE_QUIC_FRAME_BYTES_MAX", 65_536)
        .with("ZONELAKE_QUIC_UNACKED_BYTES_MAX", 65_536)
        .with("ZONELAKE_WAL_SEGMENT_BYTES", 1 << 20);
    let server = place.first_start();
    let (password, token) = (server.password().to_owned(), place.add_gateway("g"));

    let mut acknowledged = 0;
    let refused = (0..2_000).find_map(|_| {
        let answer = server.write(&token, &lines("d", START + acknowledged, 2_000));
        if answer.0 == 204 {
            acknowledged += 2_000;
            return None;
        }
        Some(answer)
    });
    let (status, body) = refused.expect("24 MiB are full at some time");
    assert_eq!(status, 503, "{body}");
    assert!(acknowledged > 0);
    assert_eq!(count(&server), acknowledged);
    server.kill();

    disk.grow(128);
    let server = place.restart(&password);
    assert_eq!(count(&server), acknowledged);
    assert_eq!(server.sql_value("select count(distinct time) from environment"), acknowledged);
    server.write_rows(&token, "d", START + acknowledged, 100);
    assert_eq!(count(&server), acknowledged + 100);
}
