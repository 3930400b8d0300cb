//! One table cannot be written to files: the WAL stays within its bound while the others go on, that table alone is refused, and it
//! heals without a restart.

use std::path::PathBuf;

use crate::installation::{Installation, Server, files_below, lines, text, wait_for};

const START: u64 = 1_700_000_000;
/// Rows of a write: some 210 kB of WAL.
const ROWS: u64 = 10_000;
const SEGMENT_BYTES: u64 = 1 << 20;
const WAL_BYTES_MAX: u64 = 2 << 20;

fn installation() -> Installation {
    Installation::new()
        .with("ZONELAKE_INGEST_SHARDS", 1)
        .with("ZONELAKE_FLUSH_AGE_SECONDS", 1)
        .with("ZONELAKE_WAL_SEGMENT_BYTES", SEGMENT_BYTES)
        .with("ZONELAKE_WAL_BYTES_MAX", WAL_BYTES_MAX)
}

/// A table whose folder refuses writes: a file stands in its place.
struct Blocked {
    table: PathBuf,
    away: PathBuf,
}

impl Blocked {
    fn new(place: &Installation) -> Self {
        let (table, away) = (place.data().join("tables/environment"), place.data().join("away"));
        std::fs::rename(&table, &away).expect("a folder can be renamed");
        std::fs::write(&table, "").expect("a file can be written");
        Self { table, away }
    }

    fn heal(self) {
        std::fs::remove_file(&self.table).expect("the file can be removed");
        std::fs::rename(&self.away, &self.table).expect("the folder can be renamed back");
    }
}

/// Bytes of the files of the WAL whose content counts.
fn wal_bytes(place: &Installation) -> u64 {
    let files = files_below(&place.data().join("wal"), ".wal").into_iter();
    let counts = files.filter(|path| !path.to_string_lossy().contains("spare-"));
    counts.filter_map(|path| std::fs::metadata(path).ok()).map(|found| found.len()).sum()
}

fn asides(place: &Installation) -> usize {
    let files = files_below(&place.data().join("wal"), ".wal").into_iter();
    files.filter(|path| path.to_string_lossy().contains("aside-")).count()
}

fn count(server: &Server<'_>, table: &str) -> u64 {
    let rows = server.sql_value(&format!("select count(*) from {table}"));
    let pairs = server.sql_value(&format!("select count(*) from (select distinct device, time from {table}) pairs"));
    assert_eq!(rows, pairs, "no row of {table} is there twice");
    rows.as_u64().expect("a count")
}

/// Rows that were acknowledged.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Acknowledged {
    environment: u64,
    energy: u64,
    /// Writes of the table that cannot be flushed that were refused.
    refused: u64,
}

/// Writes to both tables in turn, and looks at the WAL all the while.
fn write_beside(place: &Installation, server: &Server<'_>, token: &str, rounds: u64, done: &mut Acknowledged) {
    for _ in 0..rounds {
        let (status, body) = server.write(token, &lines("d", START + done.environment, ROWS));
        match status {
            204 => done.environment += ROWS,
            503 => {
                assert!(body.contains("environment") && body.contains("cannot be written to files"), "{body}");
                done.refused += 1;
            }
            _ => panic!("{status}: {body}\n{}", place.log()),
        }
        let energy = (0..ROWS).map(|row| format!("energy,device=m active_power=2 {}\n", START + done.energy + row));
        let (status, body) = server.write(token, &energy.collect::<String>());
        assert_eq!(status, 204, "the other table goes on: {body}\n{}", place.log());
        done.energy += ROWS;
        // Twice the bound, the segment that is full, the one that is written, and what is set aside of one table.
        let bound = 3 * WAL_BYTES_MAX + 4 * SEGMENT_BYTES;
        assert!(wal_bytes(place) <= bound, "{} bytes of WAL and may be {bound}\n{}", wal_bytes(place), place.log());
    }
}

#[test]
fn a_table_that_cannot_be_flushed_is_refused_alone_and_heals_without_a_restart() {
    let place = installation();
    let server = place.first_start();
    let token = place.add_gateway("g");
    let blocked = Blocked::new(&place);
    let mut done = Acknowledged::default();
    write_beside(&place, &server, &token, 60, &mut done);
    assert!(done.refused > 10 && asides(&place) > 0, "{done:?}, {} files\n{}", asides(&place), place.log());
    assert_eq!((count(&server, "environment"), count(&server, "energy")), (done.environment, done.energy));

    blocked.heal();
    let accepted = wait_for(|| {
        let (status, _) = server.write(&token, &lines("d", START + done.environment, ROWS));
        (status == 204).then_some(())
    });
    assert!(accepted.is_some(), "it does not heal:\n{}", place.log());
    done.environment += ROWS;
    let refused = done.refused;
    write_beside(&place, &server, &token, 5, &mut done);
    assert_eq!(done.refused, refused);
    let gone = wait_for(|| (asides(&place) == 0).then_some(()));
    assert!(gone.is_some(), "what was set aside stays:\n{}", place.log());
    assert_eq!((count(&server, "environment"), count(&server, "energy")), (done.environment, done.energy));
    assert!(server.terminate().success(), "{}", place.log());
    let checked = place.run(&["check"]);
    assert!(checked.status.success(), "{}{}", text(&checked.stdout), text(&checked.stderr));
}

#[test]
fn what_is_set_aside_survives_a_kill_and_is_in_a_back_up() {
    let place = installation();
    let server = place.first_start();
    let (password, token) = (server.password().to_owned(), place.add_gateway("g"));
    let blocked = Blocked::new(&place);
    let mut done = Acknowledged::default();
    write_beside(&place, &server, &token, 30, &mut done);
    assert!(asides(&place) > 0, "{}", place.log());
    server.kill();
    blocked.heal();
    let checked = place.run(&["check"]);
    assert!(checked.status.success(), "{}{}", text(&checked.stdout), text(&checked.stderr));
    // The command checks the copy, which has to have all that the checkpoint names.
    let copied = place.program().arg("backup").arg(place.root().join("copies")).output().expect("started");
    assert!(copied.status.success(), "{}{}", text(&copied.stdout), text(&copied.stderr));
    let names = files_below(&place.root().join("copies"), ".wal").into_iter();
    assert_eq!(names.filter(|path| path.to_string_lossy().contains("aside-")).count(), asides(&place));

    let server = place.restart(&password);
    assert_eq!((count(&server, "environment"), count(&server, "energy")), (done.environment, done.energy));
    let gone = wait_for(|| (asides(&place) == 0).then_some(()));
    assert!(gone.is_some(), "what was set aside stays:\n{}", place.log());
    assert_eq!(count(&server, "environment"), done.environment);
    assert!(server.terminate().success(), "{}", place.log());
    let checked = place.run(&["check"]);
    assert!(checked.status.success(), "{}{}", text(&checked.stdout), text(&checked.stderr));
}
