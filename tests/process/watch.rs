//! `zonelake watch`: files behind an FTP server, each stored once, whatever is killed meanwhile.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{scope, sleep};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use zonelake_schemas::clock::{Clock, SystemClock};

use crate::installation::{Installation, Server, files_below, text, wait_for};

const MAPPING: &str = "table = \"environment\"\nby_name = true\n[device]\nfile_part = 1\n";

fn watch(place: &Installation, token: &str, arguments: &[&str]) -> Command {
    let mut program = place.program();
    program.env("ZONELAKE_TOKEN", token).env("ZONELAKE_SERVER", place.quic_address());
    program.args(["watch", "in", "--mapping", "*.csv=air.toml"]).args(arguments);
    program.stdout(Stdio::null()).stderr(Stdio::piped());
    program
}

/// An installation with a folder and a mapping.
fn place() -> Installation {
    let place = Installation::new();
    std::fs::create_dir(place.root().join("in")).expect("it can be made");
    std::fs::write(place.root().join("air.toml"), MAPPING).expect("it can be written");
    place
}

/// Puts a file there as an FTP server does: under another name, and renamed when it is complete.
fn send(place: &Installation, name: &str, content: &str) {
    let path = place.root().join("in").join(name);
    std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("it can be made");
    let mut part = path.clone().into_os_string();
    part.push(".part");
    std::fs::write(&part, content).expect("it can be written");
    std::fs::rename(&part, &path).expect("it can be renamed");
}

/// The file of one station of five minutes: a row a minute.
fn station_file(number: u32) -> String {
    let mut rows = String::from("time,temperature,wind_speed\n");
    for minute in number * 5..number * 5 + 5 {
        let (hour, of_hour) = (minute / 60 % 24, minute % 60);
        writeln!(rows, "2026-01-01T{hour:02}:{of_hour:02}:00Z,{},{}.5", minute % 40, minute % 9)
            .expect("a String grows");
    }
    rows
}

fn counts(server: &Server<'_>) -> (u64, u64) {
    let rows = server.sql("select count(*) n, count(distinct (device || cast(time as varchar))) d from environment");
    (rows[0]["n"].as_u64().expect("a count"), rows[0]["d"].as_u64().expect("a count"))
}

fn end(mut process: Child, signal: Signal) -> String {
    let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw).expect("it has a pid");
    kill_process(pid, signal).expect("it can be told to end");
    let said = process.stderr.take();
    process.wait().expect("it ends");
    said.and_then(|said| std::io::read_to_string(said).ok()).unwrap_or_default()
}

fn put_away(place: &Installation, folder: &str) -> Vec<PathBuf> {
    files_below(&place.root().join("in").join(folder), ".csv")
}

fn report(beside: &Path) -> toml::Table {
    let mut path = beside.as_os_str().to_owned();
    path.push(".report.toml");
    std::fs::read_to_string(path).expect("a report is beside it").parse().expect("it is TOML")
}

fn number_from(variable: &str, otherwise: u32) -> u32 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect("a number"))
}

/// Waits until so many files are done, as long as more of them are.
fn await_done(done: impl Fn() -> usize, due: usize) {
    loop {
        let before = done();
        if before >= due {
            return;
        }
        assert!(wait_for(|| (done() > before).then_some(())).is_some(), "{before} of {due} files are done");
    }
}

/// A day is `ZONELAKE_WATCH_STATIONS=200 ZONELAKE_WATCH_FILES=288`; by default it is a part of one.
#[test]
fn files_of_stations_are_stored_once_over_kills_of_the_server_and_of_the_watch() {
    let (stations, numbers) = (number_from("ZONELAKE_WATCH_STATIONS", 12), number_from("ZONELAKE_WATCH_FILES", 8));
    let files = (stations * numbers) as usize;
    let place = place();
    let server = place.first_start();
    let (password, token) = (server.password().to_owned(), place.add_gateway("g"));
    let start = || {
        let mut program = watch(&place, &token, &["--settle", "0"]);
        program.stderr(Stdio::null()).spawn().expect("it can be started")
    };
    let done = || put_away(&place, "done").len();
    let clock = SystemClock::default();
    let began = clock.monotonic();
    let (mut server, mut watching) = (Some(server), Some(start()));
    scope(|threads| {
        threads.spawn(|| {
            for number in 0..numbers {
                for station in 0..stations {
                    send(&place, &format!("station{station}/S{station}_{number:03}.csv"), &station_file(number));
                }
                sleep(Duration::from_millis(250));
            }
        });
        for kill in 1..=6 {
            // At another place in the files each time.
            await_done(done, kill * files / 8);
            sleep(Duration::from_millis(7 * kill as u64 % 19));
            if kill % 2 == 0 {
                server.take().expect("it runs").kill();
                server = Some(place.restart(&password));
            } else {
                end(watching.take().expect("it runs"), Signal::KILL);
                watching = Some(start());
            }
        }
    });
    await_done(done, files);
    let took = clock.monotonic() - began;
    println!("{files} files of {stations} stations in {took:?}, 3 kills of either side");
    // Told to end, it ends; files once more, under other names, add nothing.
    end(watching.expect("it runs"), Signal::TERM);
    let server = server.expect("it runs");
    let rows = files as u64 * 5;
    assert_eq!((counts(&server), put_away(&place, "failed").len()), ((rows, rows), 0));
    let again: Vec<PathBuf> = put_away(&place, "done").into_iter().step_by(files / 48).collect();
    for path in &again {
        let name = path.file_name().expect("it has a name").to_str().expect("a plain name");
        send(&place, &format!("again/{name}"), &std::fs::read_to_string(path).expect("it can be read"));
    }
    let output = watch(&place, &token, &["--settle", "0", "--once"]).output().expect("it can be started");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!((counts(&server), done(), put_away(&place, "failed").len()), ((rows, rows), files + again.len(), 0));
    let last =
        put_away(&place, "done").into_iter().find(|path| path.to_str().is_some_and(|path| path.contains("again")));
    let report = report(&last.expect("they are done"));
    assert_eq!(
        (report["rows_stored"].as_integer(), report["rows_before"].as_integer()),
        (Some(0), Some(5)),
        "{report}"
    );
}

#[test]
fn a_bad_file_stops_no_other_and_is_stored_when_it_was_mended() {
    let place = place();
    let server = place.first_start();
    let token = place.add_gateway("g");
    let good = station_file(1);
    let bad = good.replace("T00:06:00Z,6,", "T00:06:00Z,warm,");
    for (name, content) in [
        ("A_1.csv", good.as_str()),
        ("B_1.csv", &bad),
        ("C_1.csv", "time,temperature,unknown\n2026-01-01T00:00:00Z,1,2\n"),
        ("D_1.csv", ""),
        ("E_1.csv", &good.replace("2026", "1960")),
        ("F_1.csv", &good.replace("T00:07:00Z,7,", "T00:07:00Z,500,")),
        ("G_1.csv.part", &good),
        ("notes.doc", "no rule is for it"),
        ("lines.lp", "environment,device=L temperature=1 1767225600000000000\n"),
    ] {
        std::fs::write(place.root().join("in").join(name), content).expect("it can be written");
    }
    let once = || watch(&place, &token, &["--settle", "1", "--once"]).output().expect("it can be started");
    let output = once();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("notes.doc: no --mapping is for it"), "{said}");
    let failed = put_away(&place, "failed");
    let names: Vec<_> =
        failed.iter().map(|path| path.file_name().and_then(|name| name.to_str()).unwrap_or_default()).collect();
    assert_eq!(names, ["B_1.csv", "C_1.csv", "D_1.csv", "E_1.csv"], "{said}");
    let error = |path: &Path| report(path)["error"].as_str().unwrap_or_default().to_owned();
    assert!(error(&failed[0]).contains("line 3") && error(&failed[0]).contains("warm"), "{}", error(&failed[0]));
    assert!(report(&failed[0])["what_to_do"].as_str().is_some_and(|advice| advice.contains("mend the row")));
    assert!(error(&failed[1]).contains("unknown"), "{}", error(&failed[1]));
    let early = report(&failed[3]);
    assert_eq!(
        (early["outcome"].as_str(), early["rows_rejected"].as_integer()),
        (Some("rejected"), Some(5)),
        "{early}"
    );
    let warm = report(&put_away(&place, "done")[1]);
    assert_eq!(
        (warm["rows_stored"].as_integer(), warm["readings_rejected"].as_integer()),
        (Some(5), Some(1)),
        "{warm}"
    );
    assert_eq!(counts(&server), (11, 11));
    assert!(place.root().join("in/G_1.csv.part").exists() && place.root().join("in/notes.doc").exists());

    // Mended and moved back, its rows are stored; so is what a file has grown by that comes under its old name.
    std::fs::remove_file(&failed[0]).expect("it can be removed");
    send(&place, "B_1.csv", &good);
    send(&place, "A_1.csv", &(good.clone() + "2026-01-01T02:00:00Z,1,1\n"));
    let output = once();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(counts(&server), (17, 17));
}

#[test]
fn a_file_that_is_being_written_is_left_until_it_rests_and_a_server_that_is_away_is_waited_for() {
    let place = place();
    let server = place.first_start();
    let (password, token) = (server.password().to_owned(), place.add_gateway("g"));
    server.kill();
    send(&place, "W_0.csv", &station_file(9));
    let once =
        watch(&place, &token, &["--settle", "0", "--give-up", "1", "--once"]).output().expect("it can be started");
    assert_eq!(once.status.code(), Some(5), "{}", text(&once.stderr));
    assert!(text(&once.stderr).contains("the file stays") && place.root().join("in/W_0.csv").exists());
    let watching = watch(&place, &token, &["--settle", "3"]).spawn().expect("it can be started");
    let server = place.restart(&password);
    assert!(wait_for(|| (put_away(&place, "done").len() == 1).then_some(())).is_some(), "{}", place.log());
    // The server takes files now, so that a file that is cut in the midst of a row would be put away if it were not left alone: it grows by a
    // letter now and then for longer than a file has to rest.
    let path = place.root().join("in/W_1.csv");
    let whole = station_file(3);
    let (clock, mut written) = (SystemClock::default(), whole.len() - 24);
    let (began, mut longest) = (clock.monotonic(), Duration::ZERO);
    let mut last = began;
    std::fs::write(&path, &whole[..written]).expect("it can be written");
    while written < whole.len() {
        sleep(Duration::from_millis(250));
        if !path.exists() {
            break;
        }
        written += 1;
        std::fs::write(&path, &whole[..written]).expect("it can be written");
        longest = longest.max(clock.monotonic() - last);
        last = clock.monotonic();
    }
    // On a machine on which this stood still as long as a file has to rest, it was rightly taken.
    let stood_still = longest.max(clock.monotonic() - last) >= Duration::from_secs(2);
    assert!(written == whole.len() || stood_still, "a file is taken that grows: {:?}", put_away(&place, "failed"));
    if written == whole.len() {
        assert!(last - began > Duration::from_secs(4), "it grew for longer than a file has to rest");
        assert!(wait_for(|| (put_away(&place, "done").len() == 2).then_some(())).is_some(), "both are taken");
        assert_eq!(put_away(&place, "failed").len(), 0);
        assert_eq!(counts(&server), (10, 10));
    }
    let second = watch(&place, &token, &[]).output().expect("it can be started");
    assert_eq!(second.status.code(), Some(2), "{}", text(&second.stderr));
    assert!(text(&second.stderr).contains("another process"), "{}", text(&second.stderr));
    end(watching, Signal::TERM);
    // A token that is revoked ends it, and no file is lost or put away.
    assert!(place.run(&["gateway", "revoke", "g"]).status.success());
    send(&place, "W_2.csv", &station_file(4));
    let refused = watch(&place, &token, &["--settle", "0"]).output().expect("it can be started");
    assert_eq!(refused.status.code(), Some(4), "{}", text(&refused.stderr));
    assert!(place.root().join("in/W_2.csv").exists());
}
