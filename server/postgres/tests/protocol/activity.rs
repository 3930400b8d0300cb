//! Connections as others see them, and how one cancels the statement of another one or ends it: what Stop of Superset's SQL Lab and
//! pgAdmin's dashboard do.

use std::time::Duration;

use tokio_postgres::{Client, Config};
use zonelake_registry::RoleLimits;

use crate::server::{TestServer, connect, failure, sqlstate, texts};

/// Many rows, so that it is executed for longer than any of these tests.
const LONG: &str = "select count(*) from generate_series(1, 4000000000) a where a % 7 = 8";

async fn pid(client: &Client) -> String {
    texts(client, "select pg_backend_pid()").await.remove(0)
}

/// Waits until a connection executes the long statement.
async fn executing(watcher: &Client, pid: &str) {
    let sql = format!("select state from pg_stat_activity where pid = '{pid}' and query like '%generate_series%'");
    for _ in 0..1_000 {
        if texts(watcher, &sql).await == ["active"] {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the statement is not listed");
}

fn reader(server: &TestServer, name: &str) -> Config {
    let password = server.bed.registry_arc().add_role(name, RoleLimits::default()).unwrap();
    let mut config = server.config();
    config.user(name).password(&password);
    config
}

#[tokio::test]
async fn a_statement_is_cancelled_and_a_connection_ended_by_another_one_of_the_role() {
    let server = TestServer::start().await;
    let (victim, watcher) = (server.client().await, server.client().await);
    let id = pid(&victim).await;
    let cancelled = tokio::join!(failure(&victim, LONG), async {
        executing(&watcher, &id).await;
        texts(&watcher, &format!("select pg_cancel_backend({id})")).await
    });
    assert_eq!(cancelled, ("57014".to_owned(), vec!["t".to_owned()]));
    // The connection goes on.
    assert_eq!(texts(&victim, "select 1").await, ["1"]);
    let sql = format!(
        "select state, query, usename, application_name, datname, client_addr from pg_stat_activity where pid = {id}"
    );
    assert_eq!(texts(&watcher, &sql).await, ["idle|select 1|admin|test|zonelake|127.0.0.1"]);
    let ended = tokio::join!(failure(&victim, LONG), async {
        executing(&watcher, &id).await;
        // As Superset writes it.
        texts(&watcher, &format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid='{id}'")).await
    });
    assert_eq!(ended, ("57P01".to_owned(), vec!["t".to_owned()]));
    assert!(victim.simple_query("select 1").await.is_err(), "the connection has ended");
    for _ in 0..1_000 {
        if texts(&watcher, &format!("select count(*) from pg_stat_activity where pid = {id}")).await == ["0"] {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(texts(&watcher, &format!("select pg_terminate_backend({id}), pg_cancel_backend({id})")).await, ["f|f"]);
}

#[tokio::test]
async fn an_idle_connection_is_ended_too_and_a_transaction_is_shown() {
    let server = TestServer::start().await;
    let (victim, watcher) = (server.client().await, server.client().await);
    let id = pid(&victim).await;
    victim.simple_query("begin; select 2").await.unwrap();
    let sql =
        format!("select state, wait_event, query_start is not null, xact_start from pg_stat_activity where pid = {id}");
    assert_eq!(texts(&watcher, &sql).await, ["idle in transaction|ClientRead|t|∅"]);
    assert_eq!(texts(&watcher, &format!("select pg_terminate_backend({id}, 1000)")).await, ["t"]);
    for _ in 0..1_000 {
        if victim.is_closed() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the connection goes on");
}

#[tokio::test]
async fn connections_of_other_roles_do_not_exist_for_a_role() {
    let server = TestServer::start().await;
    let admin = server.client().await;
    let (of_anna, of_bao) = (reader(&server, "anna"), reader(&server, "bao"));
    let (anna, bao) = (connect(&of_anna).await.unwrap(), connect(&of_bao).await.unwrap());
    let (own, other) = (pid(&anna).await, pid(&bao).await);
    assert_eq!(texts(&anna, "select pid, usename from pg_stat_activity").await, [format!("{own}|anna")]);
    assert_eq!(
        texts(&anna, &format!("select pg_cancel_backend({other}), pg_terminate_backend({other})")).await,
        ["f|f"]
    );
    assert_eq!(texts(&bao, "select 1").await, ["1"]);
    let seen = texts(&admin, "select usename from pg_stat_activity order by pid").await;
    assert_eq!(seen, ["admin", "anna", "bao"]);
    assert_eq!(texts(&admin, &format!("select pg_terminate_backend({other})")).await, ["t"]);
    let error = bao.simple_query(LONG).await.expect_err("the administrator has ended it");
    assert!(error.is_closed() || sqlstate(&error) == "57P01", "{error}");
}

#[tokio::test]
async fn describing_a_statement_ends_nothing() {
    let server = TestServer::start().await;
    let (victim, watcher) = (server.client().await, server.client().await);
    let id = pid(&victim).await;
    watcher.prepare(&format!("select pg_terminate_backend({id})")).await.unwrap();
    texts(&watcher, &format!("explain select pg_terminate_backend({id})")).await;
    assert_eq!(texts(&victim, "select 1").await, ["1"]);
}
