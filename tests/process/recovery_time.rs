//! How long a start takes with a long write-ahead log, and what memory it takes.
//!
//! `ZONELAKE_RECOVERY_LOG_BYTES` says how long the log is to be; the limits of the server are set so that all of it is
//! replayed.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use zonelake_schemas::clock::{Clock, SystemClock};

use crate::installation::{Installation, files_below, text};

/// Rows of one pushed file: eight readings each.
const FILE_ROWS: u64 = 200_000;

/// Writes rows of 50 devices, one a second and device.
fn file(path: &Path, number: u64) {
    let mut csv = String::from("time,device,temperature,humidity,pressure,wind_speed,pm2_5,pm10,no2,so2\n");
    for row in 0..FILE_ROWS {
        let second = number * (FILE_ROWS / 50) + row / 50;
        let (day, hour, minute) = (1 + second / 86_400, second / 3_600 % 24, second / 60 % 60);
        let (device, value) = (row % 50, row * 7 % 40);
        writeln!(
            csv,
            "2026-01-{day:02}T{hour:02}:{minute:02}:{:02}Z,d{device},{value},{value},{},{value}.5,{value},{value},{value}.25,{value}.75",
            second % 60,
            900 + value,
        )
        .expect("a String grows as needed");
    }
    std::fs::write(path, csv).expect("it can be written");
}

fn log_bytes(place: &Installation) -> u64 {
    let segments = files_below(&place.data().join("wal"), ".wal");
    segments.iter().map(|path| path.metadata().map_or(0, |file| file.len())).sum()
}

#[test]
fn a_start_replays_the_whole_log_and_says_how_long_it_took() {
    let wanted: u64 =
        std::env::var("ZONELAKE_RECOVERY_LOG_BYTES").map_or(32 << 20, |text| text.parse().expect("a number of bytes"));
    let place = Installation::new()
        .with("ZONELAKE_LOG_LEVEL", "warn,zonelake=info")
        .with("ZONELAKE_WAL_SEGMENT_BYTES", 16 << 20)
        .with("ZONELAKE_WAL_BYTES_MAX", 8u64 << 30)
        .with("ZONELAKE_FLUSH_BYTES_MAX", 8u64 << 30)
        .with("ZONELAKE_FLUSH_LIVE_BYTES_MAX", 16u64 << 30);
    let server = place.first_start();
    let (password, token) = (server.password().to_owned(), place.add_gateway("g"));
    let mut rows = 0;
    for number in 0.. {
        let path = place.root().join("rows.csv");
        file(&path, number);
        let mut push: Command = place.program();
        push.env("ZONELAKE_TOKEN", &token).env("ZONELAKE_SERVER", place.quic_address());
        let output = push.args(["push", "--table", "environment"]).arg(&path).output().expect("it can be started");
        assert!(output.status.success(), "{}", text(&output.stderr));
        rows += FILE_ROWS;
        if log_bytes(&place) >= wanted {
            break;
        }
    }
    let bytes = log_bytes(&place);
    server.kill();

    let clock = SystemClock::default();
    let server = place.restart(&password);
    let took = clock.monotonic();
    let memory = server.peak_memory_bytes();
    assert_eq!(server.sql_value("select count(*) from environment"), rows);
    let recovered = place.log().lines().rfind(|line| line.contains("recovered")).unwrap_or_default().to_owned();
    println!(
        "{rows} rows, {} MB of log: healthy after {:.2} s, peak memory {} MB; {recovered}",
        bytes >> 20,
        took.as_secs_f64(),
        memory >> 20
    );
    // What is replayed is live in memory, in columns; reading it takes the longest group of one shard besides.
    assert!(memory < 2 * bytes + (512 << 20), "{memory} bytes for a log of {bytes}");
}
