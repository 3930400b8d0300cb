//! Statements that would stop or fill the server end with an error of their own, and others go on.

use std::time::Duration;

use tokio_postgres::types::Type;

use crate::server::{TestServer, failure, sqlstate, texts};

#[tokio::test]
async fn a_chain_of_any_length_is_answered_or_too_complex_by_both_query_protocols() {
    let server = TestServer::start().await;
    let client = server.client().await;
    for (first, link) in [
        ("select 1", " + 1"),
        ("select 1 from pg_class where relname = '0'", " or relname = '0'"),
        ("select 1", " union all select 1"),
        ("select 'a'", " || 'b'"),
        ("select 1", "::bigint"),
        ("select 1", " is null"),
        ("select now()", " at time zone 'UTC'"),
    ] {
        for links in [100, 2_000, 20_000] {
            let sql = format!("{first}{}", link.repeat(links));
            for sqlstate in [failure(&client, &sql).await, prepared_failure(&client, &sql).await] {
                let wanted: &[&str] = if links == 100 { &["none"] } else { &["none", "54001"] };
                assert!(wanted.contains(&sqlstate.as_str()), "{links} of {link}: {sqlstate}");
            }
        }
    }
    let doubled: Vec<String> =
        (1..=20).map(|n| format!("c{n} as (select * from c{0} union all select * from c{0})", n - 1)).collect();
    let doubled = format!("with c0 as (select 1 as v), {} select * from c20", doubled.join(", "));
    assert_eq!(failure(&client, &doubled).await, "54001");
    assert_eq!(prepared_failure(&client, &doubled).await, "54001");
    assert_eq!(texts(&client, "select 1").await, ["1"]);
}

/// The SQLSTATE with which a statement cannot be parsed or described.
async fn prepared_failure(client: &tokio_postgres::Client, sql: &str) -> String {
    client.prepare(sql).await.map_or_else(|error| sqlstate(&error), |_| "none".to_owned())
}

#[tokio::test]
async fn large_prepared_statements_keep_their_texts_and_all_of_them_run() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let list = (0..50_000).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let mut statements = Vec::new();
    for own in 0..25 {
        let sql = format!("select count(*) + {own} from generate_series(1, 10) where value + $1 in ({list})");
        statements
            .push(client.prepare_typed(&sql, &[Type::INT8]).await.unwrap_or_else(|error| panic!("{own}: {error}")));
    }
    for (own, statement) in statements.iter().enumerate().step_by(12) {
        let rows = client.query(statement, &[&0_i64]).await.unwrap();
        assert_eq!(rows[0].get::<_, i64>(0), 10 + i64::try_from(own).unwrap());
    }
    // Beyond the memory of the role there is an error, and what is closed makes room.
    let mut error = None;
    for own in 25..200 {
        let sql = format!("select {own} where 1 in ({list})");
        match client.prepare(&sql).await {
            Ok(statement) => statements.push(statement),
            Err(refused) => {
                error = Some(sqlstate(&refused));
                break;
            }
        }
    }
    assert_eq!(error.as_deref(), Some("53400"));
    statements.truncate(25);
    for _ in 0..100 {
        // A closed statement is told to the server with the next message.
        if client.prepare("select 'one more'").await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("closed statements still count");
}

#[tokio::test]
async fn describing_waits_for_a_permit_as_executing_does() {
    let server = TestServer::start_with(|options| {
        options.running_max = 1;
        options.waiting_max = 0;
    })
    .await;
    let (first, second) = (server.client().await, server.client().await);
    first.simple_query("begin; declare c cursor for select value from generate_series(1, 10000000)").await.unwrap();
    first.simple_query("fetch 1 from c").await.unwrap();
    assert_eq!(prepared_failure(&second, "select 1").await, "53300");
    first.simple_query("rollback").await.unwrap();
    for _ in 0..100 {
        if server.engine.admission().running() == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(prepared_failure(&second, "select 1").await, "none");
}

#[tokio::test]
async fn a_text_that_is_no_time_is_refused_even_within_a_letter() {
    let server = TestServer::start().await;
    let client = server.client().await;
    for text in ["1éééx", "1éé", "20é60101", "1é", "12:é", "2026-01-01 1é", "2026-01-01 1éé", "ééé", "1\u{1F600}45"]
    {
        for of in ["timestamptz", "timestamp"] {
            assert_eq!(failure(&client, &format!("select {of} '{text}'")).await, "22007", "{of} {text}");
        }
    }
}
