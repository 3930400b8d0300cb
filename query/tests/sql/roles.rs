//! Roles have limits of their own within those of the server, and see no more of each other than they must.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use zonelake_query::{Caller, QueryEngine, QueryError, QueryErrorCode, QueryOptions};
use zonelake_registry::RoleLimits;

use crate::harness::{Harness, answer, lines};

/// A statement that takes longer than any test.
const LONG: &str = "select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b \
                    where sqrt(a.value) + sqrt(b.value) < -1";
/// About 40 MB to sort.
const SORTED: &str = "select value * 7919 % 700001 as k, value, value + 1, value + 2, value + 3, value + 4, value + 5 \
                      from generate_series(1, 700000) order by k";

fn role(name: &str) -> Caller {
    Caller { name: name.into() }
}

async fn rows_as(engine: &QueryEngine, sql: &str, name: &str) -> Result<Vec<String>, QueryError> {
    let batches = engine.execute(sql, &role(name)).await?.collect().await?;
    Ok(batches.iter().flat_map(lines).collect())
}

#[tokio::test]
async fn a_role_has_less_time_than_the_server_gives_and_never_more() {
    let (harness, _) = Harness::probe(1);
    let seconds = |seconds| RoleLimits { statement_seconds_max: Some(seconds), ..RoleLimits::default() };
    harness.registry_arc().add_role("hasty", seconds(1)).unwrap();
    harness.registry_arc().add_role("patient", seconds(1_000)).unwrap();
    let engine = harness.engine_with(QueryOptions { time_limit: Duration::from_secs(3), ..harness.options() });
    for (name, limit) in [("hasty", "1 s"), ("patient", "3 s")] {
        let error = rows_as(&engine, LONG, name).await.unwrap_err();
        assert_eq!(error.code, QueryErrorCode::TimeLimit);
        assert!(error.message.contains(limit), "{name}: {error}");
    }
    // What is changed holds from the next statement on.
    harness.registry_arc().set_role_limits("patient", seconds(1)).unwrap();
    let error = rows_as(&engine, LONG, "patient").await.unwrap_err();
    assert!(error.message.contains("1 s"), "{error}");
}

#[tokio::test]
async fn a_role_has_less_memory_than_the_server_gives() {
    let (harness, _) = Harness::probe(1);
    let small = RoleLimits { memory_bytes_max: Some(16 << 20), ..RoleLimits::default() };
    harness.registry_arc().add_role("small", small).unwrap();
    // Without a disk to spill to, memory is all that there is.
    let large = QueryOptions { memory_bytes_max: 1 << 30, running_max: 2, ..harness.options() };
    let engine = harness.engine_with(QueryOptions { spill_bytes_max: 1 << 20, ..large });
    let error = rows_as(&engine, SORTED, "small").await.unwrap_err();
    assert_eq!(error.code, QueryErrorCode::TooLarge, "{error}");
    assert_eq!(rows_as(&engine, SORTED, "admin").await.unwrap().len(), 700_000);
    assert_eq!(rows_as(&engine, "select 1", "small").await.unwrap(), ["1"]);
    drop(engine);
    let engine = harness.engine();
    assert_eq!(rows_as(&engine, SORTED, "small").await.unwrap().len(), 700_000, "the disk is for all");
}

#[tokio::test]
async fn a_role_that_runs_all_that_it_may_holds_up_no_other() {
    let (harness, _) = Harness::probe(1);
    let one = RoleLimits { running_max: Some(1), ..RoleLimits::default() };
    harness.registry_arc().add_role("one", one).unwrap();
    let engine = harness.engine();
    let first = engine.execute("select * from generate_series(1, 100000000)", &role("one")).await.unwrap();
    let second = tokio::spawn({
        let engine = Arc::clone(&engine);
        async move { rows_as(&engine, "select 2", "one").await.unwrap() }
    });
    let began = Instant::now();
    while engine.admission().waiting() == 0 {
        assert!(began.elapsed() < Duration::from_secs(10), "the second does not wait");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(answer(&engine, "select 3").await, ["3"]);
    assert_eq!((engine.admission().running(), engine.admission().waiting()), (1, 1));
    drop(first);
    assert_eq!(second.await.unwrap(), ["2"]);
}

#[tokio::test]
async fn statements_are_seen_by_their_role_and_by_the_administrator() {
    let (harness, _) = Harness::probe(1);
    harness.registry_arc().add_role("one", RoleLimits::default()).unwrap();
    harness.registry_arc().add_role("two", RoleLimits::default()).unwrap();
    let engine = harness.engine();
    for name in ["one", "two", "admin"] {
        rows_as(&engine, "select 'seen'", name).await.unwrap();
    }
    let seen = "select \"user\" from system.queries where text = 'select ''seen''' order by 1";
    assert_eq!(rows_as(&engine, seen, "one").await.unwrap(), ["one"]);
    assert_eq!(rows_as(&engine, seen, "two").await.unwrap(), ["two"]);
    assert_eq!(rows_as(&engine, seen, "admin").await.unwrap(), ["admin", "one", "two"]);
}

#[tokio::test]
async fn tables_about_the_server_are_the_administrators_and_no_other_role_knows_of_them() {
    let (harness, _) = Harness::probe(1);
    harness.registry_arc().add_role("one", RoleLimits::default()).unwrap();
    let engine = harness.engine();
    for table in ["tables", "files", "compactions"] {
        let statement = format!("select count(*) from system.{table}");
        assert_eq!(rows_as(&engine, &statement, "admin").await.unwrap().len(), 1);
        let error = rows_as(&engine, &statement, "one").await.unwrap_err();
        assert!(error.message.contains("does not exist"), "{error}");
    }
    let listed = "select count(*) from information_schema.tables where table_schema = 'system'";
    assert_eq!(rows_as(&engine, listed, "one").await.unwrap(), ["1"]);
}

#[tokio::test]
async fn a_role_that_was_removed_is_answered_no_more() {
    let (harness, _) = Harness::probe(1);
    harness.registry_arc().add_role("gone", RoleLimits::default()).unwrap();
    let engine = harness.engine();
    assert_eq!(rows_as(&engine, "select 1", "gone").await.unwrap(), ["1"]);
    harness.registry_arc().remove_role("gone").unwrap();
    for name in ["gone", "nobody"] {
        let error = rows_as(&engine, "select 1", name).await.unwrap_err();
        assert_eq!(error.code, QueryErrorCode::NotAllowed);
        assert!(error.message.contains(name), "{error}");
    }
}
