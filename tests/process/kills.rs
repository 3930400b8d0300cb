//! Kill after kill, of the server and of gateways, under load over QUIC, HTTP and Flight: at the end every batch is there, once.
//!
//! Gateways are processes of `zonelake push` that send file after file; one that was killed is started again with the
//! same file. Batches have 100 rows, one a second, and each second of a device has one row, so that the account of every
//! batch is a query. Beside them write clients over HTTP, under keys, and over Flight, where a batch whose call has failed may be there or
//! not, and is there as a whole. `ZONELAKE_SERVER_KILLS` and `ZONELAKE_GATEWAY_KILLS` say how often; `ZONELAKE_KILLS_SEED` when.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{scope, sleep};
use std::time::Duration;

use crate::installation::{Installation, Server};
use crate::writers::{BATCH_ROWS, FlightBatches, START, write_over_flight, write_over_http};

/// 2023-11-14T22:13:20Z, the second 1,700,000,000 since 1970: batches begin with multiples of 100 seconds.
const START_OF_DAY: u64 = 22 * 3_600 + 13 * 60 + 20;
const FILE_BATCHES: u64 = 30;
const GATEWAYS: usize = 8;
/// Clients over HTTP, and as many over Flight.
const WRITERS: usize = 2;

/// What is going on.
struct Load {
    token: String,
    ending: AtomicBool,
    files_begun: AtomicU64,
    /// Files whose push has ended well: all of their batches are acknowledged.
    files_done: Mutex<Vec<u64>>,
    processes: Vec<Mutex<Option<Child>>>,
    restarts: AtomicU64,
    /// Batches that were acknowledged over HTTP.
    over_http: AtomicU64,
    /// Batches over Flight, by writer.
    over_flight: Mutex<BTreeMap<usize, FlightBatches>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Load {
    fn new(token: String) -> Self {
        Self {
            token,
            ending: AtomicBool::new(false),
            files_begun: AtomicU64::new(0),
            files_done: Mutex::default(),
            processes: (0..GATEWAYS).map(|_| Mutex::default()).collect(),
            restarts: AtomicU64::new(0),
            over_http: AtomicU64::new(0),
            over_flight: Mutex::default(),
        }
    }

    /// Sends file after file until the end is near, each of them until its process ends well.
    fn send_files(&self, place: &Installation, gateway: usize) {
        while !self.ending.load(Ordering::Acquire) {
            let number = self.files_begun.fetch_add(1, Ordering::AcqRel);
            let file = file(place, number);
            while !self.push(place, gateway, &file) {
                self.restarts.fetch_add(1, Ordering::AcqRel);
            }
            lock(&self.files_done).push(number);
            std::fs::remove_file(&file).expect("it can be removed");
        }
    }

    /// Runs a gateway's process to its end; false where it was killed.
    fn push(&self, place: &Installation, gateway: usize, file: &Path) -> bool {
        let mut program = place.program();
        program.env("ZONELAKE_TOKEN", &self.token).env("ZONELAKE_SERVER", place.quic_address());
        program.args(["push", "--table", "environment", "--batch-rows", &BATCH_ROWS.to_string()]).arg(file);
        let log = File::create(file.with_extension("log")).expect("its output can be kept");
        program.stdout(Stdio::null()).stderr(log);
        *lock(&self.processes[gateway]) = Some(program.spawn().expect("the program can be started"));
        loop {
            let mut process = lock(&self.processes[gateway]);
            let status = process.as_mut().expect("it is there").try_wait().expect("its state can be asked");
            if let Some(status) = status {
                *process = None;
                drop(process);
                let said = std::fs::read_to_string(file.with_extension("log")).unwrap_or_default();
                assert!(status.success() || status.code().is_none(), "{}: {said}\n{}", file.display(), place.log());
                return status.success();
            }
            drop(process);
            sleep(Duration::from_millis(5));
        }
    }

    /// Kills a gateway's process, if one runs.
    fn kill(&self, gateway: usize) -> bool {
        let mut process = lock(&self.processes[gateway]);
        process.as_mut().is_some_and(|process| process.kill().is_ok())
    }
}

fn file(place: &Installation, number: u64) -> PathBuf {
    let mut csv = String::from("time,device,temperature,wind_speed\n");
    for row in 0..FILE_BATCHES * BATCH_ROWS {
        let of_day = START_OF_DAY + row;
        let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
        let values = format!("{},{}.5", row % 40, row % 9);
        writeln!(csv, "2023-11-14T{hour:02}:{minute:02}:{second:02}Z,k{number},{values}").expect("a String grows");
    }
    let path = place.root().join(format!("k{number}.csv"));
    std::fs::write(&path, csv).expect("it can be written");
    path
}

/// Batches seen by a query, those of them that are not what they should be, and rows that are lost or double.
#[derive(Debug, PartialEq, Eq)]
struct Account {
    batches: u64,
    rows: u64,
    lost: u64,
    double: u64,
}

/// The account of every batch of these devices. A batch of which nothing is seen is lost, too.
fn account(server: &Server<'_>, devices: &str, batches: u64) -> Account {
    let query = format!(
        "select count(*) batches, coalesce(sum(n), 0) \"rows\", coalesce(sum({BATCH_ROWS} - d), 0) lost, coalesce(sum(n - d), 0) \"double\" from \
         (select device, floor(extract(epoch from time) / {BATCH_ROWS}) batch, count(*) n, count(distinct time) d \
         from environment where {devices} group by 1, 2)"
    );
    let row = server.sql(&query).pop().expect("one row");
    let number = |name: &str| {
        row[name].as_u64().or(row[name].as_f64().map(|number| number as u64)).unwrap_or_else(|| panic!("{name}: {row}"))
    };
    let seen = number("batches");
    let lost = number("lost") + (batches - seen.min(batches)) * BATCH_ROWS;
    Account { batches: seen, rows: number("rows"), lost, double: number("double") }
}

/// Whatever a gateway has ended well with is there in whole, right behind a kill.
fn check_files_that_are_done(load: &Load, server: &Server<'_>) {
    let done: Vec<String> = lock(&load.files_done).iter().rev().take(100).map(|file| format!("'k{file}'")).collect();
    if done.is_empty() {
        return;
    }
    let batches = done.len() as u64 * FILE_BATCHES;
    let expected = Account { batches, rows: batches * BATCH_ROWS, lost: 0, double: 0 };
    assert_eq!(account(server, &format!("device in ({})", done.join(", ")), batches), expected);
}

/// Compares each batch of the writers over Flight with what its call has said; returns how many are there.
fn check_flight(load: &Load, server: &Server<'_>) -> u64 {
    let mut there = 0;
    for (writer, batches) in lock(&load.over_flight).iter() {
        let query = format!(
            "select (floor(extract(epoch from time) / {BATCH_ROWS}) - {})::bigint as batch, count(*) n, count(distinct time) d \
             from environment where device = 'f{writer}' group by 1",
            START / BATCH_ROWS
        );
        let mut found = BTreeSet::new();
        for row in server.sql(&query) {
            let number = |name: &str| row[name].as_u64().unwrap_or_else(|| panic!("{name}: {row}"));
            assert_eq!((number("n"), number("d")), (BATCH_ROWS, BATCH_ROWS), "a batch is whole, and there once: {row}");
            found.insert(number("batch"));
        }
        let lost: Vec<_> = batches.acknowledged.iter().filter(|batch| !found.contains(batch)).collect();
        assert!(lost.is_empty(), "acknowledged over Flight and lost: {lost:?}");
        let known = |batch: &u64| batches.acknowledged.contains(batch) || batches.unclear.contains(batch);
        assert!(found.iter().all(known), "batches that were never sent");
        println!(
            "Flight writer {writer}: {} acknowledged, {} with an unclear end",
            batches.acknowledged.len(),
            batches.unclear.len()
        );
        there += found.len() as u64;
    }
    there
}

fn number_from(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect("a number"))
}

/// Numbers from a seed (xorshift64).
fn random(state: &mut u64, below: u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state % below
}

#[test]
fn no_kill_of_the_server_or_of_a_gateway_loses_or_doubles_a_batch() {
    let (server_kills, gateway_kills) =
        (number_from("ZONELAKE_SERVER_KILLS", 5), number_from("ZONELAKE_GATEWAY_KILLS", 3));
    let seed = number_from("ZONELAKE_KILLS_SEED", 1);
    let place = Installation::new()
        .with("ZONELAKE_FLUSH_AGE_SECONDS", 1)
        .with("ZONELAKE_QUIC_IDLE_SECONDS", 1)
        .with("ZONELAKE_LOG_LEVEL", "warn")
        .with("ZONELAKE_WAL_SEGMENT_BYTES", 1 << 20);
    let server = place.first_start();
    let password = server.password().to_owned();
    let load = Load::new(place.add_gateway("g"));
    let mut killed = 0;
    let mut server = Some(server);
    scope(|threads| {
        for gateway in 0..GATEWAYS {
            let (load, place) = (&load, &place);
            threads.spawn(move || load.send_files(place, gateway));
        }
        for writer in 0..WRITERS {
            let (load, place) = (&load, &place);
            threads.spawn(move || {
                let batches = write_over_http(place, &load.token, writer, &load.ending);
                load.over_http.fetch_add(batches, Ordering::AcqRel);
            });
            threads.spawn(move || {
                let batches = write_over_flight(place, &load.token, writer, &load.ending);
                lock(&load.over_flight).insert(writer, batches);
            });
        }
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        for kill in 0..server_kills {
            sleep(Duration::from_millis(20 + random(&mut state, 1_600)));
            let due = gateway_kills * (kill + 1) / server_kills.max(1);
            // Gateways die before the server, with it, or after it.
            let with_it = random(&mut state, 3);
            let kill_gateways = |killed: &mut u64, state: &mut u64| {
                while *killed < due {
                    let gateway = random(state, GATEWAYS as u64) as usize;
                    *killed += u64::from(load.kill(gateway));
                    sleep(Duration::from_millis(random(state, 10)));
                }
            };
            if with_it == 0 {
                kill_gateways(&mut killed, &mut state);
            }
            server.take().expect("it runs").kill();
            kill_gateways(&mut killed, &mut state);
            let started = place.restart(&password);
            if kill % 10 == 9 {
                check_files_that_are_done(&load, &started);
            }
            server = Some(started);
        }
        load.ending.store(true, Ordering::Release);
    });
    let server = server.expect("it runs");
    let files = load.files_begun.load(Ordering::Acquire);
    let over_http = load.over_http.load(Ordering::Acquire);
    let over_flight = check_flight(&load, &server);
    let batches = files * FILE_BATCHES + over_http + over_flight;
    let expected = Account { batches, rows: batches * BATCH_ROWS, lost: 0, double: 0 };
    let found = account(&server, "true", expected.batches);
    let restarts = load.restarts.load(Ordering::Acquire);
    println!(
        "seed {seed}: {server_kills} kills of the server, {killed} of gateways ({restarts} came in the midst of a file): \
         {} batches, of which {over_http} over HTTP and {over_flight} over Flight, {} rows, {} rows lost, {} double",
        found.batches, found.rows, found.lost, found.double
    );
    assert_eq!(found, expected);
    assert!(server.terminate().success(), "{}", place.log());
    let report = place.run(&["check", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&report.stdout).expect("JSON");
    assert_eq!(
        (&report["sound"], &report["tables"]["environment"]["rows"]),
        (&true.into(), &expected.rows.into()),
        "{report}"
    );
    assert!(!place.log().contains("panicked"), "{}", place.log());
}
