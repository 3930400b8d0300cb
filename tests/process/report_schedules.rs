//! Reports that the server makes when they are due: once each, whatever ends it in between, and with a digest that shows every change.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::UNIX_EPOCH;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use chrono::{DateTime, Days, FixedOffset, NaiveDate};
use serde_json::{Value, json};

use crate::health::metric;
use crate::installation::{Installation, Server, ZONE, agent, files_below, text, wait_for};

/// The day that it is in Viet Nam.
fn today() -> NaiveDate {
    let seconds = UNIX_EPOCH.elapsed().expect("it is later than 1970").as_secs();
    let now = DateTime::from_timestamp(i64::try_from(seconds).expect("it is before the year 292 billion"), 0);
    let here = FixedOffset::east_opt(7 * 3_600).expect("it is less than a day");
    now.expect("the clock has a date").with_timezone(&here).date_naive()
}

/// A day before another one, as an option.
fn days_before(day: NaiveDate, days: u64) -> String {
    day.checked_sub_days(Days::new(days)).expect("there are days before").to_string()
}

fn said(place: &Installation, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = place.run(&[&["report"][..], arguments].concat());
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn add(place: &Installation, arguments: &[&str]) {
    let (code, _, error) = said(place, &[&["schedule", "add"][..], arguments].concat());
    assert_eq!(code, Some(0), "{error}\n{}", place.log());
}

/// What was made: when it was due, in words, and the lines with digests and paths.
fn runs(place: &Installation) -> Vec<String> {
    let (code, lines, error) = said(place, &["schedule", "runs"]);
    assert_eq!(code, Some(0), "{error}");
    lines.lines().map(str::to_owned).collect()
}

/// The files of runs: digest and path.
fn files(lines: &[String]) -> Vec<(String, String)> {
    let files = lines.iter().filter_map(|line| line.split_once("  "));
    files.map(|(digest, path)| (digest.to_owned(), path.to_owned())).collect()
}

/// Waits until so many reports are made.
fn await_runs(place: &Installation, count: usize) -> Vec<String> {
    let made = wait_for(|| Some(runs(place)).filter(|lines| files(lines).len() >= count));
    made.unwrap_or_else(|| panic!("fewer than {count} are made: {:?}\n{}", runs(place), place.log()))
}

#[test]
fn what_was_due_is_made_once_over_kills_and_every_change_of_a_file_is_seen() {
    const DUE: usize = 6;
    let place = Installation::new();
    let server = place.first_start();
    let password = server.password().to_owned();
    let begun = today();
    let since = days_before(begun, 5);
    let daily = ["daily", "--cron", "0 0 * * *", "--report", "energy", "--zone", ZONE, "--period", "last-day"];
    let form = ["--format", "csv", "--language", "en", "--folder", "to/agency", "--since", &since];
    add(&place, &[&daily[..], &form].concat());
    // Wherever that is in the making of the six.
    server.kill();
    let server = place.restart(&password);
    let made = await_runs(&place, DUE);
    let kept = files(&made);
    assert!(kept.len() <= DUE + 1, "a day may have begun meanwhile: {made:?}");
    let paths: BTreeSet<&str> = kept.iter().map(|(_, path)| path.as_str()).collect();
    assert_eq!(paths.len(), kept.len(), "each is made once");
    for day in 0..=5 {
        let name = format!("to/agency/daily-{}T0000.csv", days_before(begun, day).replace('-', ""));
        assert!(paths.iter().any(|path| path.ends_with(&name)), "{name}: {paths:?}");
    }
    let oldest = made.iter().find(|line| line.contains(&days_before(begun, 5)));
    assert!(oldest.is_some_and(|line| line.contains(", late, at ")), "{made:?}");
    let on_disk = files_below(&place.data().join("reports"), "");
    assert!(on_disk.len() == kept.len() || today() != begun, "{on_disk:?}");
    let content = std::fs::read_to_string(&on_disk[0]).expect("it can be read");
    assert!(content.starts_with("report,energy: ") && content.contains("\nsql,"), "{content}");
    server.kill();
    let server = place.restart(&password);
    let again = wait_for(|| metric(&place, &password, "zonelake_report_schedules ").filter(|count| *count > 0.0));
    assert_eq!(again, Some(1.0), "{}", place.log());
    let still = files(&runs(&place));
    assert!(kept.iter().all(|file| still.contains(file)), "nothing is made again: {still:?}\n{kept:?}");
    handed_in(&place, &server, Path::new(&kept[0].1));
}

/// What was made can be shown to be unchanged, by a copy of it and in the folder, and by the table of audit.
fn handed_in(place: &Installation, server: &Server<'_>, path: &Path) {
    let copy = place.root().join("handed-in.csv");
    std::fs::copy(path, &copy).expect("it can be copied");
    let copy = copy.to_str().expect("a path of ASCII");
    let (code, is, error) = said(place, &["verify", copy]);
    assert_eq!(code, Some(0), "{error}");
    assert!(is.starts_with("unchanged ") && is.contains(" of daily, due at "), "{is}");
    let digest = is.split_whitespace().nth(1).expect("its digest").to_owned();
    let sql = format!(
        "select count(*) from audit where action = 'report_make' and object = 'daily' and outcome = 'allowed' and detail like '%{digest}%'"
    );
    assert_eq!(server.sql_value(&sql), 1, "the digest is in the chain of audit");
    let sql = "select count(*) from audit where action = 'report_schedule_add' and object = 'daily'";
    assert_eq!(server.sql_value(sql), 1);
    let (code, all, error) = said(place, &["verify", "--schedule", "daily"]);
    assert_eq!(code, Some(0), "{all}{error}");

    let mut bytes = std::fs::read(path).expect("it can be read");
    *bytes.last_mut().expect("it has bytes") ^= 1;
    std::fs::write(path, &bytes).expect("it can be written");
    let (code, all, error) = said(place, &["verify"]);
    assert_eq!(code, Some(3), "{all}{error}");
    assert_eq!(all.lines().filter(|line| line.starts_with("changed ")).count(), 1, "{all}");
    let changed = path.to_str().expect("a path of ASCII");
    let (code, is, _) = said(place, &["verify", changed]);
    assert_eq!((code, is.starts_with("unknown ")), (Some(3), true), "{is}");
    std::fs::remove_file(path).expect("it can be removed");
    let (code, all, _) = said(place, &["verify"]);
    assert_eq!((code, all.lines().filter(|line| line.starts_with("missing ")).count()), (Some(3), 1), "{all}");

    pruned(place, server);
    let (code, _, error) = said(place, &["schedule", "remove", "daily"]);
    assert_eq!(code, Some(0), "{error}");
    assert!(files(&runs(place)).len() >= 6, "what was made stays");
}

/// Old files go, and what was handed in of them can be verified still.
fn pruned(place: &Installation, server: &Server<'_>) {
    let kept = files(&runs(place));
    let oldest = kept.last().map(|(_, path)| path).expect("there are some");
    let copy = place.root().join("handed-in-before.csv");
    std::fs::copy(oldest, &copy).expect("it can be copied");
    let before = days_before(today(), 3);
    let prune = |more: &[&str]| said(place, &[&["prune", "--before", &before][..], more].concat());
    let (code, _, tried) = prune(&["--dry-run"]);
    assert!(code == Some(0) && tried.contains("would be removed"), "{tried}");
    assert!(Path::new(oldest).exists());
    let (code, _, done) = prune(&[]);
    assert!(code == Some(0) && done.contains("are removed"), "{done}");
    assert!(!Path::new(oldest).exists());
    let (_, all, _) = said(place, &["verify"]);
    let removed = all.lines().filter(|line| line.starts_with("removed ")).count();
    // One more where a day has begun meanwhile.
    assert!((2..=3).contains(&removed), "{all}");
    let (code, is, _) = said(place, &["verify", copy.to_str().expect("a path of ASCII")]);
    assert!(code == Some(0) && is.starts_with("unchanged "), "{is}");
    let sql = "select count(*) from audit where action = 'report_prune' and outcome = 'allowed'";
    assert_eq!(server.sql_value(sql), 1, "what only tries is not recorded");
}

#[test]
fn a_report_is_made_with_the_rights_of_its_author_and_what_fails_is_said_and_made_later() {
    let place = Installation::new();
    let server = place.first_start();
    let added = place.run(&["role", "add", "operator"]);
    assert!(added.status.success(), "{}", text(&added.stderr));
    let operator = text(&added.stdout).trim().to_owned();
    let daily = ["daily", "--cron", "0 0 * * *", "--report", "energy", "--zone", ZONE, "--period", "last-day"];
    add(
        &place,
        &[&daily[..], &["--format", "json", "--author", "operator", "--since", &days_before(today(), 0)]].concat(),
    );
    let list = || said(&place, &["schedule", "list"]).1;
    let failing = wait_for(|| Some(list()).filter(|lines| lines.contains("failing, ")));
    let failing = failing.unwrap_or_else(|| panic!("{}\n{}", list(), place.log()));
    assert!(failing.contains("\"operator\"") && failing.contains("may read nothing"), "{failing}");
    assert!(place.log().contains("a scheduled report cannot be made and is put off"), "{}", place.log());
    let told = wait_for(|| {
        metric(&place, server.password(), "zonelake_report_schedules_failing ").filter(|count| *count > 0.0)
    });
    assert_eq!(told, Some(1.0));
    assert!(files(&runs(&place)).is_empty());

    let granted = place.run(&["role", "grant", "operator", "--all-tables", "--zone", ZONE]);
    assert!(granted.status.success(), "{}", text(&granted.stderr));
    let made = await_runs(&place, 1);
    let (_, path) = files(&made).remove(0);
    let report: Value = serde_json::from_slice(&std::fs::read(path).expect("it can be read")).expect("it is JSON");
    assert_eq!(report["place"]["zone"], ZONE);
    let listed = list();
    assert!(listed.contains("made for ") && listed.contains("operator"), "{listed}");
    let sql = "select principal, interface from audit where action = 'report_make'";
    let recorded = server.sql(sql);
    assert!(recorded.iter().all(|row| row["principal"] == "operator" && row["interface"] == "server"), "{recorded:?}");
    wrong_schedules(&place);
    add(&place, &["of-all", "--cron", "0 0 1 * *", "--report", "energy", "--zone", ZONE, "--period", "last-month"]);
    over_the_network(&place, &operator);
}

/// A role has and sees schedules of its own.
fn over_the_network(place: &Installation, password: &str) {
    let credentials = format!("Basic {}", BASE64_STANDARD.encode(format!("operator:{password}")));
    let get = |path: &str| -> Value {
        let answer = agent().get(place.url(path)).header("Authorization", &credentials).call();
        let text = answer.expect("the server answers").body_mut().read_to_string().expect("text");
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"))
    };
    let names = |list: &Value, member: &str, name: &str| -> Vec<String> {
        let items = list[member].as_array().unwrap_or_else(|| panic!("{list}"));
        items.iter().map(|item| item[name].as_str().unwrap_or_default().to_owned()).collect()
    };
    let list = get("/api/v1/report-schedules");
    assert_eq!(names(&list, "schedules", "name"), ["daily"], "and not of-all");
    assert_eq!(list["schedules"][0]["next_us"].as_array().map(Vec::len), Some(3));
    assert_eq!(names(&get("/api/v1/report-runs/daily"), "runs", "schedule")[0], "daily");
    assert!(names(&get("/api/v1/report-runs/of-all"), "runs", "schedule").is_empty());
    let removed = agent().delete(place.url("/api/v1/report-schedules/of-all")).header("Authorization", &credentials);
    assert_eq!(removed.call().expect("the server answers").status(), 400, "it is not the sender's");
    let schedule = |author: &str| {
        let of = json!({"cron": "0 0 1 * *", "report": "energy", "zone": ZONE, "period": "last-month", "format": "csv", "language": "en"});
        let body = json!({"name": "more", "schedule": of, "author": author}).to_string();
        let request = agent().post(place.url("/api/v1/report-schedules")).header("Authorization", &credentials);
        request.content_type("application/json").send(body).expect("the server answers").status()
    };
    assert_eq!(schedule("admin"), 400, "no role has reports made with the rights of another one");
    assert_eq!(schedule("operator"), 201);
}

fn wrong_schedules(place: &Installation) {
    let common = ["other", "--report", "energy", "--zone", ZONE];
    for (rest, words) in [
        (["--cron", "* * * * *", "--period", "last-day"], "the minute is one number"),
        (["--cron", "0 0 30 2 *", "--period", "last-day"], "never due"),
        (["--cron", "0 0 * * *", "--period", "last-hour"], "files of a station"),
    ] {
        let (code, _, error) = said(place, &[&["schedule", "add"][..], &common, &rest].concat());
        assert_eq!(code, Some(2), "{error}");
        assert!(error.contains(words), "{error}");
    }
    let due = ["--cron", "0 0 * * *", "--period", "last-day"];
    for (rest, words) in [
        (["--folder", "../outside"], "folder within that of reports"),
        (["--author", "nobody"], "there is no role"),
        (["--since", "2000-01-01"], "begin later"),
        (["--since", "2999-01-01"], "from 1970 to today"),
        (["--zone", "no-zone"], "there is no zone \"no-zone\""),
        (["--province", "dak-lak"], "is in the province \"ha-tinh\""),
    ] {
        let common = if rest[0] == "--zone" { &common[..3] } else { &common[..] };
        let (code, _, error) = said(place, &[&["schedule", "add"][..], common, &due, &rest].concat());
        assert_eq!(code, Some(2), "{error}");
        assert!(error.contains(words), "{error}");
    }
    let dry_run = [&["schedule", "add"][..], &common, &due, &["--dry-run"]].concat();
    let (code, times, error) = said(place, &dry_run);
    assert_eq!(code, Some(0), "{error}");
    let next = format!("{} 00:00  of {}", today().succ_opt().expect("there is a day behind"), today());
    // A day may have begun meanwhile.
    assert!(
        times.lines().count() == 4 && (times.starts_with(&next) || times.starts_with(&today().to_string())),
        "{times}"
    );
    let (code, _, error) = said(place, &["schedule", "remove", "other"]);
    assert_eq!(code, Some(2), "nothing was added: {error}");
}
