//! Windows up to now, in SQL and over HTTP, compared with sums over the rows.

use std::time::Duration;

use arrow::util::display::array_value_to_string;
use futures::StreamExt;
use proptest::prelude::*;
use zonelake_query::Caller;
use zonelake_registry::{Grant, GrantKey, OnlyRows, Place, RoleKind, Visibility};
use zonelake_schemas::clock::{Clock, SystemClock};

use crate::events::Events;
use crate::fixture::{Folder, NEW_YEAR_US, Row, Running, basic, get};

/// A folder whose clock is the machine's, as that of SQL is, with the second of now.
fn folder_of_now() -> (Folder, i64) {
    let folder = Folder::new();
    let now_us = SystemClock::default().wall_us();
    folder.clock.advance(Duration::from_micros((now_us - NEW_YEAR_US).unsigned_abs()));
    (folder, (now_us - NEW_YEAR_US) / 1_000_000)
}

/// Rows as text of a statement of a role.
async fn ask_as(running: &Running, role: &str, sql: &str) -> Vec<Vec<String>> {
    let mut result = running.engine.execute(sql, &Caller { name: role.into() }).await.unwrap();
    let mut lines = Vec::new();
    while let Some(batch) = result.stream.next().await {
        let batch = batch.unwrap();
        for row in 0..batch.num_rows() {
            let values = batch.columns().iter().map(|column| match column.is_null(row) {
                true => "-".to_owned(),
                false => array_value_to_string(column, row).unwrap(),
            });
            lines.push(values.collect());
        }
    }
    lines
}

/// Sums over the rows, by SQL alone, and the windows that must be equal to them. Columns with a name that ends with `_about` are sums of
/// doubles, which are compared within a bound.
fn statements(field: &str, window: &str, bucket: Option<&str>) -> [String; 2] {
    let (sum, about) = match field {
        "raw" => ("'-'".to_owned(), "sum(raw)".to_owned()),
        "pm" => ("sum(cast(pm as numeric(20, 2)))".to_owned(), "sum(pm)".to_owned()),
        other => (format!("sum({other})"), format!("sum({other}::double precision)")),
    };
    let shown_sum = if field == "raw" { "'-'".to_owned() } else { format!("{field}_sum") };
    let (begin, argument) = match bucket {
        Some(bucket) => (format!("time_bucket(interval '{bucket}', time)"), format!(", interval '{bucket}'")),
        None => ("1".to_owned(), String::new()),
    };
    let shown_begin = if bucket.is_some() { "time" } else { "1" };
    let within = format!(
        "time >= date_trunc('second', now()) - interval '{window}' and time < date_trunc('second', now()) + interval '61 seconds'"
    );
    [
        format!(
            "select province, zone, note, {begin} as b0, count({field}), {sum}, min({field}), max({field}), first({field}, time), min(time), \
             last({field}, time), max(time), {about} as a, sum({field}::double precision * {field}::double precision) as b \
             from air where {within} and quality = 'good' and {field} is not null group by 1, 2, 3, 4 order by 2, 3, 4"
        ),
        format!(
            "select province, zone, note, {shown_begin} as b0, {field}_count, {shown_sum}, {field}_min, {field}_max, {field}_first, {field}_first_time, \
             {field}_last, {field}_last_time, {field}_sum::double precision, {field}_sum_squares \
             from live_windows(air, interval '{window}'{argument}) where {field}_count > 0 order by 2, 3, 4"
        ),
    ]
}

fn rows_statements(window: &str) -> [String; 2] {
    [
        format!(
            "select zone, note, sum(case when quality = 'good' then 1 else 0 end), sum(case when quality = 'uncertain' then 1 else 0 end), \
             sum(case when quality like 'bad%' then 1 else 0 end) from air where time >= date_trunc('second', now()) - interval '{window}' \
             and time < date_trunc('second', now()) + interval '61 seconds' group by zone, note order by zone, note"
        ),
        format!(
            "select zone, note, good_rows, uncertain_rows, bad_rows from live_windows(air, '{window}') order by zone, note"
        ),
    ]
}

/// The last two columns are sums of doubles.
fn assert_equal(known: &[Vec<String>], raw: &[Vec<String>], what: &str) {
    assert_eq!(known.len(), raw.len(), "{what}: {known:?} {raw:?}");
    for (known, raw) in known.iter().zip(raw) {
        let exact = known.len() - 2;
        assert_eq!(known[..exact], raw[..exact], "{what}");
        for (known, raw) in known[exact..].iter().zip(&raw[exact..]) {
            let (known, raw): (f64, f64) = (known.parse().unwrap(), raw.parse().unwrap());
            // A few dozen values of one sign.
            assert!((known - raw).abs() <= raw.abs() * f64::EPSILON * 100.0, "{what}: {known} {raw}");
        }
    }
}

async fn compare(running: &Running, role: &str, what: &str) {
    for (window, bucket) in [("5 minutes", None), ("5 minutes", Some("1 second")), ("1 hour", Some("1 minute"))] {
        for field in ["pm", "raw", "count"] {
            let [raw, known] = statements(field, window, bucket);
            let (known, raw) = (ask_as(running, role, &known).await, ask_as(running, role, &raw).await);
            assert_equal(&known, &raw, &format!("{field} of {window} by {bucket:?} for {role} after {what}"));
        }
        let [raw, known] = rows_statements(window);
        let (known, raw) = (ask_as(running, role, &known).await, ask_as(running, role, &raw).await);
        assert_eq!(known, raw, "rows for {role} after {what}");
    }
}

/// A row: age in seconds, device, quality, `pm`, and which note.
type Sent = (i64, usize, u8, Option<i32>, Option<bool>);

#[derive(Debug, Clone)]
enum Step {
    Append(usize, Vec<Sent>),
    Fold,
    Flush,
    Kill,
    Fill,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Far from where windows begin, so that a second that goes by between two statements does not matter.
    let age = prop_oneof![6 => 0_i64..30, 2 => 0_i64..270, 2 => 340_i64..3_550, 1 => 3_700_i64..9_000, 1 => -40_i64..0];
    let row = (
        age,
        0_usize..3,
        prop_oneof![3 => Just(0_u8), 1 => 0..5_u8],
        prop::option::of(0_i32..1000),
        prop::option::of(any::<bool>()),
    );
    let append = (0_usize..2, prop::collection::vec(row, 1..12)).prop_map(|(shard, rows)| Step::Append(shard, rows));
    let step = prop_oneof![6 => append, 1 => Just(Step::Fold), 2 => Just(Step::Flush), 1 => Just(Step::Kill), 1 => Just(Step::Fill)];
    prop::collection::vec(step, 1..8)
}

fn add_operator(running: &Running) -> String {
    let of_zone = Grant::all_tables(Place::Zone("hoa-phu".into()), Visibility::Shown);
    let registry = running.store.registry();
    registry.add_role_with("operator", RoleKind::Own, Default::default(), &[of_zone]).unwrap().as_str().to_owned()
}

async fn run(steps: Vec<Step>) {
    let (folder, now) = folder_of_now();
    let mut running = folder.open().await;
    add_operator(&running);
    // Rows of one value of a column, wherever they are.
    let only = OnlyRows { column: "note".into(), value: "own".into() };
    let key = GrantKey { table: Some("air".into()), place: Place::Everywhere, only: Some(only) };
    let own = Grant::new(key, Visibility::Shown);
    running.store.registry().add_role_with("owner", RoleKind::Own, Default::default(), &[own]).unwrap();
    let mut keys = running.devices("vung-ang", &["d0"]);
    keys.extend(running.devices("hoa-phu", &["d0", "e0"]));
    for step in steps {
        let what = format!("{step:?}");
        match step {
            Step::Append(shard, rows) => {
                let row = |(age, device, quality, pm, note): Sent| {
                    let note = note.map(|is_own| if is_own { "own" } else { "other" }.to_owned());
                    Row { quality, pm, note, ..Row::new(now - age, keys[device], 0) }
                };
                running.append(shard, &rows.into_iter().map(row).collect::<Vec<_>>());
            }
            Step::Fold => {
                running.store.fold_windows(running.table()).unwrap();
            }
            Step::Flush => {
                running.store.flush_all().await.unwrap();
            }
            Step::Kill => {
                drop(running);
                running = folder.open().await;
            }
            Step::Fill => {
                running.store.fill_windows(running.table()).await.unwrap();
            }
        }
        compare(&running, "admin", &what).await;
        compare(&running, "operator", &what).await;
        compare(&running, "owner", &what).await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, ..ProptestConfig::default() })]

    #[test]
    fn windows_in_sql_are_what_sums_over_all_rows_say_in_any_order_of_arrival(steps in steps()) {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(run(steps));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_are_read_from_memory_and_from_rows_where_memory_does_not_have_them() {
    let (folder, now) = folder_of_now();
    let mut running = folder.open().await;
    add_operator(&running);
    let key = running.devices("hoa-phu", &["d0"])[0];
    running.append(0, &[Row::new(now - 10, key, 10)]);
    let sql = "select zone, pm_count, pm_sum, pm_avg, pm_stddev from live_windows(air, interval '5 minutes')";
    let plan = async |running: &Running, role: &str| {
        let plan = ask_as(running, role, &format!("explain {sql}")).await;
        plan.into_iter().flatten().collect::<String>()
    };
    for role in ["admin", "operator"] {
        assert!(!plan(&running, role).await.contains("RawWindows"), "{role}");
        assert_eq!(ask_as(&running, role, sql).await, [["hoa-phu", "1", "0.10", "0.1", "-"]]);
    }
    running.store.flush_all().await.unwrap();
    assert!(!plan(&running, "admin").await.contains("RawWindows"), "what has left memory is in the windows");
    drop(running);
    let mut running = folder.open().await;
    running.append(0, &[Row::new(now - 9, key, 20)]);
    for role in ["admin", "operator"] {
        assert!(plan(&running, role).await.contains("RawWindows"), "{role}: the files were not read yet");
        assert_eq!(ask_as(&running, role, sql).await[0][..3], ["hoa-phu", "2", "0.30"]);
    }
    assert_eq!(running.store.fill_windows(running.table()).await.unwrap(), Some(1));
    assert_eq!(running.store.fill_windows(running.table()).await.unwrap(), None, "once is enough");
    for role in ["admin", "operator"] {
        assert!(!plan(&running, role).await.contains("RawWindows"), "{role}");
        assert_eq!(ask_as(&running, role, sql).await[0][..3], ["hoa-phu", "2", "0.30"]);
    }
    for (wrong, words) in [
        ("select * from live_windows(air, interval '2 hours')", "to one hour"),
        ("select * from live_windows(air, interval '1.5 seconds')", "whole seconds"),
        ("select * from live_windows(air, interval '1 minute', interval '2 minutes')", "no longer than the window"),
        ("select * from live_windows(air)", "takes the name of one table and a window"),
        ("select * from live_windows(zones, interval '1 minute')", "one table of readings"),
    ] {
        let error = running.ask(wrong).await.unwrap_err().to_string();
        assert!(error.contains(words), "{wrong}: {error}");
    }
    // Zones and provinces are summed up in SQL, exactly.
    let of_province = "select province, sum(pm_sum) / sum(pm_count), max(pm_max) from live_windows(air, interval '5 minutes', interval '1 second') group by province";
    assert_eq!(ask_as(&running, "admin", of_province).await[0][2], "0.2");
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_are_pulled_with_tags_and_pushed_as_events_for_the_zone_of_the_reader() {
    let folder = Folder::new();
    let mut running = folder.serve().await;
    let password = add_operator(&running);
    let (of_all, of_zone) = (basic("admin", &running.password), basic("operator", &password));
    let own = running.devices("hoa-phu", &["d0"])[0];
    let other = running.devices("vung-ang", &["d0"])[0];
    running
        .append(0, &[Row::new(-2, own, 10), Row::new(-1, own, 30), Row::new(-1, other, 500), Row::new(-400, own, 7)]);
    let path = "/api/v1/live/air?window=5m&field=pm";
    let pull = async |path: &str, authorization: &str, tag: Option<&str>| {
        let mut headers = vec![("authorization", authorization)];
        headers.extend(tag.map(|tag| ("if-none-match", tag)));
        get(running.address(), path, &headers).await
    };
    let zones = |json: &serde_json::Value| -> Vec<(String, u64)> {
        let of = |row: &serde_json::Value| (row[1].as_str().unwrap().to_owned(), row[7].as_u64().unwrap());
        json["rows"].as_array().unwrap().iter().map(of).collect()
    };
    let all = pull(path, &of_all, None).await;
    assert_eq!(all.status, 200, "{}", all.text());
    assert_eq!(zones(&all.json()), [("hoa-phu".to_owned(), 2), ("vung-ang".to_owned(), 1)]);
    let one = pull(path, &of_zone, None).await;
    assert_eq!(zones(&one.json()), [("hoa-phu".to_owned(), 2)]);
    assert_eq!(pull(&format!("{path}&zone=vung-ang"), &of_zone, None).await.json()["rows"], serde_json::json!([]));
    let buckets = pull(&format!("{path}&bucket=1s&zone=hoa-phu"), &of_all, None).await;
    assert_eq!(buckets.json()["rows"].as_array().unwrap().len(), 2, "{}", buckets.text());

    let tag = one.headers["etag"].clone();
    assert_eq!(pull(path, &of_zone, Some(&tag)).await.status, 304);
    let mut events = Events::open(running.address(), path, &of_zone, None).await;
    let first = events.next().await.unwrap();
    assert_eq!((first.name.as_str(), first.rows.len()), ("window", 1));
    assert_eq!(first.rows[0]["pm_max"], 0.3);
    // What others measure is nothing that this reader could see, neither by its content nor by a tag.
    running.append(1, &[Row::new(0, other, 900)]);
    let same = get(running.address(), path, &[("authorization", &of_zone), ("if-none-match", &tag)]).await;
    assert_eq!(same.status, 304);
    let address = running.address();
    let waiting = {
        let (path, of_zone, tag) = (format!("{path}&wait=30"), of_zone.clone(), tag.clone());
        tokio::spawn(async move { get(address, &path, &[("authorization", &of_zone), ("if-none-match", &tag)]).await })
    };
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(!waiting.is_finished(), "it waits for a change of its own zone");
    running.append(1, &[Row::new(0, own, 40)]);
    let changed = tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap();
    assert_eq!(zones(&changed.json()), [("hoa-phu".to_owned(), 3)]);
    let second = events.next().await.unwrap();
    assert_eq!((second.rows.len(), &second.rows[0]["pm_max"]), (1, &serde_json::json!(0.4)));
    // Time that goes by takes rows out of the window.
    folder.clock.advance(Duration::from_secs(299));
    let third = events.next().await.unwrap();
    assert_eq!(third.rows[0]["pm_count"], 2, "{third:?}");
    // A role that is gone gets no more.
    running.store.registry().remove_role("operator").unwrap();
    assert_eq!(events.next().await.unwrap().name, "end");
    assert_eq!(events.next().await, None);
    for (path, word) in [
        ("/api/v1/live/air?window=5m&device=d0", "of places"),
        ("/api/v1/live/air?window=5m&field=note", "no field of numbers"),
        ("/api/v1/live/air?window=2h", "to one hour"),
        ("/api/v1/live/air?bucket=1s", "part of a window"),
    ] {
        let answer = get(running.address(), path, &[("authorization", &of_all)]).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
        assert!(answer.json()["message"].as_str().unwrap().contains(word), "{path}: {}", answer.text());
    }
    running.stop().await;
}
