//! Limits hold over this protocol as over others, and statements end when they are cancelled.

use std::time::Duration;

use tokio_postgres::NoTls;

use crate::server::{TestServer, connect, failure, sqlstate, texts};

/// A statement that takes longer than any test.
pub(crate) const LONG: &str = "select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b \
                    where sqrt(a.value) + sqrt(b.value) < -1";

#[tokio::test]
async fn a_statement_is_cancelled_by_whoever_knows_its_secret_and_by_no_other() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let other = server.client().await;
    let token = client.cancel_token();
    let running = tokio::spawn(async move {
        let outcome = client.simple_query(LONG).await;
        (client, outcome.map(|_| ()).map_err(|error| sqlstate(&error)))
    });
    // A request of another connection is not for this one.
    tokio::time::sleep(Duration::from_millis(200)).await;
    other.cancel_token().cancel_query(NoTls).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!running.is_finished());
    token.cancel_query(NoTls).await.unwrap();
    let (client, outcome) = tokio::time::timeout(Duration::from_secs(10), running).await.unwrap().unwrap();
    assert_eq!(outcome.unwrap_err(), "57014");
    assert_eq!(texts(&client, "select 1").await, ["1"]);
    // The client gets the error immediately; the statement ends with its present step, and runs until then.
    let states = "select state from system.queries where text like 'select count(*) from generate_series(1, 1000000)%'";
    let mut state = texts(&client, states).await;
    for _ in 0..500 {
        if state != ["running"] {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        state = texts(&client, states).await;
    }
    assert_eq!(state, ["cancelled"]);
}

#[tokio::test]
async fn a_client_that_goes_takes_its_statement_with_it() {
    let server = TestServer::start().await;
    let (client, connection) = server.config().connect(NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let running = tokio::spawn(async move { drop(client.simple_query(LONG).await) });
    while server.engine.admission().running() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    connection.abort();
    running.abort();
    for _ in 0..500 {
        if server.engine.admission().running() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the statement runs on");
}

#[tokio::test]
async fn the_time_of_a_statement_is_limited_by_the_session_and_never_beyond_the_server() {
    let server = TestServer::start_with(|options| options.time_limit = Duration::from_secs(2)).await;
    let client = server.client().await;
    client.simple_query("set statement_timeout = '100ms'").await.unwrap();
    assert_eq!(failure(&client, LONG).await, "57014");
    client.simple_query("set statement_timeout = '1h'").await.unwrap();
    assert_eq!(failure(&client, LONG).await, "57014");
    assert_eq!(texts(&client, "select 1").await, ["1"]);
}

#[tokio::test]
async fn a_statement_that_needs_too_much_memory_ends_and_the_server_goes_on() {
    let server = TestServer::start_with(|options| {
        options.memory_bytes_max = 16 << 20;
        options.spill_bytes_max = 1 << 20;
    })
    .await;
    let client = server.client().await;
    let sql = "select array_agg(a.value || 'some text of a length') from generate_series(1, 3000000) a";
    assert_eq!(failure(&client, sql).await, "53200");
    assert_eq!(texts(&client, "select 1").await, ["1"]);
}

#[tokio::test]
async fn too_many_statements_and_too_many_connections_are_told_so() {
    let server = TestServer::start_bounded(
        |options| {
            options.running_max = 1;
            options.waiting_max = 0;
        },
        3,
    )
    .await;
    let first = server.client().await;
    let second = server.client().await;
    first.simple_query("begin; declare c cursor for select value from generate_series(1, 10000000)").await.unwrap();
    first.simple_query("fetch 1 from c").await.unwrap();
    assert_eq!(failure(&second, "select 1").await, "53300");
    first.simple_query("rollback").await.unwrap();
    for _ in 0..100 {
        if server.engine.admission().running() == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(texts(&second, "select 1").await, ["1"]);
    let _third = server.client().await;
    let refused = connect(&server.config()).await.expect_err("a fourth connection is one too many");
    assert_eq!(sqlstate(&refused), "53300");
}

#[tokio::test]
async fn a_client_that_takes_none_of_its_rows_ends_and_its_statement_with_it() {
    let server = TestServer::start().await;
    let (client, connection) = server.config().connect(NoTls).await.unwrap();
    let mut connection = Box::pin(connection);
    // The connection is driven until the statement runs, and then not any more: nothing is read from its socket.
    let sql = "select value, 'a text of some length, so that the buffers are full' from generate_series(1, 100000000)";
    let mut rows = Box::pin(client.simple_query(sql));
    while server.engine.admission().running() == 0 {
        tokio::select! {
            _ = &mut rows => panic!("so many rows take longer"),
            _ = &mut connection => panic!("the connection ended early"),
            () = tokio::time::sleep(Duration::from_millis(1)) => {}
        }
    }
    for _ in 0..1_000 {
        if server.engine.admission().running() == 0 {
            assert_eq!(texts(&server.client().await, "select 1").await, ["1"]);
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the statement waits for its client");
}

#[tokio::test]
async fn statements_are_listed_while_they_run_and_afterwards() {
    let server = TestServer::start().await;
    let client = server.client().await;
    client.simple_query("select 'listed' from generate_series(1, 3)").await.unwrap();
    assert_eq!(failure(&client, "select 'failed' from nowhere").await, "42P01");
    let sql = "select \"user\", interface, application_name, state, rows, bytes > 0, error is null, \
               duration_seconds >= 0, started > '2020-01-01' from system.queries where text like 'select ''%' order by id";
    assert_eq!(
        texts(&client, sql).await,
        ["admin|postgresql|test|done|3|t|t|t|t", "admin|postgresql|test|failed|0|f|f|t|t",]
    );
    let own =
        texts(&client, "select state from system.queries where text like '%system.queries%' order by id desc").await;
    assert_eq!(own.first().map(String::as_str), Some("running"), "a statement sees itself");
}
