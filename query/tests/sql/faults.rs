//! Errors belong to whom they concern: a statement's own fault is the statement's wherever it is evaluated, and has PostgreSQL's code;
//! only a damaged file is told as damaged.

use std::sync::Arc;

use zonelake_parquet::ParquetOptions;
use zonelake_query::{QueryEngine, QueryError, QueryErrorCode};

use crate::harness::{HOUR_US, Harness, NEW_YEAR_US, ProbeRow, answer, probe_batch, rows};

/// Tables with 48 rows, live or in files.
async fn filled(in_files: bool) -> (Arc<Harness>, Arc<QueryEngine>) {
    let (harness, keys) = Harness::probe(2);
    let all: Vec<_> = (0..48).map(|n| ProbeRow::numbered(n, keys[n as usize % 2], NEW_YEAR_US + n * HOUR_US)).collect();
    harness.add_live("probe", vec![probe_batch(harness.schemas("probe"), &all)]);
    if in_files {
        harness.flush("probe", &ParquetOptions::default()).await;
    }
    let engine = harness.engine();
    (harness, engine)
}

async fn failed(engine: &QueryEngine, sql: &str) -> QueryError {
    rows(engine, sql).await.expect_err(sql)
}

/// Statements with the code that PostgreSQL 15 gives them.
const FAULTS: [(&str, &str); 12] = [
    ("select count(*) from probe where 10 / (pulses - pulses) > 1", "22012"),
    ("select count(*) from probe where 10 % (pulses - pulses) > 1", "22012"),
    ("select count(*) from probe where level / (level - level) > 1", "22012"),
    ("select count(*) from probe where ln(level - 1000) > 1", "2201E"),
    ("select count(*) from probe where sqrt(level - 1000) > 1", "2201F"),
    ("select count(*) from probe where pulses * 9223372036854775807 > 1", "22003"),
    ("select count(*) from probe where pulses::int > 1", "22003"),
    ("select count(*) from probe where note::int > 1", "22P02"),
    ("select count(*) from probe where note::timestamptz > now()", "22007"),
    ("select max(10 / (pulses - pulses)) from probe", "22012"),
    ("select 10 / (pulses - pulses) from probe order by 1 limit 1", "22012"),
    ("select device from probe group by device having 10 / (count(*) - count(*)) > 1", "22012"),
];

#[tokio::test]
async fn a_statements_fault_is_its_own_over_live_rows_and_over_files() {
    for in_files in [false, true] {
        let (_harness, engine) = filled(in_files).await;
        for (sql, sqlstate) in FAULTS {
            let error = failed(&engine, sql).await;
            let found = (error.code, error.narrow_sqlstate());
            assert_eq!(found, (QueryErrorCode::Execution, Some(sqlstate)), "in files: {in_files}: {sql}: {error}");
            assert!(!error.message.contains("Error evaluating"), "{sql}: {error}");
        }
        // The tables are as they were.
        assert_eq!(answer(&engine, "select count(*) from probe").await, ["48"]);
    }
}

#[tokio::test]
async fn a_column_that_does_not_exist_is_told_with_its_place_and_the_nearest_name() {
    let (_harness, engine) = filled(false).await;
    let error = failed(&engine, "select device,\n  levl from probe").await;
    assert_eq!(error.message, "column \"levl\" does not exist");
    assert_eq!((error.narrow_sqlstate(), error.position()), (Some("42703"), Some(18)));
    assert_eq!(error.hint(), Some("Perhaps you meant to reference the column \"probe.level\"."));
    let error = failed(&engine, "select p.nothing_like_it from probe p").await;
    assert_eq!((error.message.as_str(), error.hint()), ("column p.nothing_like_it does not exist", None));
    let error = failed(&engine, "select * from nowhere").await;
    assert_eq!(error.message, "relation \"nowhere\" does not exist");
    assert_eq!((error.narrow_sqlstate(), error.position()), (Some("42P01"), Some(15)));
}

#[tokio::test]
async fn what_cannot_be_answered_rightly_is_refused_in_words() {
    let (_harness, engine) = filled(true).await;
    for sql in [
        "select t.d, l.level from (values ('d0'), ('d1')) t(d), lateral (select level from probe p where p.device = t.d order by time desc limit 1) l",
        "select d, (select p.level from probe p where p.device < t.d and p.pulses > t.n order by time limit 1) from (values ('d0', 1)) t(d, n)",
        "select note collate \"vi_VN\" from probe",
    ] {
        let error = failed(&engine, sql).await;
        assert_eq!(error.narrow_sqlstate(), Some("0A000"), "{sql}: {error}");
        assert!(error.message.starts_with("not supported: "), "{error}");
    }
}

#[tokio::test]
async fn columns_are_named_as_postgresql_names_them() {
    let (_harness, engine) = filled(true).await;
    for (sql, names) in [
        (
            "select count(*), max(level), 1, time::date, level + 1 from probe group by time, level",
            "count max ?column? time ?column?",
        ),
        ("select max from (select max(level) from probe) t", "max"),
        (
            "select *, count(*) over () from (select device, avg(level) from probe group by device) t",
            "device avg count",
        ),
        (
            "select a.*, abs(b.device), b.* from (select device from probe) a, (select level as device from probe) b",
            "device abs device",
        ),
        ("select level, level from probe", "level level"),
        ("explain select count(*) from probe", "plan_type plan"),
    ] {
        let result =
            engine.execute(sql, &crate::harness::caller()).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let found: Vec<_> = result.schema.fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(found.join(" "), names, "{sql}");
        for batch in result.collect().await.unwrap() {
            let found: Vec<_> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
            assert_eq!(found.join(" "), names, "{sql}");
        }
    }
}

#[tokio::test]
async fn who_asks_and_where_is_told_on_every_interface() {
    let (_harness, engine) = filled(false).await;
    let who = "select current_user, session_user, current_database(), current_schema, current_schema()";
    assert_eq!(answer(&engine, who).await, ["admin | admin | zonelake | public | public"]);
    assert_eq!(answer(&engine, "select * from current_schema()").await, ["public"]);
    assert!(answer(&engine, "select version()").await[0].starts_with("PostgreSQL 15"));
}
