//! `zonelake report`: the figures of the views, in every format and both languages, and no more than a role may read.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::installation::{Installation, Server, ZONE, text};

/// Midnight of 5 October 2026 in Viet Nam.
const MIDNIGHT: u64 = 1_791_133_200;
const HOUR: u64 = 3_600;
const PERIOD: &str = "2026-10-05..2026-10-06";
const REPORTS: [&str; 6] = ["environment", "production", "energy", "network", "security", "data-quality"];
/// A station whose name would be a script on a page, and a place that would be a formula in a sheet.
const HOSTILE: &str = "<script>alert(1)</script>";
const FORMULA: &str = "=1+cmd|'x'!A1";

/// Rows of the reference tables behind province and zone.
const KNOWN: [(&str, &str); 8] = [
    (
        "stations",
        "air,ambient,Asia/Ho_Chi_Minh,3600,,,,,,,,,,2000-01-01,,\n\
         works,water,Asia/Ho_Chi_Minh,3600,QCVN 40:2011/BTNMT,A,existing,0.9,1.1,,,,,2000-01-01,,\n\
         works,stack,Asia/Ho_Chi_Minh,3600,QCVN 19:2009/BTNMT,B,existing,,,1,0.8,,,2000-01-01,,\n\
         works,noise,Asia/Ho_Chi_Minh,3600,,,,,,,,,ordinary,2000-01-01,,",
    ),
    ("meters", "meter,works,production,22-110kV,old,Asia/Ho_Chi_Minh,900,2000-01-01,,"),
    (
        "production_lines",
        "press,line-1,1,shifts,,Asia/Ho_Chi_Minh,3600,60,,2000-01-01,,\n\
         oven,line-1,2,shifts,,Asia/Ho_Chi_Minh,3600,60,,2000-01-01,,",
    ),
    ("ideal_cycle_times", "press,,5,2000-01-01,,\noven,,5,2000-01-01,,"),
    ("shift_calendars", "shifts,A,1,06:00,14:00,2000-01-01,,"),
    ("line_meters", "press,meter,2000-01-01,,"),
    ("reporting_intervals", "panel,fire_panel,600,1500,2000-01-01,,\ncell-7,cell,3600,7200,2000-01-01,,"),
    ("network_stations", "Viettel,S1,new,2025-10-01,2000-01-01,,\nVNPT,S2,converted,2025-12-01,2000-01-01,,"),
];

fn lines() -> String {
    let mut lines = String::new();
    let mut row = |table: &str, device: &str, fields: String, time: u64| {
        writeln!(lines, "{table},device={device} {fields} {time}").expect("a String grows as needed");
    };
    for hour in 1..=48 {
        let time = MIDNIGHT + hour * HOUR;
        let pm = 40 + hour % 24;
        row("environment", "air", format!("pm2_5={pm}.25,pm10={},o3=60.5,no2=30,so2=10,co=700", pm * 2), time);
        row("environment", HOSTILE, format!("pm2_5={pm}"), time);
        let water = format!(
            "cod={}.5,ph=7.2,stack_dust={},stack_o2=9,stack_flow=9000,noise=60",
            60 + hour % 20,
            150 + hour % 20
        );
        row("environment", "works", water, time);
        row(
            "network",
            "phone",
            format!(
                "operator=\"Viettel\",network_mode=\"5G\",state=\"D\",dl_bitrate={}000,rsrp=-{},ping_avg=15.5,access_attempts=50i,access_failures={}i",
                90 + hour,
                75 + hour,
                hour % 3
            ),
            time,
        );
        row(
            "network",
            "cell-7",
            "operator=\"Viettel\",network_mode=\"5G\",cell_id=7i,availability=99.5".into(),
            time + 1,
        );
        for (device, wait) in [("press", "blocked"), ("oven", "starved")] {
            let state = if hour % 12 == 7 {
                "breakdown"
            } else if hour % 5 == 3 {
                wait
            } else {
                "running"
            };
            let pieces = hour * 100;
            row(
                "production",
                device,
                format!("state=\"{state}\",count_total={pieces}i,count_good={}i", pieces - pieces / 50),
                time,
            );
        }
        row("security", "panel", "event=\"heartbeat\",fault=false".into(), time);
    }
    for quarter in 1..=192 {
        let energy = format!(
            "active_energy={}.5,reactive_energy_lagging=45,reactive_energy_leading=0,co2=0.04",
            80 + quarter % 16
        );
        row("energy", "meter", energy, MIDNIGHT + quarter * 900);
    }
    for (number, event, severity) in
        [(1, "intrusion", "high"), (2, "fire_alarm", "critical"), (3, "wrong_way", "medium")]
    {
        let time = MIDNIGHT + number * 7 * HOUR;
        let step = |state: &str| {
            format!(
                "event_id=\"e{number}\",event=\"{event}\",severity=\"{severity}\",state=\"{state}\",location=\"{FORMULA}\""
            )
        };
        row("security", "desk", step("detected"), time);
        if number < 3 {
            row("security", "desk", step("handling"), time + 60 * number);
        }
    }
    row("assets", "truck", "status=\"in_use\",asset_class=\"truck\"".into(), MIDNIGHT + HOUR);
    lines
}

/// A server with two days of a zone in all tables, and a day of one meter in another zone.
fn filled(place: &Installation) -> Server<'_> {
    let server = place.first_start();
    let token = place.add_gateway("g");
    for part in lines().lines().collect::<Vec<_>>().chunks(500) {
        let (status, body) = server.write(&token, &part.join("\n"));
        assert_eq!(status, 204, "{body}\n{}", place.log());
    }
    let added = place.run(&["gateway", "add", "h", "--zone", "phu-vinh"]);
    assert!(added.status.success(), "{}", text(&added.stderr));
    let other = text(&added.stdout).trim().to_owned();
    let line = format!("energy,device=elsewhere active_energy=1234.5 {}\n", MIDNIGHT + HOUR);
    let written = crate::installation::wait_for(|| (server.write(&other, &line).0 == 204).then_some(()));
    assert!(written.is_some(), "the other zone's gateway may write:\n{}", place.log());
    for (table, rows) in KNOWN {
        let exported = text(&place.run(&["reference", "export", table]).stdout);
        let header = exported.lines().next().expect("a table has a header");
        let mut csv = format!("{header}\n");
        for row in rows.lines() {
            writeln!(csv, "ha-tinh,{ZONE},{row}").expect("a String grows as needed");
        }
        let file = place.root().join(format!("{table}.csv"));
        std::fs::write(&file, csv).expect("it can be written");
        let imported = place.run(&["reference", "import", table, file.to_str().expect("plain")]);
        assert!(imported.status.success(), "{table}: {}", text(&imported.stderr));
    }
    server
}

fn report(place: &Installation, (user, password): (&str, &str), arguments: &[&str]) -> Output {
    let mut program: Command = place.program();
    program.env("ZONELAKE_USER", user).env("ZONELAKE_PASSWORD", password);
    program.arg("report").args(arguments).output().expect("it can be started")
}

/// What it wrote, and the digest that it said.
fn made(place: &Installation, as_role: (&str, &str), arguments: &[&str]) -> (Vec<u8>, String) {
    let output = report(place, as_role, arguments);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}\n{}", place.log());
    let digest = said.lines().find_map(|line| line.strip_prefix("sha256 ")).expect("a digest is said");
    assert_eq!(digest.len(), 64, "{said}");
    (output.stdout, digest.to_owned())
}

fn json(place: &Installation, as_role: (&str, &str), arguments: &[&str]) -> Value {
    let (bytes, _) = made(place, as_role, &[arguments, &["--format", "json", "--language", "en"]].concat());
    serde_json::from_slice(&bytes).expect("it is JSON")
}

/// Rows of a section as objects by column name.
fn rows(report: &Value, section: &str) -> Vec<Value> {
    let sections = report["sections"].as_array().expect("sections are a list");
    let section =
        sections.iter().find(|found| found["name"] == section).unwrap_or_else(|| panic!("no {section}: {report}"));
    let names = section["columns"]
        .as_array()
        .expect("columns are a list")
        .iter()
        .map(|column| column["name"].as_str().expect("a name"));
    let names: Vec<&str> = names.collect();
    let rows = section["rows"].as_array().expect("rows are a list").iter();
    rows.map(|row| {
        names
            .iter()
            .zip(row.as_array().expect("a row"))
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect()
    })
    .collect()
}

/// True where two values are the same, numbers by their value whatever their type.
fn same(one: &Value, other: &Value) -> bool {
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok());
    match (number(one), number(other)) {
        (Some(one), Some(other)) => (one - other).abs() <= 1e-9 * one.abs().max(1.0),
        _ => one == other,
    }
}

#[test]
fn every_report_has_the_figures_of_the_views_in_both_languages_and_every_format() {
    let place = Installation::new();
    let server = filled(&place);
    let admin = ("admin", server.password());
    for name in REPORTS {
        let common = [name, "--zone", ZONE, "--period", PERIOD];
        for language in ["vi", "en"] {
            let of = |format: &str| {
                made(&place, admin, &[&common[..], &["--language", language, "--format", format]].concat())
            };
            let (csv, digest) = of("csv");
            let csv = text(&csv);
            let content = csv.rfind("made_at,").expect("it says when it was made");
            let hashed = Sha256::digest(&csv.as_bytes()[..content]);
            assert_eq!(
                data_encoding::HEXLOWER.encode(&hashed),
                digest,
                "{name}: the digest is of all lines but the last two"
            );
            assert!(csv.ends_with(&format!("digest,sha256:{digest}\n")), "{csv}");
            let (html, of_html) = of("html");
            let (json, of_json) = of("json");
            let (xlsx, of_xlsx) = of("xlsx");
            assert_eq!([&of_html, &of_json, &of_xlsx], [&digest; 3], "{name}: every format has the digest");
            let (html, json) = (text(&html), text(&json));
            assert!(html.contains(&digest) && json.contains(&digest), "{name}: the digest is kept");
            assert!(html.contains("<svg") && html.contains("<table>") && html.contains("order by"), "{name}: {html}");
            assert!(!html.contains("<script"), "{name}: a name is no script");
            assert!(html.contains("Khu kinh tế Vũng Áng") && html.contains(&format!("lang=\"{language}\"")), "{name}");
            assert!(xlsx.starts_with(b"PK\x03\x04"), "{name} is a workbook");
            let json: Value = serde_json::from_str(&json).expect("it is JSON");
            for section in json["sections"].as_array().expect("sections") {
                let has_rows = section["rows"].as_array().is_some_and(|rows| !rows.is_empty());
                assert!(has_rows != section["reason"].is_object(), "{name}: rows, or why there are none: {section}");
            }
        }
    }
    compare(&place, &server);
    hostile_texts(&place, admin);
    empty_period(&place, admin);
}

/// Sections whose rows are those of a view, asked apart.
fn compare(place: &Installation, server: &Server<'_>) {
    let days = format!("zone = '{ZONE}' and day between '2026-10-05' and '2026-10-06'");
    let month = format!("zone = '{ZONE}' and month = '2026-10-01'");
    let mut reports: BTreeMap<&str, Value> = BTreeMap::new();
    for (name, section, count, sql) in [
        ("environment", "air_days", 4, format!("select day, zone, device, aqi, parameter, reason, pm2_5_24h from air_quality_daily where {days} order by zone, device, day")),
        ("environment", "exceedances", 1, format!("select day, device, parameter, limit_value, worst, duration from exceedances where {days} order by zone, device, day, parameter, averaging")),
        ("environment", "noise", 1, format!("select day, period, leq, verdict, reason from noise_levels where {days} order by zone, device, day, period")),
        ("environment", "effluents", 2, format!("select parameter, permitted, count(*) as hours, max(mean) as greatest from effluents where zone = '{ZONE}' group by parameter, permitted order by parameter")),
        ("production", "oee_days", 2, format!("select day, device, oee, availability, pieces from oee where period = 'day' and {days} order by zone, line, device, day")),
        ("production", "downtime", 2, format!("select device, state, seconds, share_percent from downtime where {month} order by zone, device, month, rank nulls last, state, alarm")),
        ("energy", "demand", 1, format!("select device, active_kwh, peak_15_kw, load_factor from demand where {month}")),
        ("energy", "power_factor", 1, format!("select device, cos_phi_rounded, surcharge_percent, surcharge from power_factor where {month}")),
        ("energy", "billed", 3, format!("select tariff, sum(active_kwh) as active_kwh, sum(cost) as cost from energy_use where is_billed and {days} group by tariff order by tariff")),
        ("network", "quality", 1, format!("select operator, samples, mean_download, share_download_30, verdict from network_quality where {month} order by operator")),
        ("network", "rollout", 8, "select operator, scope, asked_at, added_target, added, missing from rollout_progress where province = 'ha-tinh' order by operator, scope, asked_at".into()),
        ("security", "kinds", 3, format!("select event, severity, incidents, open from incident_counts where {days} order by case severity when 'critical' then 1 when 'high' then 2 else 3 end")),
        ("data-quality", "completeness_days", 4, format!("select day, device, sum(good) as good from data_completeness where {days} and expected > 0 group by day, device order by device, day")),
    ] {
        let report = reports.entry(name).or_insert_with(|| {
            json(place, ("admin", server.password()), &[name, "--zone", ZONE, "--period", PERIOD])
        });
        let (found, wanted) = (rows(report, section), server.sql(&sql));
        assert!(wanted.len() >= count, "{section}: {} rows", wanted.len());
        assert_eq!(found.len(), wanted.len(), "{section}: {found:?}\n{wanted:?}");
        for (found, wanted) in found.iter().zip(&wanted) {
            for (name, value) in wanted.as_object().expect("a row is an object") {
                assert!(same(&found[name], value), "{section}, {name}: {found}\n{wanted}");
            }
        }
    }
}

fn hostile_texts(place: &Installation, admin: (&str, &str)) {
    let common = |name| [name, "--zone", ZONE, "--period", PERIOD];
    let (page, _) = made(place, admin, &common("environment"));
    let page = text(&page);
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && !page.contains(HOSTILE), "{page}");
    let svg = page.split("<svg").nth(1).and_then(|rest| rest.split("</svg>").next()).expect("a plot");
    assert!(svg.contains("alert(1)") && !svg.contains("<script"), "{svg}");
    assert!(page.contains("05/10/2026") && page.contains("51,"), "days and decimals are Vietnamese");
    let (csv, _) = made(place, admin, &[&common("security")[..], &["--format", "csv"]].concat());
    let csv = text(&csv);
    assert!(csv.contains(&format!(",'{FORMULA},")), "a text is no formula: {csv}");
}

/// A month without rows: each section says why.
fn empty_period(place: &Installation, admin: (&str, &str)) {
    for name in REPORTS {
        let common = [name, "--zone", ZONE, "--period", "2020-01"];
        let report = json(place, admin, &common);
        for section in report["sections"].as_array().expect("sections") {
            let is_of_plans = section["name"].as_str().is_some_and(|name| name.starts_with("rollout"));
            if !is_of_plans {
                let code = section["reason"]["code"].as_str().unwrap_or_else(|| panic!("{name}: no reason: {section}"));
                assert!(code == "no_readings" || section["name"] == "rejected", "{section}");
                assert!(section["reason"]["words"].as_str().is_some_and(|words| words.len() > 5), "{section}");
            }
        }
        let (page, _) = made(place, admin, &common);
        assert!(text(&page).contains("không có số liệu trong kỳ"), "{name}");
        let (csv, _) = made(place, admin, &[&common[..], &["--format", "csv", "--language", "en"]].concat());
        assert!(text(&csv).contains("reason,no_readings,there are no readings"), "{name}");
        let (xlsx, _) = made(place, admin, &[&common[..], &["--format", "xlsx"]].concat());
        assert!(xlsx.starts_with(b"PK"), "{name}");
    }
}

#[test]
fn a_role_of_one_zone_gets_no_figures_of_another() {
    let place = Installation::new();
    let server = filled(&place);
    let added = place.run(&["role", "add", "operator"]);
    assert!(added.status.success(), "{}", text(&added.stderr));
    let password = text(&added.stdout).trim().to_owned();
    let granted = place.run(&["role", "grant", "operator", "--all-tables", "--zone", ZONE]);
    assert!(granted.status.success(), "{}", text(&granted.stderr));
    let operator = ("operator", password.as_str());

    let refused = report(&place, operator, &["energy", "--zone", "phu-vinh", "--period", PERIOD]);
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused.stderr));
    assert!(text(&refused.stderr).contains("phu-vinh") && refused.stdout.is_empty(), "{}", text(&refused.stderr));

    for name in REPORTS {
        let report = json(&place, operator, &[name, "--province", "ha-tinh", "--period", PERIOD]);
        assert!(!report.to_string().contains("phu-vinh") && !report.to_string().contains("elsewhere"), "{report}");
        for section in report["sections"].as_array().expect("sections") {
            let has_rows = section["rows"].as_array().is_some_and(|rows| !rows.is_empty());
            assert!(has_rows != section["reason"].is_object(), "{name}: rows, or why there are none: {section}");
        }
    }
    let report = json(&place, operator, &["network", "--zone", ZONE, "--period", PERIOD]);
    assert!(rows(&report, "rollout").is_empty(), "a sum over a province is for who reads one: {report}");
    let own = json(&place, operator, &["energy", "--zone", ZONE, "--period", PERIOD]);
    assert!(!rows(&own, "demand").is_empty(), "{own}");
    let all = json(&place, ("admin", server.password()), &["energy", "--province", "ha-tinh", "--period", PERIOD]);
    assert!(rows(&all, "energy_days").iter().any(|row| row["device"] == "elsewhere"), "{all}");
}

#[test]
fn a_file_of_a_station_has_the_form_of_the_circular_and_is_read_again_as_it_was() {
    let place = Installation::new();
    let server = filled(&place);
    let admin = ("admin", server.password());
    let folder = place.root().join("files");
    let out = folder.to_str().expect("plain");
    let common = ["station-file", "--zone", ZONE, "--device", "air", "--period"];
    let (_, digest) = made(&place, admin, &[&common[..], &["2026-10-05", "--out", out]].concat());
    assert_eq!(digest.len(), 64);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).expect("it is there").map(|entry| entry.expect("listed").path()).collect();
    files.sort();
    assert_eq!(files.len(), 24, "{files:?}");
    let names: Vec<&str> = files.iter().filter_map(|file| file.file_name()?.to_str()).collect();
    assert_eq!(names[0], "HaTinh_VungAng_Air_20261005010000.txt");
    assert_eq!(names[23], "HaTinh_VungAng_Air_20261006000000.txt");
    let first = std::fs::read_to_string(&files[0]).expect("it can be read");
    let lines: Vec<Vec<&str>> = first.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(lines.len(), 6, "{first}");
    assert!(lines.contains(&vec!["PM2,5", "41.25", "µg/m3", "20261005010000", "00"]), "{first}");
    assert!(lines.iter().all(|line| line.len() == 5), "{first}");

    let (hour, _) = made(&place, admin, &[&common[..], &["2026-10-05T00"]].concat());
    assert_eq!(text(&hour), first, "an hour goes to standard output");
    let nothing = report(&place, admin, &[&common[..], &["2020-01-01"]].concat());
    assert_eq!(nothing.status.code(), Some(2));
    assert!(text(&nothing.stderr).contains("no_readings"), "{}", text(&nothing.stderr));

    let token = place.add_gateway("again");
    let mapping = format!("{}/gateway/mappings/circular_10_air.toml", env!("CARGO_MANIFEST_DIR"));
    let mut push = place.program();
    push.env("ZONELAKE_TOKEN", token).env("ZONELAKE_SERVER", place.quic_address());
    let pushed = push.args(["push", "--mapping", &mapping]).args(&files).output().expect("it can be started");
    assert!(pushed.status.success(), "{}", text(&pushed.stderr));
    let values = |device: &str| {
        server.sql(&format!(
            "select time, pm2_5, pm10, o3, no2, so2, co, quality from environment where device = '{device}' and time <= timestamptz '2026-10-06 00:00+07' order by time"
        ))
    };
    assert_eq!(values("Air"), values("air"));
    assert_eq!(values("Air").len(), 24);
}

#[test]
fn what_cannot_be_reported_is_said_by_name() {
    let place = Installation::new();
    let listed = text(&place.run(&["report", "list", "--language", "en"]).stdout);
    assert!(REPORTS.iter().all(|name| listed.lines().any(|line| line.starts_with(name))), "{listed}");
    assert!(text(&place.run(&["report", "list"]).stdout).contains("Báo cáo môi trường"));
    for (arguments, said) in [
        (&["lakes", "--zone", ZONE, "--period", "2026-10"][..], "zonelake report list"),
        (&["energy", "--zone", ZONE], "--period"),
        (&["energy", "--zone", ZONE, "--period", "10/2026"], "2026-10-01..2026-10-15"),
        (&["energy", "--zone", ZONE, "--period", "2026-10-05T08"], "hour"),
        (&["station-file", "--zone", ZONE, "--period", "2026-10"], "--device"),
    ] {
        let output = place.run(&[&["report"][..], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(said), "{arguments:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    let output = place.run(&["report", "energy", "--zone", ZONE, "--period", "2026-10"]);
    assert_eq!(output.status.code(), Some(4), "a password is needed: {}", text(&output.stderr));
}
