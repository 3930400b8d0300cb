//! Sessions: variables, zones, transactions, cursors, prepared statements.

use tokio_postgres::error::SqlState;

use zonelake_registry::{Grant, Place, RoleLimits, Visibility};

use crate::server::{TestServer, connect, failure, shown, sqlstate, texts};

#[tokio::test]
async fn a_role_connects_with_its_own_password_until_it_is_removed() {
    let server = TestServer::start().await;
    let registry = server.bed.registry_arc();
    let password = registry.add_role("grafana", RoleLimits::default()).unwrap();
    registry.grant("grafana", &Grant::all_tables(Place::Everywhere, Visibility::Shown)).unwrap();
    registry.add_role("unseen", RoleLimits::default()).unwrap();
    let mut config = server.config();
    let refused = connect(config.user("grafana")).await.expect_err("the administrator's password is not its own");
    assert_eq!(sqlstate(&refused), "28P01");
    let client = connect(config.password(&password)).await.unwrap();
    assert_eq!(texts(&client, "select current_user, session_user, count(*) from probe").await, ["grafana|grafana|60"]);
    let roles = "select rolname, rolsuper, oid = rolname::regrole, oid::regrole::text from pg_roles order by 1";
    assert_eq!(texts(&client, roles).await, ["admin|f|t|admin", "grafana|f|t|grafana"]);
    let others = "select distinct \"user\" from system.queries";
    texts(&server.client().await, "select 1").await;
    assert_eq!(texts(&client, others).await, ["grafana"]);
    registry.remove_role("grafana").unwrap();
    assert_eq!(failure(&client, "select 1").await, "28000");
    let refused = connect(&config).await.expect_err("it is gone");
    assert_eq!(sqlstate(&refused), "28P01");
}

#[tokio::test]
async fn the_zone_of_a_session_shows_times_and_reads_those_without_a_zone() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let first = "select time from probe order by time limit 1";
    assert_eq!(texts(&client, first).await, ["2026-01-01 00:00:00+00"]);
    let before = "select count(*) from probe where time < '2026-01-01 07:00:00'";
    assert_eq!(texts(&client, before).await, ["7"]);
    client.simple_query("set time zone 'Asia/Ho_Chi_Minh'").await.unwrap();
    assert_eq!(texts(&client, "show timezone").await, ["Asia/Ho_Chi_Minh"]);
    assert_eq!(texts(&client, first).await, ["2026-01-01 07:00:00+07"]);
    assert_eq!(texts(&client, before).await, ["0"]);
    for (sql, shown) in [
        ("select count(*) from probe where time < '2026-01-01 00:00:01+00'", "1"),
        ("select count(*) from probe where time < timestamp '2026-01-01 08:00:00'", "1"),
        ("select count(*) from probe where time < timestamptz '2026-01-01 08:00:00'", "1"),
        ("select count(*) from probe where time < date '2026-01-02'", "17"),
        ("select date_trunc('day', time) from probe order by time limit 1", "2026-01-01 00:00:00+07"),
        ("select time::date from probe where time = '2026-01-01 18:00:00+00'", "2026-01-02"),
        ("select extract(hour from time) from probe order by time limit 1", "7"),
        ("select time at time zone 'UTC' from probe order by time limit 1", "2026-01-01 00:00:00"),
        ("select timestamp '2026-01-01 00:00:00' at time zone 'UTC'", "2026-01-01 07:00:00+07"),
        (
            "select date_trunc('day', time, 'America/New_York') from probe order by time limit 1",
            "2025-12-31 12:00:00+07",
        ),
    ] {
        assert_eq!(texts(&client, sql).await, [shown], "{sql}");
    }
    let plan = texts(&client, "explain select count(*) from probe where time < '2025-01-01 00:00:00'").await.join("\n");
    assert!(!plan.contains(".parquet"), "a filter in a zone leaves out files: {plan}");
    client.simple_query("reset timezone").await.unwrap();
    assert_eq!(texts(&client, first).await, ["2026-01-01 00:00:00+00"]);
}

#[tokio::test]
async fn transactions_have_the_states_that_clients_expect() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    assert_eq!(texts(&client, "begin; select 1; commit").await, ["1"]);
    client.simple_query("begin").await.unwrap();
    assert_eq!(failure(&client, "select nothing").await, "42703");
    assert_eq!(failure(&client, "select 1").await, "25P02");
    client.simple_query("rollback").await.unwrap();
    client.simple_query("begin; savepoint a").await.unwrap();
    assert_eq!(failure(&client, "select 1/0").await, "22012");
    assert_eq!(texts(&client, "rollback to savepoint a; select 2; release a; commit").await, ["2"]);
    let transaction = client.build_transaction().read_only(true).start().await.unwrap();
    assert_eq!(transaction.query("select 1", &[]).await.unwrap().len(), 1);
    transaction.commit().await.unwrap();
    assert_eq!(failure(&client, "savepoint a").await, "25P01");
    client.simple_query("begin; set local timezone = '+07:00'").await.unwrap();
    assert_eq!(texts(&client, "show timezone").await, ["+07:00"]);
    client.simple_query("commit").await.unwrap();
    assert_eq!(texts(&client, "show timezone").await, ["UTC"]);
}

#[tokio::test]
async fn a_portal_gives_so_many_rows_at_a_time() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    let transaction = client.transaction().await.unwrap();
    let portal = transaction.bind("select pulses from probe order by time", &[]).await.unwrap();
    let mut counts = Vec::new();
    loop {
        let rows = transaction.query_portal(&portal, 25).await.unwrap();
        if rows.is_empty() {
            break;
        }
        counts.push(rows.len());
    }
    assert_eq!(counts, [25, 25, 10]);
    transaction.rollback().await.unwrap();
}

#[tokio::test]
async fn cursors_are_read_forward_and_end_with_their_transaction() {
    let server = TestServer::start().await;
    let client = server.client().await;
    assert_eq!(failure(&client, "declare c cursor for select 1").await, "25P01");
    client.simple_query("begin; declare c cursor for select value from generate_series(1, 10)").await.unwrap();
    assert_eq!(texts(&client, "fetch 2 from c").await, ["1", "2"]);
    assert_eq!(texts(&client, "move 5 from c; fetch c").await, ["8"]);
    assert_eq!(texts(&client, "fetch all from c").await, ["9", "10"]);
    assert_eq!(texts(&client, "fetch c").await, [""; 0]);
    client.simple_query("close c; commit").await.unwrap();
    assert_eq!(failure(&client, "fetch c").await, "34000");
    client.simple_query("declare h cursor with hold for select 1").await.unwrap();
    assert_eq!(texts(&client, "fetch h").await, ["1"]);
    client.simple_query("close all").await.unwrap();
    // With a parameter, as clients with server-side cursors send it.
    client.simple_query("begin").await.unwrap();
    let declare = "declare p cursor for select value from generate_series(1, 10) where value > $1";
    client.execute(declare, &[&7i64]).await.unwrap_or_else(|error| panic!("{}", shown(&error)));
    assert_eq!(texts(&client, "fetch all from p").await, ["8", "9", "10"]);
    client.simple_query("commit").await.unwrap();
}

#[tokio::test]
async fn a_parameter_that_is_searched_for_items_is_a_list_of_their_type() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let sql = "select count(*) from probe where device = any($1) and pulses <> all($2) and time >= $3";
    let statement = client.prepare(sql).await.unwrap_or_else(|error| panic!("{}", shown(&error)));
    let types: Vec<&str> = statement.params().iter().map(|of| of.name()).collect();
    assert_eq!(types, ["_text", "_int8", "timestamptz"]);
}

#[tokio::test]
async fn variables_are_set_shown_and_forgotten() {
    let server = TestServer::start().await;
    let client = server.client().await;
    assert_eq!(texts(&client, "show application_name").await, ["test"]);
    client.simple_query("set extra_float_digits = 3; set application_name to 'other'; set app.x = 'y'").await.unwrap();
    assert_eq!(texts(&client, "show app.x").await, ["y"]);
    assert_eq!(texts(&client, "select current_setting('application_name')").await, ["other"]);
    let all = texts(&client, "show all").await;
    assert!(all.iter().any(|line| line.starts_with("application_name|other|")), "{all:?}");
    client.simple_query("discard all").await.unwrap();
    assert_eq!(texts(&client, "show application_name").await, ["test"]);
    assert_eq!(failure(&client, "show nothing").await, "42704");
    assert_eq!(failure(&client, "set client_encoding = 'LATIN1'").await, "22023");
    client.simple_query("set search_path = system").await.unwrap();
    assert_eq!(texts(&client, "select current_schema(), count(*) > 0 from queries").await, ["system|t"]);
}

#[tokio::test]
async fn columns_have_the_names_of_postgresql_even_twice() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let statement = client.prepare("select count(*), 1, 1, max(level) as top, device from probe group by device").await;
    let statement = statement.unwrap_or_else(|error| panic!("{}", shown(&error)));
    let names: Vec<&str> = statement.columns().iter().map(|column| column.name()).collect();
    assert_eq!(names, ["count", "?column?", "?column?", "top", "device"]);
}

#[tokio::test]
async fn statements_that_fail_in_a_pipeline_do_not_hold_up_the_others() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let (first, second, third) = futures::join!(
        client.query("select 1", &[]),
        client.query("select nothing", &[]),
        client.query("select 3", &[])
    );
    assert_eq!((first.unwrap().len(), third.unwrap().len()), (1, 1));
    assert_eq!(second.unwrap_err().code(), Some(&SqlState::UNDEFINED_COLUMN));
}

#[tokio::test]
async fn each_failure_has_its_code() {
    let server = TestServer::start().await;
    let client = server.client().await;
    for (sql, sqlstate) in [
        ("selct 1", "42601"),
        ("select 1 from", "42601"),
        ("select * from nowhere", "42P01"),
        ("select nothing from probe", "42703"),
        ("select no_such_function(1)", "42883"),
        ("insert into probe values (1)", "25006"),
        ("create table a (b int)", "25006"),
        ("with a as (select 1) insert into b select * from a", "25006"),
        ("copy probe from stdin", "25006"),
        ("copy probe to '/tmp/x'", "42501"),
        ("execute nothing", "25006"),
        ("set datafusion.execution.batch_size = 1; select * from information_schema.df_settings", "42P01"),
        ("select * from '/etc/passwd'", "42P01"),
        ("deallocate nothing", "26000"),
        ("select $1", "42P02"),
    ] {
        assert_eq!(failure(&client, sql).await, sqlstate, "{sql}");
    }
    assert_eq!(texts(&client, ";;select 1;;").await, ["1"]);
    assert_eq!(texts(&client, "").await, [""; 0]);
}
