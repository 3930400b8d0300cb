//! Statements that would stop, stall or fill the server end with an error of their own, and the engine goes on.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use zonelake_parquet::ParquetOptions;
use zonelake_query::{Interface, QueryEngine, QueryErrorCode, QueryOptions, SqlSession};
use zonelake_storage::TableView;

use crate::harness::{HOUR_US, Harness, NEW_YEAR_US, ProbeRow, answer, caller, probe_batch, rows};

/// A list of queries, each made of the one before.
fn doubling(queries: usize, first: &str, of_before: &str, last: &str) -> String {
    let with: Vec<String> =
        (1..=queries).map(|n| format!("c{n} as ({})", of_before.replace("BEFORE", &format!("c{}", n - 1)))).collect();
    format!("with c0 as ({first}), {} {}", with.join(", "), last.replace("LAST", &format!("c{queries}")))
}

async fn sqlstate(engine: &QueryEngine, sql: &str) -> Option<&'static str> {
    let shown: String = sql.chars().take(100).collect();
    rows(engine, sql).await.err().unwrap_or_else(|| panic!("{shown} has an answer")).narrow_sqlstate()
}

async fn too_large(engine: &QueryEngine, sql: &str) {
    let shown: String = sql.chars().take(100).collect();
    let error = rows(engine, sql).await.err().unwrap_or_else(|| panic!("{shown} has an answer"));
    assert_eq!(error.code, QueryErrorCode::TooLarge, "{shown}: {error}");
}

#[tokio::test]
async fn a_chain_of_any_length_is_answered_or_too_complex_and_stops_nobody() {
    let (harness, _) = Harness::probe(1);
    let engine = harness.engine();
    for (first, link) in [
        ("select 1", " + 1"),
        ("select value from generate_series(1, 2) where value = 0", " or value = 0"),
        ("select 1", " union all select 1"),
        ("select 'a'", " || 'b'"),
        ("select 1", "::bigint"),
        ("select 1", " is null"),
        ("select now()", " at time zone 'UTC'"),
        ("select 1", " + (select 1)"),
        ("select 1 from probe", ", probe"),
    ] {
        for links in [100, 250, 1_000, 3_000, 30_000] {
            let sql = format!("{first}{}", link.repeat(links));
            match rows(&engine, &sql).await {
                Ok(_) => assert!(links < 30_000, "{link}"),
                Err(error) => assert_eq!(error.narrow_sqlstate(), Some("54001"), "{links} of {link}: {error}"),
            }
        }
    }
    for sql in [
        format!("select {}1{}", "(".repeat(30_000), ")".repeat(30_000)),
        format!("select {}1", "interval ".repeat(30_000)),
        format!("{}select 1", "explain ".repeat(30_000)),
    ] {
        rows(&engine, &sql).await.expect_err("it is no statement");
    }
    assert_eq!(answer(&engine, "select 1").await, ["1"]);
}

#[tokio::test]
async fn what_reasonable_statements_need_has_an_answer() {
    let (harness, _) = Harness::probe(1);
    let engine = harness.engine();
    let list = (0..10_000).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    let sql = format!("select count(*) from generate_series(-5, 20000) where value in ({list})");
    assert_eq!(answer(&engine, &sql).await, ["10000"]);
    let or = (0..2_000).map(|n| format!("value = {n}")).collect::<Vec<_>>().join(" or ");
    let sql = format!("select count(*) from generate_series(-5, 20000) where {or}");
    assert_eq!(answer(&engine, &sql).await, ["2000"]);
    let parts = vec!["select count(*) as n from probe where device = 'd0'"; 100].join(" union all ");
    assert_eq!(answer(&engine, &format!("select sum(n) from ({parts})")).await, ["0"]);
    let sum = vec!["value"; 200].join(" + ");
    assert_eq!(answer(&engine, &format!("select max({sum}) from generate_series(1, 10)")).await, ["2000"]);
}

#[tokio::test]
async fn queries_that_double_the_one_before_are_too_complex_at_once() {
    let (harness, _) = Harness::probe(1);
    let engine = harness.engine();
    let started = Instant::now();
    for of_before in [
        "select * from BEFORE union all select * from BEFORE",
        "select a.v from BEFORE a join BEFORE b on a.v = b.v",
        "select v from BEFORE where v in (select v from BEFORE)",
    ] {
        for queries in [20, 60] {
            let sql = doubling(queries, "select 1 as v", of_before, "select count(*) from LAST");
            assert_eq!(sqlstate(&engine, &sql).await, Some("54001"), "{of_before}");
            assert_eq!(sqlstate(&engine, &format!("explain {sql}")).await, Some("54001"), "{of_before}");
        }
    }
    // A filter that is pushed down through columns which are computed from computed columns.
    let grown = doubling(
        40,
        "select value as v from generate_series(1, 3)",
        "select v + v as v from BEFORE",
        "select v from LAST where v > 1",
    );
    assert_eq!(sqlstate(&engine, &grown).await, Some("54001"));
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    let some = grown.replace("c40", "c9").replace(", c10 as", " select v from c9 where v > 1 -- ");
    assert_eq!(answer(&engine, &some).await, ["512", "1024", "1536"]);
}

#[tokio::test]
async fn planning_ends_at_the_time_limit_and_when_its_client_has_gone() {
    let (harness, _) = Harness::probe(1);
    let parts = vec!["select device, avg(level), max(temperature) from probe where level > 1 group by device"; 240];
    let sql = parts.join(" union all ");
    let engine = harness.engine_with(QueryOptions { time_limit: Duration::from_millis(1), ..harness.options() });
    let started = Instant::now();
    let error = rows(&engine, &sql).await.expect_err("planning takes longer");
    assert_eq!(error.code, QueryErrorCode::TimeLimit, "{error}");
    // EXPLAIN ends as early, and shows the error as the last line of what was planned by then.
    let explained = answer(&engine, &format!("explain {sql}")).await;
    assert!(explained.last().is_some_and(|line| line.contains("cancelled")), "it is not planned to the end");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());

    let engine = harness.engine();
    tokio::time::timeout(Duration::from_millis(20), engine.execute(&sql, &caller()))
        .await
        .expect_err("it is not planned");
    let dropped = Instant::now();
    while engine.admission().running() > 0 {
        assert!(dropped.elapsed() < Duration::from_secs(10), "planning goes on");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn describing_a_statement_takes_a_permit_and_stands_in_the_list_of_statements() {
    let (harness, _) = Harness::probe(1);
    let engine = harness.engine_with(QueryOptions { running_max: 1, waiting_max: 1, ..harness.options() });
    let session = SqlSession::new(caller(), Interface::Http);
    let running = engine.execute("select * from generate_series(1, 100000000)", &caller()).await.unwrap();
    let describing = tokio::spawn({
        let (engine, session) = (Arc::clone(&engine), session.clone());
        async move {
            let statement = engine.parse("select 7 as seven").unwrap();
            engine.describe("select 7 as seven", statement, Vec::new(), &session).await
        }
    });
    while engine.admission().waiting() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(!describing.is_finished(), "it waits for the permit");
    let statement = engine.parse("select 8").unwrap();
    let error = engine.describe("select 8", statement, Vec::new(), &session).await.expect_err("one too many waits");
    assert_eq!(error.code, QueryErrorCode::Busy);
    drop(running);
    assert_eq!(describing.await.unwrap().unwrap().schema.field(0).name(), "seven");
    let listed = answer(&engine, "select text, state, error is null from system.queries order by id").await;
    assert!(listed.iter().any(|row| row == "select 8 | failed | false"), "{listed:?}");
    assert!(!listed.iter().any(|row| row.contains("seven")), "one that was soon done is not listed: {listed:?}");
}

#[tokio::test]
async fn the_rows_and_values_of_windows_count_as_memory_of_their_statement() {
    let (harness, _) = Harness::probe(1);
    let engine = harness.engine();
    for sql in [
        "select max(s) from (select sum(value) over () s from generate_series(1, 200000000)) q",
        "select max(s) from (select sum(value) over (order by value) s from generate_series(1, 200000000)) q",
        "select max(array_length(s)) from (select array_agg(value) over (order by value) s from generate_series(1, 1000000)) q",
        "select max(length(s)) from (select string_agg(value::text, ',') over (order by value) s from generate_series(1, 1000000)) q",
    ] {
        too_large(&engine, sql).await;
    }
    for (sql, wanted) in [
        ("select max(s) from (select sum(value) over () s from generate_series(1, 100000)) q", "5000050000"),
        (
            "select max(s) from (select sum(value) over (order by value) s from generate_series(1, 100000)) q",
            "5000050000",
        ),
        (
            "select max(s) from (select lag(value) over (order by value) s from generate_series(1, 10000000)) q",
            "9999999",
        ),
        (
            "select max(s) from (select sum(value) over (order by value rows between 9 preceding and current row) s \
             from generate_series(1, 10000000)) q",
            "99999955",
        ),
        (
            "select max(s) from (select sum(value) over (partition by value / 1000 order by value) s \
             from generate_series(1, 4000000)) q",
            "3999499500",
        ),
        (
            "select max(array_length(s)) from (select array_agg(value) over (order by value) s from generate_series(1, 1000)) q",
            "1000",
        ),
        (
            "select max(s) from (select sum(value) over (partition by value % 100) s from generate_series(1, 1000000)) q",
            "5000500000",
        ),
        (
            "select max(s) from (select lag(device) over (partition by value % 100 order by value) s \
             from (select 'n0' as device, n as value from generate_series(1, 1000000) as g(n)) d) q",
            "n0",
        ),
    ] {
        assert_eq!(answer(&engine, sql).await, [wanted], "{sql}");
    }
}

#[tokio::test]
async fn functions_that_make_large_values_are_bounded_before_they_are_called() {
    let (harness, _) = Harness::probe(1);
    let engine = harness.engine();
    for of_before in [
        "select s || s as s from BEFORE",
        "select concat(s, s) as s from BEFORE",
        "select concat_ws(s, s, s) as s from BEFORE",
        "select replace(s, 'a', s) as s from BEFORE",
        "select regexp_replace(s, 'a', s, 'g') as s from BEFORE",
    ] {
        for first in ["select 'aaaaaaaa' as s", "select 'aaaa' || value as s from generate_series(1, 10000)"] {
            too_large(&engine, &doubling(30, first, of_before, "select max(length(s)) from LAST")).await;
        }
    }
    let long = "x".repeat(500_000);
    too_large(
        &engine,
        &format!("select max(length(s)) from (select '{long}' as s, value from generate_series(1, 100000)) q"),
    )
    .await;
    assert_eq!(
        answer(&engine, &format!("select length('{long}'), length(replace('{long}', 'x', 'yy'))")).await,
        ["500000 | 1000000"]
    );
    assert_eq!(
        answer(
            &engine,
            "select 'a' || value || 'b', concat('a', value), replace('aba', 'a', 'xy') from generate_series(1, 2)"
        )
        .await,
        ["a1b | a1 | xybxy", "a2b | a2 | xybxy"]
    );
    // Each row is within the limit, and all of a batch are not: they are made in pieces as far as they go.
    assert_eq!(
        answer(
            &engine,
            "select count(*), max(length(replace(s, 'q', 'abcdefghijklmnopqrstuvwxyz'))) \
                         from (select lpad('a', 1000, 'a') || value as s from generate_series(1, 20000)) q"
        )
        .await,
        ["20000 | 1005"]
    );
}

#[tokio::test]
async fn a_long_list_of_names_is_one_set_for_all_files_and_passes_the_same_rows() {
    let (harness, devices) = Harness::probe(20);
    for day in 0..6 {
        let batch: Vec<ProbeRow> = (0..40)
            .map(|n| ProbeRow::numbered(n, devices[n as usize % 20], NEW_YEAR_US + day * 24 * HOUR_US + n))
            .collect();
        harness.add_live("probe", vec![probe_batch(harness.schemas("probe"), &batch)]);
        harness.flush("probe", &ParquetOptions::default()).await;
    }
    let engine = harness.engine();
    let names = |count: usize| (0..count).map(|n| format!("'d{}'", n * 2)).collect::<Vec<_>>().join(", ");
    for column in ["device", "note", "temperature::text"] {
        for not in ["", "not "] {
            let of =
                |count| format!("select count(*), count(level) from probe where {column} {not}in ({})", names(count));
            assert_eq!(answer(&engine, &of(4_000)).await, answer(&engine, &of(50)).await, "{column} {not}");
        }
    }
    let numbers =
        |count: usize| (0..count).map(|n| format!("{}", n as f64 / 100.0 - 50.0)).collect::<Vec<_>>().join(", ");
    let of = |list: &str| format!("select count(*), count(level) from probe where temperature in ({list})");
    let all = answer(&engine, &of(&numbers(10_000))).await;
    assert_eq!(
        all,
        answer(&engine, "select count(*), count(level) from probe where temperature >= -50 and temperature < 50").await
    );
    let plan = answer(&engine, &format!("explain select count(*) from probe where device in ({})", names(4_000))).await;
    assert!(plan.concat().contains("IN (4000 members)"), "{plan:?}");
}

#[tokio::test]
async fn a_plan_names_of_each_file_only_the_columns_of_its_statement() {
    let (harness, devices) = Harness::probe(3);
    for day in 0..60 {
        let row = ProbeRow::numbered(day, devices[day as usize % 3], NEW_YEAR_US + day * 24 * HOUR_US);
        harness.add_live("probe", vec![probe_batch(harness.schemas("probe"), &[row])]);
        harness.flush("probe", &ParquetOptions::default()).await;
    }
    assert_eq!(harness.view("probe").files.len(), 60);
    let engine = harness.engine();
    assert_eq!(answer(&engine, "select count(*) from probe").await, ["60"]);
    assert_eq!(
        answer(&engine, "select count(*), min(date), max(date) from probe where date > '2026-01-11'").await,
        ["49 | 2026-01-12 | 2026-03-01"]
    );
    assert_eq!(
        answer(&engine, "select date, device from probe order by time desc limit 2").await,
        ["2026-03-01 | d2", "2026-02-28 | d1"]
    );
    assert_eq!(answer(&engine, "select count(*) from (select * from probe) q where q.device = 'd1'").await, ["20"]);
}

#[tokio::test]
async fn where_the_process_takes_more_memory_than_is_safe_a_statement_is_ended() {
    let (harness, _) = Harness::probe(1);
    let engine = harness.engine_with(QueryOptions { process_bytes_max: 1, ..harness.options() });
    let error = rows(&engine, "select count(*) from generate_series(1, 100000) a, generate_series(1, 10000000000) b where a.value + b.value = 7")
        .await
        .expect_err("it is ended");
    assert_eq!(error.code, QueryErrorCode::TooLarge, "{error}");
    assert!(error.message.contains("no more memory"), "{error}");
    assert_eq!(answer(&engine, "select 1").await, ["1"], "what has ended one makes room for others");
}

#[tokio::test]
async fn the_list_of_files_is_memory_of_the_statement_that_reads_them() {
    let (harness, keys) = Harness::probe(1);
    let rows_of_one = [ProbeRow::numbered(1, keys[0], NEW_YEAR_US)];
    harness.add_live("probe", vec![probe_batch(harness.schemas("probe"), &rows_of_one)]);
    harness.flush("probe", &ParquetOptions::default()).await;
    let mut view = TableView::clone(&harness.view("probe"));
    // As many entries as a table of small files has after a month: they all name the one file that there is.
    view.set_files(Arc::new(vec![Arc::clone(&view.files[0]); 43_000]));
    harness.publish("probe", view);
    let small = QueryOptions { memory_bytes_max: 64 << 20, running_max: 2, ..harness.options() };
    let engine = harness.engine_with(small);
    for sql in ["select * from probe", "select * from probe where level > -1000"] {
        too_large(&engine, sql).await;
    }
    assert_eq!(answer(&engine, "select count(*) from probe where date < '2026-01-01'").await, ["0"], "none is listed");
    // What wants no column needs no list: how many rows there are is known.
    for (sql, wanted) in [
        ("select count(*) from probe", "43000"),
        ("select sum(one) from (select 1 as one from probe) q", "43000"),
        ("select count(*) from (select 1 from probe limit 42) q", "42"),
        ("select count(*) from (select 7 as a from probe offset 42990) q where a = 7", "10"),
        ("select count(*) from probe, generate_series(1, 3) g", "129000"),
    ] {
        assert_eq!(answer(&engine, sql).await, [wanted], "{sql}");
    }
    let enough = QueryOptions { memory_bytes_max: 1 << 30, running_max: 2, ..harness.options() };
    assert_eq!(answer(&harness.engine_with(enough), "select count(pulses) from probe").await, ["43000"]);
}
