//! Each statement has a time limit, a share of memory and a place in the queue.

use std::time::Duration;

use tokio::time::Instant;

use zonelake_query::{QueryErrorCode, QueryOptions};

use crate::harness::{Harness, answer, caller, rows};

/// Statements that would take days, each by another operator.
const ENDLESS: [&str; 7] = [
    "select sum(a.value) from generate_series(1, 100000) a, generate_series(1, 10000000000) b",
    "select count(*) from generate_series(1, 100000) a, generate_series(1, 10000000000) b where a.value + b.value = 7",
    "select count(*) from generate_series(1, 100000) a join generate_series(1, 10000000000) b on a.value % 2 = b.value % 2",
    NO_ROWS,
    "select count(*) from generate_series(1, 1000000) a join generate_series(1, 1000000) b \
     on a.value % 2 = b.value % 2 and sqrt(a.value) + sqrt(b.value) < -1",
    "with recursive r as (select 1 as n union all select n + 1 from r) select sum(n) from r",
    "select md5(value::varchar) as m, count(*) from generate_series(1, 10000000000) group by 1",
];

#[tokio::test]
async fn a_statement_ends_at_the_time_limit() {
    let (harness, _) = Harness::probe(1);
    let engine = harness.engine_with(QueryOptions { time_limit: Duration::from_millis(200), ..harness.options() });
    for sql in ENDLESS {
        let started = Instant::now();
        let error = rows(&engine, sql).await.unwrap_err();
        assert_eq!(error.code, QueryErrorCode::TimeLimit, "{sql}");
        assert!(error.message.contains("0.2 s"), "{error}");
        assert!(started.elapsed() < Duration::from_secs(20), "{sql}: {:?}", started.elapsed());
    }
    assert_eq!(answer(&engine, "select 1").await, ["1"]);
}

/// A join that works for hours without a row of output.
const NO_ROWS: &str = "select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b \
                       where sqrt(a.value) + sqrt(b.value) < -1";

#[tokio::test]
async fn a_statement_whose_caller_has_gone_ends_even_within_a_join_without_output() {
    let (harness, _) = Harness::probe(1);
    let engine = harness.engine();
    let answer = engine.execute(NO_ROWS, &caller()).await.unwrap();
    // Until the join has its inputs, it can be stopped between them.
    tokio::time::sleep(Duration::from_millis(500)).await;
    drop(answer);
    let dropped = Instant::now();
    while engine.admission().running() > 0 {
        assert!(dropped.elapsed() < Duration::from_secs(10), "it runs on");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_function_cannot_make_a_value_of_any_length() {
    let (harness, _) = Harness::probe(1);
    let engine = harness.engine();
    for sql in [
        "select length(lpad('x', 2000000000))",
        "select repeat('x', 2000000000)",
        "select range(1, 10000000000)",
        "select array_repeat(1, 10000000000)",
        "select max(length(rpad('x', value * 1000))) from generate_series(1, 100000)",
    ] {
        rows(&engine, sql).await.expect_err(sql);
    }
    assert_eq!(answer(&engine, "select lpad('7', 3, '0'), rpad('a', 2)").await, ["007 | a "]);
}

#[tokio::test]
async fn statements_wait_for_their_turn_and_one_too_many_is_refused() {
    let (harness, _) = Harness::probe(1);
    let engine = harness.engine_with(QueryOptions { running_max: 1, waiting_max: 1, ..harness.options() });
    // The rows are not read to their end, so the first statement goes on.
    let first = engine.execute("select * from generate_series(1, 100000000)", &caller()).await.unwrap();
    assert_eq!(engine.admission().running(), 1);
    let second = tokio::spawn({
        let engine = std::sync::Arc::clone(&engine);
        async move { answer(&engine, "select 2").await }
    });
    while engine.admission().waiting() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let error = rows(&engine, "select 3").await.unwrap_err();
    assert_eq!(error.code, QueryErrorCode::Busy);
    drop(first);
    assert_eq!(second.await.unwrap(), ["2"], "dropping an answer ends its statement");
    assert_eq!(engine.admission().waiting(), 0);
}

#[tokio::test]
async fn a_statement_that_needs_too_much_memory_uses_the_disk_and_then_fails_alone() {
    let (harness, _) = Harness::probe(1);
    let small = QueryOptions { memory_bytes_max: 32 << 20, running_max: 1, ..harness.options() };
    let engine = harness.engine_with(small.clone());
    // About 40 MB to sort, in 32 MB of memory.
    let sorted = "select value * 7919 % 700001 as k, value, value + 1, value + 2, value + 3, value + 4, value + 5 \
                  from generate_series(1, 700000) order by k";
    assert_eq!(answer(&engine, sorted).await.len(), 700_000);
    drop(engine);

    let engine = harness.engine_with(QueryOptions { spill_bytes_max: 1 << 20, ..small });
    let error = rows(&engine, sorted).await.unwrap_err();
    assert_eq!(error.code, QueryErrorCode::TooLarge, "{error}");
    assert!(!error.message.contains('/'), "{error}");
    assert_eq!(answer(&engine, "select 1").await, ["1"]);
}

#[tokio::test]
async fn what_a_killed_process_left_of_intermediate_results_is_removed() {
    let (harness, _) = Harness::probe(1);
    let left = harness.spill_dir().join("datafusion-left");
    std::fs::create_dir_all(&left).unwrap();
    std::fs::write(left.join("a.tmp"), b"rows").unwrap();
    std::fs::write(harness.spill_dir().join("other"), b"not ours").unwrap();
    let _engine = harness.engine();
    assert!(!left.exists());
    assert!(harness.spill_dir().join("other").exists());
}
